package discovery

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// view is what a Service shows at a moment. It does not change.
type view[T any] struct {
	endpoints []*Endpoint[T] // by key
	skipped   []Skipped      // by path
	missing   bool           // there is no directory
	stale     time.Time      // since when; zero if it is fresh
}

// why says why there is nothing to pick.
func (v *view[T]) why(path string) string {
	switch {
	case v.missing:
		return fmt.Sprintf("there is no node %s", path)
	case len(v.endpoints)+len(v.skipped) == 0:
		return "none is registered"
	}
	return fmt.Sprintf("%d disabled, %d unreadable", len(v.endpoints), len(v.skipped))
}

// same reports whether two views show the same instances.
func (v *view[T]) same(other *view[T]) bool {
	return v.missing == other.missing && slices.Equal(v.endpoints, other.endpoints) &&
		slices.EqualFunc(v.skipped, other.skipped, func(a, b Skipped) bool {
			return a.Path == b.Path && a.Err.Error() == b.Err.Error()
		})
}

// member is a node in the directory of a service, as it was read last.
type member[T any] struct {
	node     framework.Node
	endpoint *Endpoint[T] // nil if it cannot be read
	err      error        // why
	state    *condition
}

// follower brings a Service up to date. It belongs to one goroutine, the only one that changes the view and calls the Strategy.
type follower[T any] struct {
	*Service[T]
	last    cache.Snapshot
	members map[string]*member[T]
	due     *time.Timer // fires when an instance is to be let back
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
				f.arrange(f.view)
				return
			}
			f.update()
		case shown := <-f.refresh:
			f.update()
			close(shown)
		case <-f.kick:
			f.arrange(f.view)
		case <-f.due.C:
			f.arrange(f.view)
		}
	}
}

// update shows what the mirror has. An event is an occasion to look; by then others may be in as well.
func (f *follower[T]) update() {
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
		m := f.member(key, node)
		members[key] = m
		if m.err == nil {
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
	f.show(v)
}

// member reads a node, unless it is as it was.
func (f *follower[T]) member(key string, node framework.Node) *member[T] {
	old := f.members[key]
	if old != nil && bytes.Equal(old.node.Data, node.Data) {
		return &member[T]{node: node, endpoint: old.endpoint, err: old.err, state: old.state}
	}
	m := &member[T]{node: node, state: &condition{}}
	if old != nil {
		m.state = old.state
	}
	in, err := f.reg.codec.Decode(node.Data)
	if err != nil {
		m.err = err
		return m
	}
	m.endpoint = f.newEndpoint(key, in, m.state)
	return m
}

// show replaces the view. What is picked from changes only if the instances do, and before anybody is told of it.
func (f *follower[T]) show(v *view[T]) {
	if f.picker.Load() == nil || !f.view.same(v) {
		f.arrange(v)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.view = v
	close(f.changed)
	f.changed = make(chan struct{})
}

// arrange makes a picker of who is in.
func (f *follower[T]) arrange(v *view[T]) {
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
	f.picker.Store(&picker[T]{available: in, pick: f.strategy(candidates)})
}
