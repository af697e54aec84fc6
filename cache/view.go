package cache

import (
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
)

// view is everything that is known at one moment. It is immutable: readers load the latest one, and listeners receive
// the differences between successive ones.
type view struct {
	root    *entry          // nil if the node does not exist
	refused index[*refusal] // by path
	synced  bool            // it has been complete
	era     uint64          // how often the servers' data was replaced; zxids of two eras cannot be compared
	// link is when the connection began on which the view is fresh; zero while it is stale.
	link time.Time
	// since is when it became stale, if it is.
	since time.Time
}

func (v *view) fresh() bool { return !v.link.IsZero() }

// refusal is why a node cannot be updated.
type refusal struct {
	path string
	err  error
	list bool // of its list of children
	// epoch is the session in which it was refused.
	epoch uint64
}

// count is 1, as an index requires.
func (*refusal) count() int { return 1 }

// differences reports the differences between two views as events.
func differences(root string, old, now *view, f func(Event) bool) bool {
	return eras(old, now, f) && refusals(old, now, f) && freshness(root, old, now, f)
}

// refusals reports what is refused now and was not, or for another reason.
func refusals(old, now *view, f func(Event) bool) bool {
	return difference(old.refused, now.refused, func(old, r *refusal) bool {
		return r == nil || old != nil && old.err.Error() == r.err.Error() || f(Event{Type: Refused, Path: r.path, Err: r.err})
	})
}

// eras reports the differences of the trees. If the servers' data was replaced, every node counts as changed.
func eras(old, now *view, f func(Event) bool) bool {
	if old.era == now.era {
		return changes(old.root, now.root, f)
	}
	return changes(old.root, nil, f) && changes(nil, now.root, f)
}

// freshness reports that the cache has become stale or fresh, or both.
func freshness(root string, old, now *view, f func(Event) bool) bool {
	if old.fresh() && (!now.fresh() || old.link != now.link) {
		since := now.since
		if now.fresh() {
			since = now.link
		}
		if !f(Event{Type: Stale, Path: root, Since: since}) {
			return false
		}
	}
	return !now.fresh() || old.link == now.link || f(Event{Type: Synced, Path: root})
}

// passing reports whether the refusal may end without a change of the node. Permissions can change without an event.
func (r *refusal) passing() bool {
	return !tooLong(r.err) && !errors.Is(r.err, framework.ErrTooLarge) && !errors.Is(r.err, ErrNotGzip)
}
