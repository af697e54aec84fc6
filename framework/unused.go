package framework

import (
	"slices"
	"time"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

// A one-shot watch without users stays on the server for about two session timeouts, because the next user of a path
// often comes soon and needs no request then. After that the client drops it and sends removeWatches:
//
//	in use ──last Stop──▶ unused ──2 T──▶ dropped, removeWatches sent ──reply──▶ removed
//	   ▲                     │                        │
//	   └──────next user──────┘                        └──next user: its watch fires with the reply
//
// A user that comes while removeWatches is pending sets the watch again, and removeWatches may remove that watch too.
// Its event comes with the reply, so the user reads again and misses nothing.
const (
	unusedShare    = 2.0 / lookAgainAfter // of the time between two checks of a watch
	maxRemovals    = 100                  // requests in one round; the rest follow in later rounds
	removeChildren = 1                    // the type of watch in removeWatches; before 3.9 it includes persistent watches
	removeData     = 2
)

// unusedWatch is a watch on the server that has no users.
type unusedWatch struct {
	path  string
	kinds []watchKind // that it serves: to a server, a data watch and an exists watch are the same
	event EventType   // for users that come while it is being removed
	mode  int32       // its type in removeWatches
}

func unusedWatchOf(key watchKey) unusedWatch {
	if key.kind == childWatch {
		return unusedWatch{key.path, []watchKind{childWatch}, EventChildrenChanged, removeChildren}
	}
	return unusedWatch{key.path, []watchKind{dataWatch, existsWatch}, EventDataChanged, removeData}
}

// removeUnused removes unused watches from the server. The order lock keeps a recursive watch on the same path from
// being set between the decision and the request.
func (e *epoch) removeUnused() {
	t := &e.watches
	t.order.Lock()
	defer t.order.Unlock()
	unused := t.dropUnused()
	if len(unused) == 0 || !e.core.can.has(capRemoveWatches) {
		return
	}
	calls := make([]*wire.Call, len(unused))
	for i, u := range unused {
		body := &jute.PathInt32Request{Path: u.path, Value: u.mode}
		calls[i] = &query[struct{}]{op: jute.OpRemoveWatches, at: u.path, body: body, kind: e.core.can.kind(capRemoveWatches)}.call(e.ctx).Call
		calls[i].Over = func(error) { t.removed(u) }
	}
	_ = e.wire.Send(calls...) // the end of the connection removes them too
}

// dropUnused drops entries that have been unused for long enough. It returns the watches on the server that nothing else
// needs.
func (t *watches) dropUnused() (list []unusedWatch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var due []watchKey
	for key, e := range t.m {
		if e.unused() && !e.due.IsZero() && !e.due.After(now) {
			due = append(due, key)
		}
	}
	slices.SortFunc(due, watchKey.compare)
	for _, key := range due {
		if len(list) == maxRemovals {
			break
		}
		t.drop(key)
		if u := unusedWatchOf(key); !t.needs(u) {
			list = append(list, u)
		}
	}
	return list
}

// unused reports whether the watch is set on the server and has no users.
func (e *watchEntry) unused() bool { return e.armed && len(e.users) == 0 && e.arming == 0 }

// needs reports whether a watch on the server has another use: an entry, a recursive watch, or the watches of a cache. The
// mutex is held.
func (t *watches) needs(u unusedWatch) bool {
	for _, kind := range u.kinds {
		if t.m[watchKey{kind, u.path}] != nil {
			return true
		}
	}
	return t.trees[u.path] != nil || t.liveSets(u.path) != nil
}

// removed fires the watches of users that came while the watch was being removed.
func (t *watches) removed(u unusedWatch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, kind := range u.kinds {
		t.expend(watchKey{kind, u.path}, u.event)
	}
}
