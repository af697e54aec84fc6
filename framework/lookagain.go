package framework

import (
	"context"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// An event can get lost: a server forgets the watch, or the event. So every one-shot watch with users is checked against its
// node once in a while, with one exists per path, and fires if the node is not what it was.
const (
	lookAgainAfter  = 10  // session timeouts between two checks of a watch, before jitter
	lookAgainJitter = 0.2 // the share by which that varies, either way
	lookAgainRounds = 100 // at most so many rounds of checks in lookAgainAfter timeouts
)

// lookout knows when the watches of one epoch have to be checked. It is guarded by the mutex of the watches.
type lookout struct {
	every func() time.Duration // between two checks of a watch, before jitter; nil in a table without an epoch
	check func()               // does what is due; it runs in a goroutine of the timer's
	seed  func() int64         // of the jitter

	timer *time.Timer
	next  time.Time // when the timer fires; zero when it does not
	busy  bool      // a round is under way
}

// glimpse is what a read has shown of a node: enough to see that the node has changed since.
type glimpse struct {
	exists              bool
	czxid, mzxid, pzxid int64
	cversion            int32

	until int64 // if not 0, all that is known of an existing node's data: it had not changed after this transaction
}

// glimpseOf returns the glimpse of a node with that Stat, which is nil if the node does not exist.
func glimpseOf(s *Stat) *glimpse {
	if s == nil {
		return &glimpse{}
	}
	return &glimpse{exists: true, czxid: s.Czxid, mzxid: s.Mzxid, pzxid: s.Pzxid, cversion: s.Cversion}
}

// missed returns the event that a watch has missed if the node was as in g and is now as in now.
func (g *glimpse) missed(kind watchKind, now *glimpse) (event EventType, missed bool) {
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

// missedSince is missed if only the time of the last change is known.
func (g *glimpse) missedSince(now *glimpse) (event EventType, missed bool) {
	switch {
	case now.czxid > g.until:
		return EventDeleted, true
	case now.mzxid > g.until:
		return EventDataChanged, true
	}
	return 0, false
}

// saw notes what a read on behalf of an entry has shown. The first read counts. A later one that shows another state proves that
// the watch has missed an event, which would have come ahead of the reply: see overtaken.
func (t *watches) saw(w *Watch, g *glimpse) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.note(w, g)
}

// note is saw for a caller that has the mutex.
func (t *watches) note(w *Watch, g *glimpse) {
	e := w.entry
	if e == nil || t.m[w.key] != e {
		return
	}
	if e.seen == nil {
		e.seen = g
	}
	if g.until != 0 {
		g = e.seen // a server that sets a watch tells nothing of the node
	}
	if event, missed := e.seen.missed(w.key.kind, g); missed {
		t.overtaken(w, event)
		return
	}
	if e.due.IsZero() && len(e.users) > 0 {
		t.plan(w.key.path, e, 1)
	}
}

// overtaken fires an entry whose event is lost, as the read of its user w has shown. The others are told the event. w is told
// only that something has changed: it has read the new state, but the server may have no watch on that any more.
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

// plan has an entry checked when about that share of the usual time has passed. The mutex is held.
func (t *watches) plan(path string, e *watchEntry, share float64) {
	l := &t.lookout
	if l.every == nil || t.ended != nil {
		return
	}
	now := time.Now()
	e.due = now.Add(time.Duration(share * l.jitter(path, now) * float64(l.every())))
	l.wake(e.due)
}

// jitter returns a factor around 1. It follows from the session, the path and the time, and not from who draws first, so that
// a simulation replays.
func (l *lookout) jitter(path string, now time.Time) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(path))
	draw := rand.New(rand.NewPCG(uint64(l.seed()^now.UnixNano()), h.Sum64())).Float64()
	return 1 + lookAgainJitter*(2*draw-1)
}

// wake has the timer fire at that time, unless it fires before.
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

// checked is one path to look at, with the entries that there are.
type checked struct {
	path    string
	entries map[watchKind]*watchEntry
}

// overdue begins a round and lists what is due in it.
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

// rest ends a round and has the timer fire when the next check is due.
func (t *watches) rest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &t.lookout
	l.busy = false
	var next time.Time
	for _, e := range t.m {
		if len(e.users) > 0 && !e.due.IsZero() && (next.IsZero() || e.due.Before(next)) {
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

// compare fires the entries that have missed an event, now that the path was looked at, and plans the next check of the
// others. It reports whether there were any. A nil glimpse says that the look has failed: the next one comes sooner.
func (t *watches) compare(c checked, now *glimpse) (missed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, kind := range []watchKind{dataWatch, existsWatch, childWatch} {
		key, e := watchKey{kind, c.path}, c.entries[kind]
		if e == nil || t.m[key] != e {
			continue // the event came meanwhile
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

// startLookout has the watches checked for as long as the epoch lives.
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
		var now *glimpse
		if stat, err := e.glance(c.path); err == nil {
			now = glimpseOf(stat)
		}
		if e.watches.compare(c, now) {
			e.core.log.Warn("a watch has missed an event; it fires now", "path", c.path, "session", hex(e.wire.ID()))
		}
	}
	e.watches.rest()
}

// glance reads a node's Stat, and does not wait for ever for the answer.
func (e *epoch) glance(path string) (*Stat, error) {
	ctx, cancel := context.WithTimeout(e.ctx, e.wire.Timeout())
	defer cancel()
	return e.stat(ctx, path)
}
