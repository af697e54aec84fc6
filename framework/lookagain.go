package framework

import (
	"context"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// An event can get lost: a server drops the watch or the event. So each one-shot watch in use is compared with its node
// at intervals, with one exists per path, and fires if the node has changed.
const (
	lookAgainAfter  = 10  // session timeouts between two checks of a watch, before jitter
	lookAgainJitter = 0.2 // relative variation, in both directions
	lookAgainRounds = 100 // maximum number of rounds of checks in lookAgainAfter timeouts
)

// lookout schedules the checks of the watches of one epoch. It is guarded by the mutex of the watches.
type lookout struct {
	every func() time.Duration // between two checks of a watch, before jitter; nil in a table without an epoch
	check func()               // runs the due checks, in the timer's goroutine
	seed  func() int64         // seed of the jitter

	timer *time.Timer
	next  time.Time // when the timer fires; zero if it is not running
	busy  bool      // a round is running
}

// nodeState is what a read has shown about a node, enough to recognise later changes.
type nodeState struct {
	exists              bool
	czxid, mzxid, pzxid int64
	cversion            int32

	until int64 // if not 0, nothing is known about an existing node's data except that it had not changed after this transaction
}

// stateOf returns the state of a node with that Stat; nil Stat for a node that does not exist.
func stateOf(s *Stat) *nodeState {
	if s == nil {
		return &nodeState{}
	}
	return &nodeState{exists: true, czxid: s.Czxid, mzxid: s.Mzxid, pzxid: s.Pzxid, cversion: s.Cversion}
}

// missed returns the event that a watch has missed if the node has changed from g to now.
func (g *nodeState) missed(kind watchKind, now *nodeState) (event EventType, missed bool) {
	switch {
	case g.until != 0 && now.exists:
		return g.missedSince(now)
	case g.exists && (!now.exists || now.czxid != g.czxid):
		return EventDeleted, true
	case now.exists != g.exists:
		return EventCreated, true
	case kind == childWatch && (now.pzxid != g.pzxid || now.cversion != g.cversion):
		return EventChildrenChanged, true
	case kind != childWatch && now.mzxid != g.mzxid:
		return EventDataChanged, true
	}
	return 0, false
}

// missedSince is missed if only a bound for the time of the last change is known.
func (g *nodeState) missedSince(now *nodeState) (event EventType, missed bool) {
	switch {
	case now.czxid > g.until:
		return EventDeleted, true
	case now.mzxid > g.until:
		return EventDataChanged, true
	}
	return 0, false
}

// saw records what a read for an entry has shown. The first read counts. If a later one shows another state, the watch
// has missed an event, which would have arrived before the reply: see overtaken.
func (t *watches) saw(w *Watch, g *nodeState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(w, g)
}

// note is saw for a caller that holds the mutex.
func (t *watches) note(w *Watch, g *nodeState) {
	e := w.entry
	if e == nil || t.m[w.key] != e {
		return
	}
	if e.seen == nil {
		e.seen = g
	}
	if g.until != 0 {
		g = e.seen // a server that sets a watch returns nothing about the node
	}
	if event, missed := e.seen.missed(w.key.kind, g); missed {
		t.overtaken(w, event)
		return
	}
	if e.due.IsZero() && len(e.users) > 0 {
		t.plan(w.key.path, e, 1)
	}
}

// overtaken fires an entry whose event is lost, as the read for its user w has shown. The other users receive that
// event. w only receives a notice of some change: it has read the new state, but the server may have no watch on that.
func (t *watches) overtaken(w *Watch, event EventType) {
	e := w.entry
	t.drop(w.key)
	if i := slices.Index(e.users, w); i >= 0 {
		e.users = slices.Delete(e.users, i, i+1)
		changed := EventDataChanged
		if w.key.kind == childWatch {
			changed = EventChildrenChanged
		}
		w.send(changed, w.key.path, nil)
	}
	e.fire(event, w.key.path, nil)
}

// plan schedules the check of an entry after that share of the usual time. The mutex is held.
func (t *watches) plan(path string, e *watchEntry, share float64) {
	l := &t.lookout
	if l.every == nil || t.ended != nil {
		return
	}
	now := time.Now()
	e.due = now.Add(time.Duration(share * l.jitter(path, now) * float64(l.every())))
	l.wake(e.due)
}

// jitter returns a factor around 1. It is derived from the session, the path and the time, not from the order of calls,
// so that simulations are reproducible.
func (l *lookout) jitter(path string, now time.Time) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(path))
	draw := rand.New(rand.NewPCG(uint64(l.seed()^now.UnixNano()), h.Sum64())).Float64()
	return 1 + lookAgainJitter*(2*draw-1)
}

// wake makes the timer fire at that time or earlier.
func (l *lookout) wake(at time.Time) {
	if l.busy || !l.next.IsZero() && !at.Before(l.next) {
		return
	}
	l.next = at
	if l.timer == nil {
		l.timer = time.AfterFunc(time.Until(at), l.check)
		return
	}
	l.timer.Reset(time.Until(at))
}

func (l *lookout) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

// checked is a path to check, with its entries.
type checked struct {
	path    string
	entries map[watchKind]*watchEntry
}

// overdue begins a round and lists its checks.
func (t *watches) overdue() (list []checked) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lookout.busy, t.lookout.next = true, time.Time{}
	now, paths := time.Now(), make(map[string]bool)
	for key, e := range t.m {
		if len(e.users) > 0 && !e.due.IsZero() && !e.due.After(now) {
			paths[key.path] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		c := checked{path: path, entries: make(map[watchKind]*watchEntry)}
		for _, kind := range []watchKind{dataWatch, existsWatch, childWatch} {
			if e := t.m[watchKey{kind, path}]; e != nil && e.seen != nil && len(e.users) > 0 {
				c.entries[kind] = e
			}
		}
		list = append(list, c)
	}
	return list
}

// rest ends a round and sets the timer for the next check or removal.
func (t *watches) rest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.lookout
	l.busy = false
	var next time.Time
	for _, e := range t.m {
		if (len(e.users) > 0 || e.unused()) && !e.due.IsZero() && (next.IsZero() || e.due.Before(next)) {
			next = e.due
		}
	}
	if next.IsZero() {
		return
	}
	if earliest := time.Now().Add(l.every() / lookAgainRounds); next.Before(earliest) {
		next = earliest
	}
	l.wake(next)
}

// compare fires the entries that have missed an event, now that the path was read, and schedules the next check of the
// others. It reports whether there were any. A nil state means that the read has failed: the next check comes sooner.
func (t *watches) compare(c checked, now *nodeState) (missed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, kind := range []watchKind{dataWatch, existsWatch, childWatch} {
		key, e := watchKey{kind, c.path}, c.entries[kind]
		if e == nil || t.m[key] != e {
			continue // the event has arrived meanwhile
		}
		if now == nil {
			t.plan(c.path, e, 1.0/lookAgainAfter)
		} else if event, gone := e.seen.missed(kind, now); gone {
			missed = true
			t.drop(key)
			e.fire(event, c.path, nil)
		} else {
			t.plan(c.path, e, 1)
		}
	}
	return missed
}

// startLookout checks the watches as long as the epoch lives.
func (e *epoch) startLookout() {
	e.watches.lookout = lookout{
		every: func() time.Duration { return lookAgainAfter * e.wire.Timeout() },
		check: e.lookAgain,
		seed:  e.wire.ID,
	}
}

// lookAgain is one round of checks, one after the other.
func (e *epoch) lookAgain() {
	e.mu.Lock()
	over := e.over
	if !over {
		e.calls.Add(1)
	}
	e.mu.Unlock()
	if over {
		return
	}
	defer e.calls.Done()
	for _, c := range e.watches.overdue() {
		var now *nodeState
		if stat, err := e.checkStat(c.path); err == nil {
			now = stateOf(stat)
		}
		if e.watches.compare(c, now) {
			e.core.log.Warn("a watch has missed an event; it fires now", "path", c.path, "session", hex(e.wire.ID()))
		}
	}
	e.removeUnused()
	e.watches.rest()
}

// checkStat reads a node's Stat within a bounded time.
func (e *epoch) checkStat(path string) (*Stat, error) {
	ctx, cancel := context.WithTimeout(e.ctx, e.wire.Timeout())
	defer cancel()
	return e.stat(ctx, path)
}
