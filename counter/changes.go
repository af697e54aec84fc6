package counter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/docent-zk/docent/framework"
)

// Changes delivers the current state of a value and each change. It ends with its ctx, with the client, or when the
// servers refuse the first read. Later refusals are retried with growing pauses; until then they are in
// [framework.Client.Health] and in the log.
type Changes[T any] struct {
	// C delivers the current state and later ones. If several changes have come since the last receive, it delivers the
	// latest. It is closed at the end; a state that was not received can still be received then.
	C <-chan Versioned[T]

	c   chan Versioned[T] // has room for one
	err error             // set before c is closed
	end chan struct{}     // closed when err is set
}

// Err returns why C was closed: the cause of ctx, framework.ErrClosed, [ErrWidth], or what the servers refused
// (framework.ErrNoAuth, ...). It returns nil while C is open.
func (c *Changes[T]) Err() error {
	select {
	case <-c.end:
		return c.err
	default:
		return nil
	}
}

// Policy returns how Changes responds to SUSPENDED and LOST: it continues.
func (v *Value) Policy() framework.Policy {
	return framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}
}

// Changes delivers the current state and then later ones. The package documentation says which can be skipped. It runs
// until ctx ends; there is nothing to close.
func (v *Value) Changes(ctx context.Context) *Changes[[]byte] {
	return follow(ctx, v, func(data []byte) ([]byte, error) { return data, nil })
}

// follow starts to follow a value. The client's Close waits for it.
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
	given  int64 // zxid of the last delivered state; 0 for a missing node
	any    bool  // whether a state was delivered
	unfit  error // why the latest state could not be delivered, which ends Changes
}

// run follows the value in one session. It first waits until the server has seen all that the previous session has
// seen.
func (f *follower[T]) run(ctx context.Context, s *framework.Session) error {
	if err := s.Sync(ctx, f.value.path); err != nil {
		return err
	}
	for {
		node, watch, err := f.read(ctx, s)
		if err != nil {
			return err
		}
		if f.unfit = f.deliver(node); f.unfit != nil {
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

// read reads and watches the node; the zero Node if it does not exist.
func (f *follower[T]) read(ctx context.Context, s *framework.Session) (framework.Node, *framework.Watch, error) {
	for {
		node, watch, err := s.WatchData(ctx, f.value.path)
		if !errors.Is(err, framework.ErrNoNode) {
			return node, watch, err
		}
		_, there, watch, err := s.WatchExists(ctx, f.value.path)
		if err != nil || !there {
			return framework.Node{}, watch, err
		}
		watch.Stop() // created meanwhile
	}
}

// deliver delivers a state unless it was the last one delivered. It replaces a state that was not received.
func (f *follower[T]) deliver(node framework.Node) error {
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
	f.to <- Versioned[T]{Value: value, Version: raw.Version} // there is room: no other goroutine sends
	return nil
}
