package cache

import (
	"iter"
	"time"

	"github.com/docent-zk/docent/framework"
)

// Snapshot is the contents of a cache at one moment. It does not change, need not be closed, and is safe for concurrent
// use. Its nodes are shared with the cache: do not modify their Data.
type Snapshot struct {
	v *view
	m *mirror
}

// Get returns a node by its absolute path in the client's namespace.
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

// Children iterates over the children of a node, by name. It yields nothing if the node does not exist.
func (s Snapshot) Children(path string) iter.Seq2[string, framework.Node] {
	return func(yield func(string, framework.Node) bool) {
		if e := s.find(path); e != nil {
			e.kids.each(func(name string, kid *entry) bool { return yield(name, kid.node) })
		}
	}
}

// All iterates over all nodes with their paths, parents before their children, and children by name.
func (s Snapshot) All() iter.Seq2[string, framework.Node] {
	return func(yield func(string, framework.Node) bool) {
		s.v.root.walk(func(e *entry) bool { return yield(e.node.Path, e.node) })
	}
}

// Len returns the number of nodes, including the root.
func (s Snapshot) Len() int { return s.v.root.count() }

// Refused iterates over the nodes that could not be updated, with the reasons. Such a node is missing, or has its last
// known state.
func (s Snapshot) Refused() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		s.v.refused.each(func(_ string, r *refusal) bool { return yield(r.path, r.err) })
	}
}

// RefusedLen returns the number of pairs that Refused yields.
func (s Snapshot) RefusedLen() int { return s.v.refused.count() }

// StaleSince returns since when the cache was stale at the time of the snapshot; zero if it was fresh.
func (s Snapshot) StaleSince() time.Time { return s.v.since }

// Since iterates over the differences between an earlier Snapshot of the same cache and this one, as Events would
// deliver them: Added, Changed, Removed and Refused. The zero Snapshot has no nodes. The cost is proportional to the
// number of differences, not of nodes.
func (s Snapshot) Since(earlier Snapshot) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		old := earlier.v
		if old == nil {
			old = &view{era: s.v.era}
		}
		_ = eras(old, s.v, yield) && refusals(old, s.v, yield)
	}
}
