package cache

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// recursive is the source for servers with recursive watches (ZooKeeper 3.6): one watch for everything. Its events
// arrive before any later reply of the session, so they can be ordered with the reads.
type recursive struct {
	s     *framework.Session
	root  string
	watch *framework.TreeWatch
}

// errNoMoreEvents ends a pass whose watch has ended before its session.
var errNoMoreEvents = errors.New("the recursive watch has ended")

func newRecursive(ctx context.Context, s *framework.Session, root string) (*recursive, error) {
	watch, err := s.WatchTree(ctx, root)
	if err != nil {
		return nil, err
	}
	return &recursive{s: s, root: root, watch: watch}, nil
}

func (r *recursive) look(ctx context.Context, path string) (framework.Stat, bool, error) {
	return r.s.Exists(ctx, path)
}

func (r *recursive) get(ctx context.Context, path string) (framework.Node, error) {
	return r.s.Get(ctx, path)
}

func (r *recursive) list(ctx context.Context, path string) ([]string, framework.Stat, error) {
	return r.s.Children(ctx, path)
}

func (r *recursive) size() int { return recipekit.MultiReadSize(r.s) }

func (r *recursive) read(ctx context.Context, reads []recipekit.Read) ([]recipekit.ReadAnswer, error) {
	return recipekit.MultiRead(ctx, r.s, reads)
}

func (r *recursive) ready() <-chan struct{} { return r.watch.Ready() }

// kindOf maps events to notes.
var kindOf = map[framework.EventType]noteKind{
	framework.EventCreated: nodeCreated, framework.EventDeleted: nodeDeleted, framework.EventDataChanged: nodeTouched,
	framework.EventReset: everything,
}

func (r *recursive) take() ([]note, error) {
	events, over := r.watch.Take()
	notes := make([]note, len(events))
	for i, ev := range events {
		notes[i] = note{path: ev.Path, kind: kindOf[ev.Type]}
	}
	if over != nil {
		over = errors.Join(errNoMoreEvents, over)
	}
	return notes, over
}

func (r *recursive) covers(work) bool { return true }
func (r *recursive) unfollow(string)  {}
func (r *recursive) everywhere() bool { return true }
func (r *recursive) settled() int64   { return r.watch.Zxid() }
func (r *recursive) listening() bool  { return r.watch.Zxid() != 0 }

// resume waits until the watch is set on the new connection, which comes with a reset event. If the server is too busy
// to set it, each request asks for it again.
func (r *recursive) resume(ctx context.Context) error {
	for {
		if err := syncSurely(ctx, r.s, r.root); err != nil || r.listening() {
			return err
		}
		select {
		case <-time.After(minPatience):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *recursive) close() { r.watch.Stop() }
