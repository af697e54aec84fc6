package cache

import (
	"fmt"
	"time"

	"github.com/docent-zk/docent/framework"
)

// EventType is the kind of an [Event].
type EventType int

// Kinds of events of a cache.
const (
	// Added means that a node, in New, has been added to the cache. Parents come before their children.
	Added EventType = iota + 1
	// Changed means that the data of a node was set, possibly to the same value. Old and New are the node before and
	// after.
	Changed
	// Removed means that a node was removed from the cache. Old is its last state. Children come before their parents.
	Removed
	// Refused means that the node at Path cannot be updated, for the reason in Err.
	Refused
	// Synced means that the cache is fresh: the events before it contain everything on the servers. It comes when the
	// cache is loaded, and then after each Stale.
	Synced
	// Stale means that the connection broke, at Since.
	Stale
	// Lagged means that Missed steps of the cache were merged because the listener was slow. Their differences follow.
	Lagged
)

var eventNames = [...]string{"EventType(?)", "Added", "Changed", "Removed", "Refused", "Synced", "Stale", "Lagged"}

// String returns the event's name.
func (t EventType) String() string {
	if t < 0 || int(t) >= len(eventNames) {
		t = 0
	}
	return eventNames[t]
}

// Event is one change of the cache, or of its freshness.
type Event struct {
	Type EventType // what happened
	Path string    // of the node; the cache's root for Synced, Stale and Lagged

	Old framework.Node // before; for Changed and Removed. Its Data must not be modified
	New framework.Node // after; for Added and Changed. Its Data must not be modified

	Err    error     // for Refused
	Since  time.Time // for Stale
	Missed int       // for Lagged
}

// String returns the event in one line.
func (e Event) String() string {
	switch e.Type {
	case Refused:
		return fmt.Sprintf("%v %s: %v", e.Type, e.Path, e.Err)
	case Stale:
		return fmt.Sprintf("%v since %s", e.Type, e.Since.Format(time.RFC3339))
	case Lagged:
		return fmt.Sprintf("%v %s by %d", e.Type, e.Path, e.Missed)
	}
	return fmt.Sprintf("%v %s", e.Type, e.Path)
}

// changes reports the differences between two states of a subtree until f returns false. It reports whether f never
// did.
func changes(old, now *entry, f func(Event) bool) bool {
	switch {
	case old == now:
		return true
	case old == nil:
		return added(now, f)
	case now == nil:
		return removed(old, f)
	case old.node.Stat.Czxid != now.node.Stat.Czxid:
		return removed(old, f) && added(now, f)
	case old.node.Stat.Mzxid != now.node.Stat.Mzxid:
		if !f(Event{Type: Changed, Path: now.node.Path, Old: old.node, New: now.node}) {
			return false
		}
	}
	return difference(old.kids, now.kids, func(old, now *entry) bool { return changes(old, now, f) })
}

func added(e *entry, f func(Event) bool) bool {
	return e.walk(func(e *entry) bool { return f(Event{Type: Added, Path: e.node.Path, New: e.node}) })
}

func removed(e *entry, f func(Event) bool) bool {
	return e.kids.each(func(_ string, kid *entry) bool { return removed(kid, f) }) &&
		f(Event{Type: Removed, Path: e.node.Path, Old: e.node})
}
