//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/histories"
)

// registerAlways registers the instance because of which a pick always succeeds.
func (run *Run) registerAlways(ctx context.Context) error {
	cli, err := run.keeper.Namespace(root)
	if err != nil {
		return err
	}
	r, err := discovery.New(cli, servicesPath, discovery.AnyAddress[int64]()).Register(ctx, discovery.Instance[int64]{
		Name: serviceName, ID: "always", Address: "127.0.0.1", Port: 1, Type: discovery.Static,
	})
	if err != nil {
		return err
	}
	run.always = r
	return nil
}

// awaitRest waits until the nodes are those that must be there. What is too many may be of a session that the servers have not ended yet.
func (run *Run) awaitRest(ctx context.Context, closed bool) error {
	var latest []string // that could be found before ctx ended
	for {
		kept, err := run.kept(closed)
		if err != nil {
			return err
		}
		wrong, err := run.differences(ctx, kept)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("at rest, with the clients closed: %v: %w; what is wrong:\n%s\nwhat the servers have logged of it:\n%s", closed,
				context.Cause(ctx), strings.Join(latest, "\n"), strings.Join(run.logged(latest), "\n"))
		case err != nil:
			return err
		case len(wrong) == 0:
			return nil
		}
		latest = wrong
		histories.Wait(ctx, 100*time.Millisecond)
	}
}

// logged is what the first server has logged of the nodes that complaints begin with.
func (run *Run) logged(complaints []string) (lines []string) {
	for _, c := range complaints {
		path, _, _ := strings.Cut(c, " ")
		parent, _ := framework.Split(path)
		found, err := Mentions(run.cluster.Servers()[0].DataDir(), parent)
		lines = append(append(lines, parent), found...)
		if err != nil {
			lines = append(lines, err.Error())
		}
	}
	return lines
}

// kept is what the workers say that they keep, by path.
func (run *Run) kept(closed bool) (map[string]Record, error) {
	kept := make(map[string]Record)
	if closed {
		return kept, nil
	}
	for _, l := range run.lanes {
		records, err := ReadJournal(l.files[slices.IndexFunc(l.files, func(f string) bool {
			return strings.HasSuffix(f, fmt.Sprintf("worker-%d-%d", l.id, l.life))
		})])
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			if r.Op == Kept {
				kept[root+r.Object] = r
			}
		}
	}
	return kept, nil
}

// differences compares what is there with what is kept. Everything else that is there must be persistent, and no member of a queue.
func (run *Run) differences(ctx context.Context, kept map[string]Record) (wrong []string, err error) {
	if err := run.keeper.Sync(ctx, root); err != nil {
		return nil, err
	}
	missing := make(map[string]bool)
	for path := range kept {
		missing[path] = true
	}
	err = run.walk(ctx, root, func(n framework.Node) {
		r, own := kept[n.Path]
		delete(missing, n.Path)
		switch {
		case own && n.Stat.EphemeralOwner != r.Token:
			wrong = append(wrong, fmt.Sprintf("%s is of session %#x and not %#x", n.Path, n.Stat.EphemeralOwner, r.Token))
		case own && r.Value >= 0 && parse(n.Data) != r.Value:
			wrong = append(wrong, fmt.Sprintf("%s is %q and not %d", n.Path, n.Data, r.Value))
		case !own && (n.Stat.EphemeralOwner != 0 || strings.Contains(n.Path, "/_c_") || n.Path == root+gatePath):
			wrong = append(wrong, fmt.Sprintf("%s of session %#x is left", n.Path, n.Stat.EphemeralOwner))
		}
	})
	for path := range missing {
		wrong = append(wrong, path+" is not there")
	}
	return wrong, err
}

// walk visits a node and all below it. One that has gone meanwhile, as empty containers do, is left out.
func (run *Run) walk(ctx context.Context, path string, visit func(framework.Node)) error {
	n, err := run.keeper.Get(ctx, path)
	if err == nil {
		visit(n)
		var names []string
		if names, _, err = run.keeper.Children(ctx, path); err == nil {
			for _, name := range names {
				if err := run.walk(ctx, framework.Join(path, name), visit); err != nil {
					return err
				}
			}
		}
	}
	if errors.Is(err, framework.ErrNoNode) {
		return nil
	}
	return err
}
