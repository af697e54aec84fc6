package barrier

import (
	"context"
	"errors"

	"github.com/docent-zk/docent/framework"
)

// Barrier is a gate on a path: closed while the node exists. It has no state of its own; any number of goroutines and
// processes may use it, and it is closed and opened for all of them.
type Barrier struct {
	cli  *framework.Client
	path string
}

// New returns the barrier on path. It asks nothing of the servers; an invalid path is an error of the methods.
func New(cli *framework.Client, path string) *Barrier {
	return &Barrier{cli: cli, path: framework.Abs(path)}
}

// Policy is how Wait answers SUSPENDED and LOST: it goes on waiting.
func (b *Barrier) Policy() framework.Policy {
	return framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}
}

// Set closes the barrier: Curator's setBarrier. It is nil as well if the barrier is closed already. Missing parents are
// created.
//
// When the answer is lost, Set looks whether the barrier is closed and closes it if it is not, also if somebody else has
// removed it in between.
//
// Errors: those of [framework.Client]'s Create.
func (b *Barrier) Set(ctx context.Context) error {
	_, err := b.cli.Create(ctx, b.path, nil, framework.Persistent, framework.Parents, framework.Idempotent)
	if errors.Is(err, framework.ErrNodeExists) {
		return nil
	}
	return err
}

// Remove opens the barrier: Curator's removeBarrier. It is nil as well if the barrier is open already.
//
// Errors: those of [framework.Client]'s Delete.
func (b *Barrier) Remove(ctx context.Context) error {
	err := b.cli.Delete(ctx, b.path, framework.AnyVersion)
	if errors.Is(err, framework.ErrNoNode) {
		return nil
	}
	return err
}

// Wait returns nil when the barrier is open, or was at some moment since the call: Curator's waitOnBarrier. It waits through
// disconnections and lost sessions, as long as ctx allows.
//
// Errors: the cause of ctx, framework.ErrClosed, and what the servers refuse (framework.ErrNoAuth, ...).
func (b *Barrier) Wait(ctx context.Context) error {
	w := wait{path: b.path}
	return b.cli.Run(ctx, framework.Recipe{Name: "barrier", Path: b.path, Policy: b.Policy(), Run: w.run})
}

// wait is one call of Wait.
type wait struct {
	path   string
	closed int64 // czxid of the node that has been seen to close the barrier; 0 before
}

// run waits in one session.
func (w *wait) run(ctx context.Context, s *framework.Session) error {
	if err := s.Sync(ctx, w.path); err != nil {
		return err
	}
	for {
		node, watch, err := s.WatchData(ctx, w.path)
		if errors.Is(err, framework.ErrNoNode) {
			return nil
		}
		if err != nil {
			return err
		}
		removed, err := w.removed(ctx, s, node, watch)
		if removed || err != nil {
			return err
		}
	}
}

// removed waits for an event on the node and reports whether the barrier was removed. Another node than the one that was
// seen first says that it was, and that it was set again since.
func (w *wait) removed(ctx context.Context, s *framework.Session, node framework.Node, watch *framework.Watch) (bool, error) {
	defer watch.Stop()
	if w.closed == 0 {
		w.closed = node.Stat.Czxid
	}
	if node.Stat.Czxid != w.closed {
		return true, nil
	}
	s.Report("waiting", nil)
	select {
	case ev := <-watch.C:
		return ev.Type == framework.EventDeleted, ev.Err
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}
