package discovery

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/guard"
)

// maxBlocked bounds the calls of the user's functions, for one Service, that do not return.
const maxBlocked = 64

// member is a node in the directory of a service, as it was read last.
type member[T any] struct {
	node     framework.Node
	endpoint *Endpoint[T] // nil if it cannot be read
	err      error        // why
	state    *condition
	call     *guard.Call[*reading[T]] // that reads it; nil if it has returned
}

// follower brings a Service up to date. It belongs to one goroutine, the only one that changes the view and calls the Strategy.
type follower[T any] struct {
	*Service[T]
	last    cache.Snapshot
	members map[string]*member[T]
	due     *time.Timer // fires when an instance is to be let back

	blocked  atomic.Int32  // calls that did not return in time, and have not yet
	late     chan struct{} // holds a token when one has
	choosing *guard.Call[func() int]
	spare    Strategy // in place of one that cannot be used
}

func newFollower[T any](s *Service[T]) *follower[T] {
	return &follower[T]{
		Service: s, due: time.NewTimer(time.Hour), members: make(map[string]*member[T]), late: make(chan struct{}, 1), spare: RoundRobin(),
	}
}

// run follows the mirror.
func (f *follower[T]) run(events <-chan cache.Event) {
	defer f.due.Stop()
	for {
		select {
		case _, ok := <-events:
			if !ok { // the client was closed, or the Service
				f.end(framework.ErrClosed)
				f.pardon() // nobody would do it later
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
			f.last = cache.Snapshot{}
			f.update(f.life)
			f.arrange(f.life, f.view)
		case <-f.kick:
			f.arrange(f.life, f.view)
		case <-f.due.C:
			f.arrange(f.life, f.view)
		}
	}
}

// update shows what the mirror has. An event is an occasion to look; by then others may be in as well. It does not wait for
// functions any more when ctx ends.
func (f *follower[T]) update(ctx context.Context) {
	snapshot := f.mirror.Snapshot()
	if snapshot == f.last {
		return
	}
	f.last = snapshot
	members := make(map[string]*member[T], len(f.members))
	v := &view[T]{stale: snapshot.StaleSince()}
	_, there := snapshot.Get(f.path)
	v.missing = !there
	for key, node := range snapshot.Children(f.path) {
		members[key] = f.member(key, node)
	}
	f.finish(ctx, members)
	for key, node := range snapshot.Children(f.path) {
		if m := members[key]; m.err == nil {
			v.endpoints = append(v.endpoints, m.endpoint)
		} else {
			v.skipped = append(v.skipped, Skipped{Path: node.Path, Err: m.err})
		}
	}
	for path, err := range snapshot.Refused() {
		if _, key := framework.Split(path); members[key] == nil || path == f.path {
			v.skipped = append(v.skipped, Skipped{Path: path, Err: err})
		}
	}
	slices.SortFunc(v.skipped, func(a, b Skipped) int { return cmp.Compare(a.Path, b.Path) })
	f.members = members
	f.show(ctx, v)
}

// member begins to read a node, unless it is as it was.
func (f *follower[T]) member(key string, node framework.Node) *member[T] {
	old := f.members[key]
	if old != nil && bytes.Equal(old.node.Data, node.Data) && !errors.Is(old.err, errCrowded) {
		now := *old
		now.node = node
		return &now
	}
	m := &member[T]{node: node, state: &condition{}}
	if old != nil {
		m.state = old.state
	}
	if f.blocked.Load() >= maxBlocked {
		m.err = errCrowded
		return m
	}
	m.call = f.reg.examine(node.Path, node.Data)
	return m
}

// errCrowded says that a node was not read because of others.
var errCrowded = fmt.Errorf("%w: calls for %d nodes", framework.ErrBlocked, maxBlocked)

// finish takes over what has been read. It waits for that, but not again for what it has waited for before.
func (f *follower[T]) finish(ctx context.Context, members map[string]*member[T]) {
	limited, cancel := context.WithTimeout(ctx, guard.Patience)
	defer cancel()
	passed, pass := context.WithCancel(ctx)
	pass()
	for key, m := range members {
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
		case m.err == nil:
			f.blocked.Add(1)
			m.err = errBlocked
		}
	}
}

// returned says that a function has returned although it is late.
func (f *follower[T]) returned() {
	f.blocked.Add(-1)
	f.wake()
}

// show replaces the view. What is picked from changes only if the instances do, and before anybody is told of it.
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

// arrange makes a picker of who is in.
func (f *follower[T]) arrange(ctx context.Context, v *view[T]) {
	now := time.Now()
	in, due := f.admit(v.endpoints, now)
	f.due.Stop()
	if !due.IsZero() {
		f.due.Reset(due.Sub(now))
	}
	if len(in) == 0 {
		f.picker.Store(&picker[T]{err: fmt.Errorf("service %s: %w: %s", f.name, ErrNoInstances, v.why(f.path))})
		return
	}
	in = within(in, f.zone)
	candidates := make([]*Candidate, len(in))
	for i, e := range in {
		candidates[i] = &e.Candidate
	}
	f.picker.Store(&picker[T]{available: in, pick: f.choose(ctx, candidates)})
}

// choose asks the Strategy. One that panics, or has not returned, is replaced by taking turns.
func (f *follower[T]) choose(ctx context.Context, candidates []*Candidate) func() int {
	passed, pass := context.WithCancel(ctx)
	pass()
	if f.choosing != nil && !f.choosing.Wait(passed.Done(), f.wake) {
		return f.spare(candidates)
	}
	limited, cancel := context.WithTimeout(ctx, guard.Patience)
	defer cancel()
	f.choosing = guard.Begin(f.reg.cli, "strategy", f.path, func() (func() int, error) {
		pick := f.strategy(candidates)
		if pick == nil {
			return nil, errors.New("the Strategy has returned no function")
		}
		return pick, nil
	})
	if !f.choosing.Wait(limited.Done(), f.wake) {
		return f.spare(candidates)
	}
	pick, err := f.choosing.Result()
	f.choosing = nil
	if err != nil {
		return f.spare(candidates)
	}
	return pick
}

// wake has everything looked at again.
func (f *follower[T]) wake() {
	select {
	case f.late <- struct{}{}:
	default:
	}
}
