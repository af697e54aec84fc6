package cache

import (
	"context"
	"errors"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// oneShot is the source that works on every server: a one-shot watch on each node and each list, set again with each
// read.
type oneShot struct {
	s    *framework.Session
	root string
	set  recipekit.WatchSet
}

func newOneShot(s *framework.Session, root string) *oneShot {
	return &oneShot{s: s, root: root, set: recipekit.NewWatchSet(s)}
}

// look watches for the creation of a missing node only if it is the root.
func (o *oneShot) look(ctx context.Context, path string) (framework.Stat, bool, error) {
	node, err := o.set.Exists(ctx, path, path == o.root)
	if errors.Is(err, framework.ErrNoNode) {
		return framework.Stat{}, false, nil
	}
	return node.Stat, err == nil, err
}

// get watches for the creation of a missing root as well.
func (o *oneShot) get(ctx context.Context, path string) (framework.Node, error) {
	for {
		node, err := o.set.Get(ctx, path)
		if path != o.root || !errors.Is(err, framework.ErrNoNode) {
			return node, err
		}
		if _, ok, err := o.look(ctx, path); err != nil || !ok {
			return framework.Node{}, errors.Join(err, framework.ErrNoNode)
		}
	}
}

func (o *oneShot) list(ctx context.Context, path string) ([]string, framework.Stat, error) {
	names, node, err := o.set.List(ctx, path)
	return names, node.Stat, err
}

func (o *oneShot) size() int { return o.set.Size() }

func (o *oneShot) read(ctx context.Context, reads []recipekit.Read) ([]recipekit.ReadAnswer, error) {
	return o.set.Read(ctx, reads)
}

func (o *oneShot) ready() <-chan struct{} { return o.set.Ready() }

func (o *oneShot) take() ([]note, error) {
	events := o.set.Take()
	notes := make([]note, len(events))
	for i, ev := range events {
		notes[i] = note{path: ev.Path}
		switch {
		case ev.List:
			notes[i].kind = kidsTouched
		case ev.Gone:
			notes[i].kind = nodeGone
		}
	}
	return notes, nil
}

func (o *oneShot) covers(w work) bool { return o.set.Armed(w.path, w.list) }

// unfollow ignores the event of the watch that is left.
func (o *oneShot) unfollow(path string) { o.set.Forget(path) }

func (o *oneShot) everywhere() bool { return false }
func (o *oneShot) settled() int64   { return 0 }
func (o *oneShot) listening() bool  { return true }

// resume waits for the reply to one request. On a new connection, the requests that set the watches again are sent
// first, and answered first, with what the watches have missed.
func (o *oneShot) resume(ctx context.Context) error { return syncSurely(ctx, o.s, o.root) }

func (o *oneShot) close() { o.set.Close() }
