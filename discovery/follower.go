package discovery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/guard"
)

// maxBlocked bounds the calls of the user's functions that have not returned, for one Service.
const maxBlocked = 64

// member is a node in the directory of a service, as last read.
type member[T any] struct {
	node     framework.Node
	endpoint *Endpoint[T] // nil if it cannot be read
	err      error        // the reason
	state    *condition
	call     *guard.Call[*reading[T]] // the call that reads it; nil if it has returned
}

// follower updates a Service. Its goroutine is the only one that changes the view and calls the Strategy.
type follower[T any] struct {
	*Service[T]
	last    cache.Snapshot
	members map[string]*member[T]
	unread  map[string]*member[T] // being read, or to be read again
	broken  map[string]error      // why nodes are skipped
	in      pool[T]               // instances in service that are not ejected
	near    pool[T]               // those of them in the preferred zone
	due     *time.Timer           // fires when an instance is to be readmitted
	tallies tallies

	blocked  atomic.Int32  // late calls that have not returned
	late     chan struct{} // holds a token when a late call has returned
	choosing *guard.Call[func() int]
	spare    *turns // used instead of a Strategy that fails
}

func newFollower[T any](s *Service[T]) *follower[T] {
	return &follower[T]{
		Service: s, due: time.NewTimer(time.Hour), late: make(chan struct{}, 1), spare: newTurns(rand.Uint64()),
		members: make(map[string]*member[T]), unread: make(map[string]*member[T]), broken: make(map[string]error),
	}
}

// run follows the mirror.
func (f *follower[T]) run(events <-chan cache.Event) {
	defer f.due.Stop()
	for {
		select {
		case _, ok := <-events:
			if !ok { // the client or the Service was closed
				f.end(framework.ErrClosed)
				f.readmitAll() // nothing would do it later
				if !errors.Is(context.Cause(f.life), ErrServiceClosed) {
					f.arrange(context.WithoutCancel(f.life), f.view)
				}
				return
			}
			f.update(f.life)
		case shown := <-f.refresh:
			f.update(f.life)
			close(shown)
		case <-f.late:
			f.update(f.life)
			f.arrange(f.life, f.view)
		case <-f.kick:
			f.arrange(f.life, f.view)
		case <-f.due.C:
			f.arrange(f.life, f.view)
		}
	}
}

// update brings the view up to date with the mirror. An event only triggers it; the mirror may contain further changes
// by then. When ctx ends, it stops waiting for the user's functions. The cost depends on the number of changes, not of
// instances.
func (f *follower[T]) update(ctx context.Context) {
	snapshot := f.mirror.Snapshot()
	if snapshot == f.last && len(f.unread) == 0 {
		return
	}
	keys := f.changedSince(snapshot)
	f.last = snapshot
	for key := range keys {
		if node, ok := snapshot.Get(framework.Join(f.path, key)); ok {
			f.members[key] = f.member(key, node)
		} else {
			f.forget(key)
		}
	}
	f.finish(ctx)
	_, there := snapshot.Get(f.path)
	v := &view[T]{stale: snapshot.StaleSince(), missing: !there}
	v.endpoints = f.register(keys)
	v.skipped = f.skips(snapshot)
	f.show(ctx, v)
}

// changedSince returns the keys of nodes that have changed since the last snapshot, and of those that have not been
// read.
func (f *follower[T]) changedSince(snapshot cache.Snapshot) map[string]struct{} {
	keys := make(map[string]struct{})
	for ev := range snapshot.Since(f.last) {
		if ev.Type != cache.Refused && ev.Path != f.path {
			_, key := framework.Split(ev.Path)
			keys[key] = struct{}{}
		}
	}
	for key := range f.unread {
		keys[key] = struct{}{}
	}
	return keys
}

// skips lists the nodes that are skipped.
func (f *follower[T]) skips(snapshot cache.Snapshot) []Skipped {
	var all []Skipped
	for key, err := range f.broken {
		all = append(all, Skipped{Path: framework.Join(f.path, key), Err: err})
	}
	for path, err := range snapshot.Refused() {
		if _, key := framework.Split(path); f.members[key] == nil || path == f.path {
			all = append(all, Skipped{Path: path, Err: err})
		}
	}
	slices.SortFunc(all, func(a, b Skipped) int { return cmp.Compare(a.Path, b.Path) })
	if sameSkipped(all, f.view.skipped) {
		return f.view.skipped
	}
	return all
}

// member starts to read a node, unless it has not changed.
func (f *follower[T]) member(key string, node framework.Node) *member[T] {
	old := f.members[key]
	if old != nil && bytes.Equal(old.node.Data, node.Data) && !errors.Is(old.err, errCrowded) {
		old.node = node
		return old
	}
	m := &member[T]{node: node}
	if old != nil {
		m.state = old.state
	} else {
		m.state = &condition{key: key, uses: f.tallies.take()}
	}
	f.unread[key] = m
	if f.blocked.Load() >= maxBlocked {
		m.err = errCrowded
		return m
	}
	m.call = f.reg.examine(node.Path, node.Data)
	return m
}

// errCrowded means that a node was not read because too many calls have not returned.
var errCrowded = fmt.Errorf("%w: calls for %d nodes", framework.ErrBlocked, maxBlocked)

// finish applies the results of reads. It waits for them, but only once for each.
func (f *follower[T]) finish(ctx context.Context) {
	if len(f.unread) == 0 {
		return
	}
	limited, cancel := context.WithTimeout(ctx, guard.Patience)
	defer cancel()
	passed, pass := context.WithCancel(ctx)
	pass()
	for key, m := range f.unread {
		if m.call == nil {
			continue
		}
		quit := limited
		if m.err != nil {
			quit = passed
		}
		switch {
		case m.call.Wait(quit.Done(), f.returned):
			now, err := m.call.Result()
			if m.call, m.err = nil, err; err == nil {
				m.endpoint = f.newEndpoint(key, now, m.state)
			}
			delete(f.unread, key)
		case m.err == nil:
			f.blocked.Add(1)
			m.err = errBlocked
		}
	}
}

// returned records that a late function has returned.
func (f *follower[T]) returned() {
	f.blocked.Add(-1)
	f.wake()
}

// show replaces the view. The instances to pick from only change if the view's do, and before listeners are notified.
func (f *follower[T]) show(ctx context.Context, v *view[T]) {
	if f.picker.Load() == nil || !f.view.same(v) {
		f.arrange(ctx, v)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.view = v
	close(f.changed)
	f.changed = make(chan struct{})
}

// arrange creates a picker of the available instances.
func (f *follower[T]) arrange(ctx context.Context, v *view[T]) {
	now := time.Now()
	due := f.readmit(now)
	f.due.Stop()
	if !due.IsZero() {
		f.due.Reset(due.Sub(now))
	}
	in := f.candidates()
	if in.count() == 0 {
		f.picker.Store(&picker[T]{err: fmt.Errorf("service %s: %w: %s", f.name, ErrNoInstances, v.why(f.path))})
		return
	}
	pick, how := f.choose(ctx, in)
	f.picker.Store(newPicker(in, pick, how))
}

// choose calls the Strategy. If it panics, or has not returned, instances are picked in turn.
func (f *follower[T]) choose(ctx context.Context, in roster[T]) (pick func() int, how picking) {
	passed, pass := context.WithCancel(ctx)
	pass()
	if f.choosing != nil && !f.choosing.Wait(passed.Done(), f.wake) {
		return nil, picking{turns: f.spare}
	}
	limited, cancel := context.WithTimeout(ctx, guard.Patience)
	defer cancel()
	candidates := newCandidates(in)
	f.choosing = guard.Begin(f.reg.cli, "strategy", f.path, func() (func() int, error) {
		pick := f.strategy(candidates)
		if pick == nil {
			return nil, errors.New("the Strategy has returned no function")
		}
		return pick, nil
	})
	if !f.choosing.Wait(limited.Done(), f.wake) {
		return nil, picking{turns: f.spare}
	}
	pick, err := f.choosing.Result()
	f.choosing = nil
	if err != nil {
		return nil, picking{turns: f.spare}
	}
	return pick, candidates.planOf(pick)
}

// wake makes the follower check everything again.
func (f *follower[T]) wake() {
	select {
	case f.late <- struct{}{}:
	default:
	}
}
