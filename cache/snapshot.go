package cache

import (
	"iter"
	"time"

	"github.com/docent-zk/docent/framework"
)

// Snapshot is what a cache held at one moment. It does not change, needs no closing, and can be read by many goroutines. The
// nodes in it are shared with the cache: their Data must not be modified.
type Snapshot struct {
	v *view
	m *mirror
}

// Get returns a node by its path, absolute in the client's namespace.
func (s Snapshot) Get(path string) (framework.Node, bool) {
	e := s.find(path)
	if e == nil {
		return framework.Node{}, false
	}
	return e.node, true
}

func (s Snapshot) find(path string) *entry {
	if path == "" || !s.m.spec.covers(path) {
		return nil
	}
	return s.v.root.find(s.m.spec.relative(path))
}

// Children gives the children of a node with their names, ordered by name. There are none of a node that is not there.
func (s Snapshot) Children(path string) iter.Seq2[string, framework.Node] {
	return func(yield func(string, framework.Node) bool) {
		if e := s.find(path); e != nil {
			e.kids.each(func(name string, kid *entry) bool { return yield(name, kid.node) })
		}
	}
}

// All gives all nodes with their paths: parents before their children, and these by name.
func (s Snapshot) All() iter.Seq2[string, framework.Node] {
	return func(yield func(string, framework.Node) bool) {
		s.v.root.walk(func(e *entry) bool { return yield(e.node.Path, e.node) })
	}
}

// Len is the number of nodes, the root included.
func (s Snapshot) Len() int { return s.v.root.count() }

// Refused gives the nodes that could not be brought up to date, with the reasons. Such a node is as it was last, or missing.
func (s Snapshot) Refused() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s.v.refused.each(func(_ string, r *refusal) bool { return yield(r.path, r.err) })
	}
}

// RefusedLen is the number of pairs that Refused gives.
func (s Snapshot) RefusedLen() int { return s.v.refused.count() }

// StaleSince is since when the cache was stale at the moment of the snapshot; zero if it was fresh.
func (s Snapshot) StaleSince() time.Time { return s.v.since }

// Since gives the differences between an earlier Snapshot of the same cache and this one, as Events would: Added, Changed, Removed
// and Refused. The zero Snapshot had no nodes. It costs time in proportion to the differences, and not to the nodes.
func (s Snapshot) Since(earlier Snapshot) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		old := earlier.v
		if old == nil {
			old = &view{era: s.v.era}
		}
		_ = eras(old, s.v, yield) && refusals(old, s.v, yield)
	}
}
