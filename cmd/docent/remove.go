package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/framework"
)

// removeCommand deletes nodes.
func (a *app) removeCommand() *cobra.Command {
	var recursive, yes bool
	var expected int32
	cmd := &cobra.Command{
		Use: "rm PATH", Short: "Delete a node", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completePath,
		Long: "Rm deletes PATH, which must not have children. With --recursive it deletes PATH and everything below it.\n\n" +
			"It refuses the root of the namespace, and ZooKeeper's own nodes below /zookeeper. With --recursive it asks first; " +
			"where nobody can answer, it needs --yes. The nodes are not deleted as one change: when rm fails, a part of them has gone.",
	}
	f := cmd.Flags()
	f.BoolVarP(&recursive, "recursive", "r", false, "delete everything below the node as well")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.Int32Var(&expected, "version", framework.AnyVersion, "delete the node only if it has this version; -1 is any")
	cmd.RunE = a.action(func(ctx context.Context, cli *framework.Client, args []string) error {
		path, err := node(args[0])
		if err != nil {
			return err
		}
		if err := a.removable(path, recursive, expected); err != nil {
			return err
		}
		r := &remover{app: a, cli: cli}
		if recursive {
			return r.all(ctx, path, yes)
		}
		err = cli.Delete(ctx, path, expected)
		if errors.Is(err, framework.ErrNotEmpty) {
			return fmt.Errorf("%w: --recursive deletes what is below it as well", err)
		}
		if err == nil {
			r.report(path, 1)
		}
		return err
	})
	return cmd
}

func (a *app) removable(path string, recursive bool, expected int32) error {
	switch {
	case path == "/":
		return usagef("rm does not delete the root")
	case path == "/zookeeper" || strings.HasPrefix(path, "/zookeeper/"):
		return usagef("%s belongs to ZooKeeper itself, and rm does not delete it", path)
	case recursive && expected != framework.AnyVersion:
		return usagef("--version does not go together with --recursive")
	}
	return nil
}

// remover deletes a tree.
type remover struct {
	*app
	cli     *framework.Client
	mu      sync.Mutex
	removed int
}

func (r *remover) report(path string, n int) {
	if r.asJSON {
		r.out.json(struct {
			Path    string `json:"path"`
			Removed int    `json:"removed"`
		}{path, n})
		return
	}
	r.out.printf("Deleted %s.\n", plural(n, "node"))
}

func (r *remover) all(ctx context.Context, path string, yes bool) error {
	if !yes {
		if err := r.confirm(ctx, path); err != nil {
			return err
		}
	}
	if _, exists, err := r.cli.Exists(ctx, path); err != nil {
		return err
	} else if !exists {
		return fmt.Errorf("rm %s: %w", path, framework.ErrNoNode)
	}
	err := r.tree(ctx, path)
	if err != nil && r.removed > 0 {
		return fmt.Errorf("%w; %s deleted before that", err, plural(r.removed, "node"))
	}
	if err == nil {
		r.report(path, r.removed)
	}
	return err
}

// countLimit is how far nodes are counted before the question.
const countLimit = 10_000

// confirm asks, and returns an error unless the answer is yes.
func (r *remover) confirm(ctx context.Context, path string) error {
	if !r.asks {
		return usagef("rm --recursive needs --yes where nobody can be asked")
	}
	n, err := r.count(ctx, path, 0)
	if err != nil {
		return err
	}
	what := plural(n, "node") + " below it"
	if n >= countLimit {
		what = fmt.Sprintf("more than %d nodes below it", countLimit)
	}
	fmt.Fprintf(r.stderr, "Delete %s and %s? [y/N] ", safe(path), what)
	answer := make(chan string, 1)
	go func() { // it is left behind when a signal comes first, until the process ends
		line, _ := bufio.NewReader(r.stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(r.stderr)
		return context.Cause(ctx)
	case text := <-answer:
		if text != "y" && text != "yes" {
			return &exitError{code: exitConflict, err: errors.New("nothing was deleted")}
		}
		return nil
	}
}

// count counts the nodes below path, up to countLimit, to which counted ones belong.
func (r *remover) count(ctx context.Context, path string, counted int) (int, error) {
	names, _, err := r.cli.Children(ctx, path)
	if err != nil {
		return counted, err
	}
	for _, name := range names {
		if counted >= countLimit {
			break
		}
		below, err := r.count(ctx, framework.Join(path, name), counted+1)
		switch {
		case err == nil:
			counted = below
		case errors.Is(err, framework.ErrNoNode): // it has gone since
		default:
			return counted, err
		}
	}
	return counted, nil
}

// one deletes one node, and reports whether it has gone. It has not if it has children.
func (r *remover) one(ctx context.Context, path string) (bool, error) {
	err := r.cli.Delete(ctx, path, framework.AnyVersion)
	switch {
	case err == nil:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.removed++
		return true, nil
	case errors.Is(err, framework.ErrNoNode):
		return true, nil
	case errors.Is(err, framework.ErrNotEmpty):
		return false, nil
	}
	return false, err
}

// tree deletes path and everything below it, also what is created meanwhile, for a number of rounds.
func (r *remover) tree(ctx context.Context, path string) error {
	for range 10 {
		gone, err := r.one(ctx, path)
		if gone || err != nil {
			return err
		}
		names, _, err := r.cli.Children(ctx, path)
		if err != nil && !errors.Is(err, framework.ErrNoNode) {
			return err
		}
		full := make([]bool, len(names))
		err = parallel(len(names), func(i int) error {
			gone, err := r.one(ctx, framework.Join(path, names[i]))
			full[i] = !gone
			return err
		})
		if err != nil {
			return err
		}
		for i, name := range names {
			if !full[i] {
				continue
			}
			if err := r.tree(ctx, framework.Join(path, name)); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("rm %s: %w: nodes are created below it again and again", path, framework.ErrNotEmpty)
}
