package cache

import (
	"fmt"
	"time"

	"github.com/docent-zk/docent/framework"
)

// EventType is what an [Event] reports.
type EventType int

// The events of a cache.
const (
	// Added says that a node, in New, is in the cache that was not before. Parents come before their children.
	Added EventType = iota + 1
	// Changed says that the data of a node was set, perhaps to what it was: it was Old and is New.
	Changed
	// Removed says that a node is not in the cache any more; Old is what it was last. Children come before their parents.
	Removed
	// Refused says that a node, of which only Path is known, cannot be brought up to date, for Err.
	Refused
	// Synced says that the cache is fresh: everything that there was on the servers is in the events before. It comes
	// for the first time when all is loaded, and then after each Stale.
	Synced
	// Stale says that the connection broke, at Since.
	Stale
	// Lagged says that Missed steps of the cache were merged because the listener was slow. The differences follow.
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

// Event is one difference between what a listener knew and what there is.
type Event struct {
	Type EventType // what happened
	Path string    // of the node; of the cache's root with Synced, Stale and Lagged

	Old framework.Node // with Changed and Removed: as it was. Its Data must not be modified
	New framework.Node // with Added and Changed: as it is. Its Data must not be modified

	Err    error     // with Refused
	Since  time.Time // with Stale
	Missed int       // with Lagged
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

// changes reports the differences between two states of a node and what is below it, until f returns false, which it
// returns then.
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
