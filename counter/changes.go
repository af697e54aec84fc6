package counter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/docent-zk/docent/framework"
)

// Changes are the states of a value as they come. It ends with the ctx that it was asked for with, with the client, or
// when the servers refuse to show the value for the first time. Later refusals are tried again, with growing pauses, and are in
// [framework.Client.Health] and the log meanwhile.
type Changes[T any] struct {
	// C gives the present state and later ones, the latest if several have come since it was read last. It is closed at the
	// end; a state that was not read by then can still be.
	C <-chan Versioned[T]

	c   chan Versioned[T] // with room for one
	err error             // set before c is closed
	end chan struct{}     // closed when err is set
}

// Err is why C was closed: the cause of ctx, framework.ErrClosed, [ErrWidth], or what the servers refused
// (framework.ErrNoAuth, ...). It is nil before.
func (c *Changes[T]) Err() error {
	select {
	case <-c.end:
		return c.err
	default:
		return nil
	}
}

// Policy is how Changes answers SUSPENDED and LOST: it goes on.
func (v *Value) Policy() framework.Policy {
	return framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}
}

// Changes follows the value: the present state comes first, then later ones. See the package documentation for what may be
// skipped. It runs until ctx ends; there is nothing else to close.
func (v *Value) Changes(ctx context.Context) *Changes[[]byte] {
	return follow(ctx, v, func(data []byte) ([]byte, error) { return data, nil })
}

// follow starts to follow a value. The client waits for it when it is closed.
func follow[T any](ctx context.Context, v *Value, decode func([]byte) (T, error)) *Changes[T] {
	ch := &Changes[T]{c: make(chan Versioned[T], 1), end: make(chan struct{})}
	ch.C = ch.c
	f := &follower[T]{value: v, decode: decode, to: ch.c}
	go func() {
		ch.err = v.cli.Run(ctx, framework.Recipe{Name: "counter", Path: v.path, Policy: v.Policy(), Run: f.run})
		if f.unfit != nil {
			ch.err = fmt.Errorf("counter %s: %w", v.path, f.unfit)
		}
		close(ch.end)
		close(ch.c)
	}()
	return ch
}

// follower is one call of Changes.
type follower[T any] struct {
	value  *Value
	decode func([]byte) (T, error)
	to     chan Versioned[T]
	given  int64 // transaction that made the latest state, which is given once: 0 for no node
	any    bool  // a state was given
	unfit  error // why the latest state could not be given, which ends Changes
}

// run follows the value in one session. The server must not be behind what was given in the session before.
func (f *follower[T]) run(ctx context.Context, s *framework.Session) error {
	if err := s.Sync(ctx, f.value.path); err != nil {
		return err
	}
	for {
		node, watch, err := f.look(ctx, s)
		if err != nil {
			return err
		}
		if f.unfit = f.give(node); f.unfit != nil {
			watch.Stop()
			return nil
		}
		s.RetryErrors()
		s.Report("following", nil, slog.Int("version", int(node.Stat.Version)))
		select {
		case ev := <-watch.C:
			if ev.Err != nil {
				return ev.Err
			}
		case <-ctx.Done():
			watch.Stop()
			return context.Cause(ctx)
		}
	}
}

// look reads and watches the node, a zero one if there is none.
func (f *follower[T]) look(ctx context.Context, s *framework.Session) (framework.Node, *framework.Watch, error) {
	for {
		node, watch, err := s.WatchData(ctx, f.value.path)
		if !errors.Is(err, framework.ErrNoNode) {
			return node, watch, err
		}
		_, there, watch, err := s.WatchExists(ctx, f.value.path)
		if err != nil || !there {
			return framework.Node{}, watch, err
		}
		watch.Stop() // created in between
	}
}

// give hands a state on, unless it was already. A state that nobody has read is replaced.
func (f *follower[T]) give(node framework.Node) error {
	if f.any && f.given == node.Stat.Mzxid {
		return nil
	}
	var missing error
	if node.Stat.Mzxid == 0 {
		missing = framework.ErrNoNode
	}
	raw, _ := f.value.state(node, missing)
	value, err := f.decode(raw.Value)
	if err != nil {
		return err
	}
	f.given, f.any = node.Stat.Mzxid, true
	select {
	case <-f.to:
	default:
	}
	f.to <- Versioned[T]{Value: value, Version: raw.Version} // there is room: nobody else sends
	return nil
}
