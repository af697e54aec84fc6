package barrier

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Barrier is a barrier on a path: it is closed while the node exists. It is stateless. Any number of goroutines and
// processes may use it; it is closed and opened for all of them.
type Barrier struct {
	cli  *framework.Client
	path string
}

// New returns the barrier on path. It does not contact the servers; an invalid path is reported by the methods.
func New(cli *framework.Client, path string) *Barrier {
	return &Barrier{cli: cli, path: framework.Abs(path)}
}

// Policy returns how Wait responds to SUSPENDED and LOST: it keeps waiting.
func (b *Barrier) Policy() framework.Policy {
	return framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}
}

// Set closes the barrier, as Curator's setBarrier does. It returns nil if the barrier is already closed. Missing
// parents are created.
//
// If the reply is lost, Set checks whether the barrier is closed, and closes it if not, even if another client has
// opened it meanwhile.
//
// Errors: those of [framework.Client]'s Create.
func (b *Barrier) Set(ctx context.Context) error {
	if err := b.usable(); err != nil {
		return err
	}
	_, err := b.cli.Create(ctx, b.path, nil, framework.Persistent, framework.Parents, framework.Idempotent)
	if errors.Is(err, framework.ErrNodeExists) {
		return nil
	}
	return err
}

// Remove opens the barrier, as Curator's removeBarrier does. It returns nil if the barrier is already open.
//
// Errors: those of [framework.Client]'s Delete.
func (b *Barrier) Remove(ctx context.Context) error {
	if err := b.usable(); err != nil {
		return err
	}
	err := b.cli.Delete(ctx, b.path, framework.AnyVersion)
	if errors.Is(err, framework.ErrNoNode) {
		return nil
	}
	return err
}

// Wait returns nil when the barrier is open, or was open at some moment since the call, as Curator's waitOnBarrier
// does. It keeps waiting through disconnections and lost sessions, within the limits of ctx.
//
// Errors: the cause of ctx, framework.ErrClosed, and what the servers refuse (framework.ErrNoAuth, ...).
func (b *Barrier) Wait(ctx context.Context) error {
	w := wait{path: b.path}
	return b.cli.Run(ctx, framework.Recipe{Name: "barrier", Path: b.path, Policy: b.Policy(), Run: w.run})
}

// usable returns an error if the client is nil.
func (b *Barrier) usable() error {
	if err := recipekit.Usable(b.cli); err != nil {
		return fmt.Errorf("barrier %s: %w", b.path, err)
	}
	return nil
}

// wait is one call of Wait.
type wait struct {
	path   string
	closed int64 // czxid of the node that was seen first; 0 before
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

// removed waits for an event of the node and reports whether the barrier was opened. A node with another czxid than the
// first one means that it was opened and closed again.
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
