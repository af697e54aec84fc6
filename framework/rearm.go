package framework

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

// Watches belong to a connection. On the next one they are set again before any other request, with setWatches
// (setWatches2 if there are recursive ones). Its relativeZxid tells the server up to which transaction the watches have
// delivered all events: a node that has changed since gets its event at once. For recursive watches the server does not
// report what they have missed, so they are reset.
//
// If all watches were set on the last connection, relativeZxid is the newest transaction that had been seen when the
// new connection was requested, because an event comes before the first reply that shows its change. If they were not,
// it keeps its value. A value that is too old causes unnecessary events, and one that is too new loses events.
//
// A setWatches with an error reply leaves its watches unset, so the error ends the connection. For the next hour, and
// on servers that do not support setWatches, an exists is sent for each watch instead, and its result is compared here
// as a server would. A watch on a list of children cannot be set without reading the list, which can be long: it fires,
// and its user reads. On servers that do not support setWatches2, each recursive watch is set again with addWatch.

// errNotRearmed ends a connection on which the watches could not be set again.
var errNotRearmed = errors.New("the server does not set the watches again")

// rearming is the state of the watches on the latest connection. It is guarded by the mutex of the watches.
type rearming struct {
	pin    int64 // up to which transaction every watch has delivered all events
	begun  bool  // there was a connection
	open   int   // unanswered requests
	failed bool  // one has failed

	refused time.Time // when setWatches was refused; zero if it was not
}

// singly reports whether watches are set again one by one because setWatches was refused.
func (r *rearming) singly() bool { return !r.refused.IsZero() && time.Since(r.refused) < relearnAfter }

// complete reports whether all watches are set on the latest connection.
func (r *rearming) complete() bool { return r.open == 0 && !r.failed }

// rearm returns the requests that set all watches again on a new connection, which was requested when zxid was the
// newest transaction.
func (e *epoch) rearm(zxid int64) []*wire.Call {
	t := &e.watches
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.rearming
	if r.complete() {
		r.pin = zxid
	}
	t.era++
	r.open, r.failed = 0, false
	for _, tr := range t.trees {
		tr.live = false
	}
	first := !r.begun
	r.begun = true
	if first || t.ended != nil {
		return nil
	}
	calls := e.rearmAll()
	r.open = len(calls)
	return calls
}

// rearmAll returns the requests for all watches. The mutex is held.
func (e *epoch) rearmAll() []*wire.Call {
	can := &e.core.can
	switch {
	case e.watches.rearming.singly(), !can.has(capSetWatches):
		return append(e.rearmSingly(), e.rearmTrees()...)
	case !can.has(capSetWatches2):
		return append(e.rearmTogether(nil), e.rearmTrees()...)
	}
	return e.rearmTogether(slices.Sorted(maps.Keys(e.watches.trees)))
}

// lists are the paths in one setWatches.
type lists struct {
	data, exist, child, recursive []string
	size                          int
}

func (l *lists) add(to *[]string, path string) {
	*to = append(*to, path)
	l.size += 4 + len(path)
}

// next returns empty lists for the next request, which is likely of similar size.
func (l *lists) next() *lists {
	room := func(paths []string) []string { return make([]string, 0, len(paths)+len(paths)/8) }
	return &lists{data: room(l.data), exist: room(l.exist), child: room(l.child), recursive: room(l.recursive)}
}

// rearmSize bounds the paths in one setWatches, in bytes on the wire. Servers accept requests of 1 MiB by default;
// ZooKeeper's own client uses this limit. A longer path has its own request.
const rearmSize = 128 << 10

// rearmTogether puts all one-shot watches, and recursive ones, into as few requests as possible. The mutex is held.
func (e *epoch) rearmTogether(recursive []string) (calls []*wire.Call) {
	t, l := &e.watches, &lists{}
	flush := func(next int) {
		if l.size > 0 && l.size+next > rearmSize {
			calls = append(calls, e.setWatches(l))
			l = l.next()
		}
	}
	for _, w := range t.toRearm() {
		flush(4 + len(w.path))
		switch {
		case w.kind == childWatch:
			l.add(&l.child, w.path)
		case w.awaited:
			l.add(&l.exist, w.path)
		default: // the server treats a watch on an existing node as one on its data
			l.add(&l.data, w.path)
		}
	}
	for _, at := range recursive {
		flush(4 + len(at))
		l.add(&l.recursive, at)
	}
	if l.size > 0 {
		calls = append(calls, e.setWatches(l))
	}
	return calls
}

// setAgain is a one-shot watch to set on the server.
type setAgain struct {
	watchKey
	awaited bool        // the node does not exist
	entry   *watchEntry // nil if only sets use the watch
}

// toRearm returns the one-shot watches to set on the server, in order. Those that a recursive watch on the same path
// serves are omitted. The mutex is held.
func (t *watches) toRearm() []setAgain {
	list := make([]setAgain, 0, len(t.m)+2*len(t.sets))
	for key, entry := range t.m {
		if entry.armed && entry.seen != nil && t.trees[key.path] == nil {
			list = append(list, setAgain{key, key.kind == existsWatch && !entry.seen.exists, entry})
		}
	}
	for at := range t.sets {
		if t.trees[at] == nil {
			list = t.appendSets(list, at)
		}
	}
	slices.SortFunc(list, func(a, b setAgain) int { return a.compare(b.watchKey) })
	return list
}

// appendSets appends the watches on a path that are used by sets only. The mutex is held.
func (t *watches) appendSets(list []setAgain, at string) []setAgain {
	var armed watchBits
	for m := t.liveSets(at); m != nil; m = m.next {
		armed |= m.armed
	}
	for kind, bit := range bitOf {
		key := watchKey{watchKind(kind), at}
		if other := t.m[key]; armed&bit != 0 && (other == nil || !other.armed || other.seen == nil) {
			list = append(list, setAgain{key, key.kind == existsWatch, nil})
		}
	}
	return list
}

// setWatches makes one request. The mutex is held.
func (e *epoch) setWatches(l *lists) *wire.Call {
	body := jute.SetWatchesRequest{RelativeZxid: e.watches.rearming.pin, Data: filled(l.data), Exist: filled(l.exist), Child: filled(l.child)}
	c := &wire.Call{Op: jute.OpSetWatches, Path: "of all watches", Body: &body, Kind: e.core.can.kind(capSetWatches)}
	if len(l.recursive) > 0 {
		c.Kind = e.core.can.kind(capSetWatches2)
		c.Op, c.Body = jute.OpSetWatches2, &jute.SetWatches2Request{SetWatchesRequest: body, Persistent: []string{}, Recursive: l.recursive}
	}
	era, trees := e.watches.era, make([]*tree, len(l.recursive))
	for i, at := range l.recursive {
		trees[i] = e.watches.trees[at]
	}
	c.Over = func(err error) { e.rearmed(era, trees, err, true) }
	return c
}

// filled returns an empty list instead of nil, because some servers reject a null list.
func filled(paths []string) []string {
	if paths == nil {
		return []string{}
	}
	return paths
}

// rearmed handles the reply to a request that sets watches again, on the connection with that number. It runs in the
// receiving goroutine if there was a reply.
func (e *epoch) rearmed(era int, trees []*tree, err error, together bool) {
	if cause := e.watches.rearmed(era, trees, err, together); cause != nil {
		e.wire.Break(cause) // with no mutex held: other calls end with the connection
	}
}

// rearmed does the same for the table. It returns why the connection has to be ended.
func (t *watches) rearmed(era int, trees []*tree, err error, together bool) (cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.era != era {
		return nil
	}
	r := &t.rearming
	r.open--
	var code *wire.CodeError
	switch {
	case err == nil:
		for _, tr := range trees {
			t.treeInForce(tr)
		}
		return nil
	case errors.As(err, &code):
		r.failed = true
		if together && !disowns(code.Code) && code.Code != codeUnimplemented {
			r.refused = time.Now()
		}
		return fmt.Errorf("%w: it answers setWatches, or a request in its place, with error %d", errNotRearmed, code.Code)
	}
	r.failed = true
	if errors.Is(err, wire.ErrUnanswered) || errors.Is(err, wire.ErrNotSent) {
		return nil
	}
	return fmt.Errorf("%w: %w", errNotRearmed, err)
}

// disowns reports whether a code means that the server does not serve the session, and so says nothing about the
// request.
func disowns(code int32) bool {
	return code == codeSessionExpired || code == codeSessionMoved || code == codeSASLRequired
}

// rearmSingly sends an exists for each one-shot watch. The mutex is held.
func (e *epoch) rearmSingly() (calls []*wire.Call) {
	t := &e.watches
	era, pin := t.era, t.rearming.pin
	for _, w := range t.toRearm() {
		calls = append(calls, e.rearmOne(era, w, pin))
	}
	return calls
}

// rearmTrees sends an addWatch for each recursive watch. The mutex is held.
func (e *epoch) rearmTrees() (calls []*wire.Call) {
	t, era := &e.watches, e.watches.era
	for _, at := range slices.Sorted(maps.Keys(t.trees)) {
		c, tr := &e.addWatchCall(at).Call, t.trees[at]
		c.Over = func(err error) { e.rearmed(era, nil, e.addWatchOver(tr, err), false) }
		calls = append(calls, c)
	}
	return calls
}

// rearmOne reads the node of one watch and sets the watch again.
func (e *epoch) rearmOne(era int, w setAgain, pin int64) *wire.Call {
	c := &wire.Call{Op: jute.OpExists, Path: w.path, Body: &jute.PathWatchRequest{Path: w.path, Watch: w.kind != childWatch}}
	var stat Stat
	c.Decode = func(d *jute.Decoder) error {
		stat = decodeStat(d)
		return nil
	}
	c.Over = func(err error) {
		if code := (*wire.CodeError)(nil); err == nil || errors.As(err, &code) && !disowns(code.Code) {
			e.watches.looked(w, pin, &stat, err)
			err = nil
		}
		e.rearmed(era, nil, err, false)
	}
	return c
}

// looked fires a watch that has missed an event or could not be set.
func (t *watches) looked(w setAgain, pin int64, stat *Stat, err error) {
	event := EventType(0)
	var code *wire.CodeError
	absent := errors.As(err, &code) && code.Code == codeNoNode
	switch {
	case w.awaited && absent:
	case w.awaited:
		event = EventCreated
	case absent:
		event = EventDeleted
	case w.kind == childWatch:
		event = EventChildrenChanged
	case err != nil || stat.Mzxid > pin:
		event = EventDataChanged
	}
	if event == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fireSets(event, w.path, w.kind)
	if w.entry != nil && t.m[w.watchKey] == w.entry {
		t.drop(w.watchKey)
		w.entry.fire(event, w.path, nil)
	}
}
