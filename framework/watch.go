package framework

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// EventType is the kind of an event of a [Watch] or a [TreeWatch].
type EventType int

// Kinds of events.
const (
	// EventCreated means that a node was created that did not exist before.
	EventCreated EventType = iota + 1
	// EventDeleted means that the node was deleted.
	EventDeleted
	// EventDataChanged means that the node's data was set, possibly to the same value.
	EventDataChanged
	// EventChildrenChanged means that a child was created or deleted.
	EventChildrenChanged
	// EventSessionOver means that the session has ended, for the reason in Err. Later changes are not known.
	EventSessionOver
	// EventReset, which only a [TreeWatch] delivers, means that changes may have been missed: read everything again.
	EventReset
)

var eventNames = map[EventType]string{
	EventCreated: "Created", EventDeleted: "Deleted", EventDataChanged: "DataChanged",
	EventChildrenChanged: "ChildrenChanged", EventSessionOver: "SessionOver", EventReset: "Reset",
}

// String returns the event's name.
func (t EventType) String() string {
	if n, ok := eventNames[t]; ok {
		return n
	}
	return "EventType(?)"
}

// Event is the event of a [Watch], or one of a [TreeWatch].
type Event struct {
	Type EventType // what happened
	Path string    // absolute, in the client's namespace
	Err  error     // ErrSessionLost or ErrClosed for EventSessionOver, nil otherwise
}

// Watch is a one-shot watch. It delivers exactly one event on C, which is then closed, unless Stop is called first. The
// event means that something may have changed: read and watch again.
type Watch struct {
	C <-chan Event

	c       chan Event
	space   space
	key     watchKey
	entry   *watchEntry // nil if the session had already ended
	table   *watches
	firedOn int       // the connection on which a server sent the event; 0 if none did
	told    EventType // the event; 0 before
}

// Stop removes the watch. If it has not fired, nothing will be sent on C, which stays open. Stop may be called at any
// time and more than once. The server keeps the watch for about two session timeouts, for the next user of the same
// path, and is then asked to remove it.
func (w *Watch) Stop() { w.table.leave(w) }

// fired returns the type of the event; 0 before.
func (w *Watch) fired() EventType {
	w.table.mu.Lock()
	defer w.table.mu.Unlock()
	return w.told
}

// send delivers the event. It never blocks, since a watch fires once. The mutex of the table is held.
func (w *Watch) send(t EventType, at string, err error) {
	w.told = t
	w.c <- Event{Type: t, Path: w.space.local(at), Err: err}
	close(w.c)
}

type watchKind int8

const (
	dataWatch watchKind = iota
	existsWatch
	childWatch
)

type watchKey struct {
	kind watchKind
	path string
}

// compare orders keys, so that simulations are reproducible.
func (k watchKey) compare(l watchKey) int {
	return cmp.Or(strings.Compare(k.path, l.path), cmp.Compare(k.kind, l.kind))
}

// watches are the watches of one epoch. Users of one key share the watch on the server. When the last one leaves, the
// entry stays in the table for a while: see unused.go.
type watches struct {
	mu    sync.Mutex
	m     map[watchKey]*watchEntry
	sets  map[string]*setEntry // watches of sets, by path; they share the server's watch
	ended error                // set once
	era   int                  // the number of the connection

	trees    trees
	order    sync.Mutex        // serializes requests that set and remove recursive watches; taken before mu
	unwatch  func(path string) // sends such a request; nil in a table without an epoch
	zxid     func() int64      // returns the newest transaction in a reply on the current connection
	rearming rearming

	inquiries []*inquiry // under way

	lookout lookout
}

// watchEntry is one watch on the server, from the first request for it until it fires. The next watch on the same key
// has an entry of its own.
type watchEntry struct {
	armed  bool     // the server has it
	arming int      // pending requests that set it, including abandoned ones
	users  []*Watch // in the order of their arrival, in which they receive the event

	seen *nodeState // the node's state when the watch was set; nil if not known
	due  time.Time  // when it is checked, or removed if it has no users; zero before it is set and has users
}

// join adds a user before the read that sets the watch, so that no event after the read's reply is missed. It reports
// whether the watch is already set, or served by a recursive watch, so that a plain read is enough. Otherwise the
// caller must call attempted when the read has returned.
func (t *watches) join(s space, key watchKey) (w *Watch, armed bool) {
	w = &Watch{c: make(chan Event, 1), space: s, key: key, table: t}
	w.C = w.c
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		w.send(EventSessionOver, key.path, t.ended)
		return w, true
	}
	if t.m == nil {
		t.m = make(map[watchKey]*watchEntry)
	}
	entry := t.m[key]
	if entry == nil {
		entry = &watchEntry{}
		t.m[key] = entry
	}
	w.entry = entry
	if len(entry.users) == 0 {
		entry.due = time.Time{}
	}
	entry.users = append(entry.users, w)
	armed = entry.armed || t.trees[key.path] != nil
	if !armed {
		entry.arming++
	}
	return w, armed
}

// attempted records that the read which sets the watch has returned: g is the state that it has shown; nil if it
// failed. If the watch has fired meanwhile, this says nothing about the next one. attempted reports whether there now
// is a recursive watch on the path.
func (t *watches) attempted(w *Watch, g *nodeState) (beside bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w.entry.arming--
	if g != nil {
		w.entry.armed = true
		t.note(w, g)
	}
	t.tidy(w.key, w.entry)
	return g != nil && t.trees[w.key.path] != nil
}

func (t *watches) leave(w *Watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w.entry == nil {
		return
	}
	if i := slices.Index(w.entry.users, w); i >= 0 {
		w.entry.users = slices.Delete(w.entry.users, i, i+1)
	}
	t.tidy(w.key, w.entry)
}

// tidy drops an entry that has no users and is not, and will not be, set on the server. An entry that is set on the
// server is dropped later.
func (t *watches) tidy(key watchKey, entry *watchEntry) {
	switch {
	case t.m[key] != entry || len(entry.users) > 0 || entry.arming > 0:
	case entry.armed:
		t.plan(key.path, entry, unusedShare)
	default:
		t.drop(key)
	}
}

func (t *watches) drop(key watchKey) { delete(t.m, key) }

// fire delivers a server's event. It runs in the receiving goroutine.
func (t *watches) fire(event EventType, path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, kind := range watchesOf(event) {
		key := watchKey{kind, path}
		entry := t.m[key]
		if entry == nil {
			continue
		}
		t.drop(key)
		for _, w := range entry.users {
			w.firedOn = t.era
		}
		entry.fire(event, path, nil)
	}
	t.fireSets(event, path, watchesOf(event)...)
	t.fireTrees(event, path)
	t.inform(event, path)
}

// fire delivers the event to the users of an entry that has been removed from the table.
func (e *watchEntry) fire(t EventType, at string, err error) {
	for _, w := range e.users {
		w.send(t, at, err)
	}
	e.users = nil
}

// watchesOf returns the kinds of watches that a server's event ends. A watch on existence also receives events of an
// existing node; here it stays what its user asked for.
func watchesOf(t EventType) []watchKind {
	switch t {
	case EventCreated:
		return []watchKind{existsWatch}
	case EventDeleted:
		return []watchKind{dataWatch, existsWatch, childWatch}
	case EventDataChanged:
		return []watchKind{dataWatch, existsWatch}
	case EventChildrenChanged:
		return []watchKind{childWatch}
	}
	return nil
}

// end fires every watch, including later ones, with the end of the session.
func (t *watches) end(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		t.ended = cause
	}
	for _, key := range slices.SortedFunc(maps.Keys(t.m), watchKey.compare) {
		t.m[key].fire(EventSessionOver, key.path, t.ended)
	}
	t.m, t.sets = nil, nil
	t.lookout.stop()
	t.endTrees(t.ended)
}

// watching says how to read a watched node.
type watching[T any] struct {
	query func(at string, watch bool) query[T]
	// stat returns the Stat in the result (nil if the node does not exist), and whether the server has set the watch.
	stat func(T, error) (s *Stat, watched bool)
}

// watch reads and watches.
func watch[T any](ctx context.Context, o *ops, op, path string, kind watchKind, how watching[T]) (value T, w *Watch, err error) {
	at, err := o.locate(op, path)
	if err != nil {
		return value, nil, err
	}
	err = o.do(ctx, request{op: op, path: path, size: len(at), repeatable: true, try: func(ctx context.Context, e *epoch) error {
		candidate, armed := e.watches.join(o.space, watchKey{kind, at})
		var err error
		if armed {
			value, err = ask(ctx, e, how.query(at, false))
		} else {
			value, err = armWatch(ctx, e, candidate, how.query(at, true), how.stat)
		}
		stat, watched := how.stat(value, err)
		if !watched {
			candidate.Stop()
			return err
		}
		e.watches.saw(candidate, stateOf(stat))
		w = candidate
		return nil
	}})
	return value, w, err
}

// armWatch reads and sets the watch.
func armWatch[T any](ctx context.Context, e *epoch, w *Watch, q query[T], stat func(T, error) (*Stat, bool)) (T, error) {
	a := q.call(ctx)
	a.Over = func(err error) {
		s, watched := stat(a.answer, callError(e.ctx, err))
		if e.watches.armed(w, s, watched) {
			e.repair(w.key.path)
		}
	}
	if err := e.send(ctx, &a.Call); err != nil {
		e.watches.attempted(w, nil)
		var none T
		return none, err
	}
	return a.wait(ctx, e)
}

// WatchData reads a node and watches it. The watch fires when the data is set or the node is deleted. If the node does
// not exist, WatchData returns [ErrNoNode] and sets no watch. So it is the call with which to wait for a node's
// deletion.
//
// The watch belongs to the session in which the node was read.
func (o *ops) WatchData(ctx context.Context, path string) (Node, *Watch, error) {
	return watch(ctx, o, "watchData", path, dataWatch, watching[Node]{
		query: func(at string, watch bool) query[Node] { return getQuery(o.space, at, watch) },
		stat:  func(n Node, err error) (*Stat, bool) { return &n.Stat, err == nil },
	})
}

// WatchExists reports whether a node exists and watches it. The watch fires when the node is created or deleted, or its
// data is set. A watch on a node that is never created stays on the server. To wait for many nodes, watch their
// parent's children instead.
func (o *ops) WatchExists(ctx context.Context, path string) (Stat, bool, *Watch, error) {
	stat, w, err := watch(ctx, o, "watchExists", path, existsWatch, watching[*Stat]{
		query: existsQuery,
		stat: func(s *Stat, err error) (*Stat, bool) {
			if errors.Is(err, ErrNoNode) {
				return nil, true
			}
			return s, err == nil
		},
	})
	if stat == nil {
		return Stat{}, false, w, err
	}
	return *stat, true, w, err
}

// WatchChildren lists a node's children and watches the list. The watch fires when a child is created or deleted, or
// the node itself is deleted. If the node does not exist, WatchChildren returns [ErrNoNode] and sets no watch.
func (o *ops) WatchChildren(ctx context.Context, path string) ([]string, Stat, *Watch, error) {
	l, w, err := watch(ctx, o, "watchChildren", path, childWatch, watching[listing]{
		query: childrenQuery,
		stat:  func(l listing, err error) (*Stat, bool) { return &l.stat, err == nil },
	})
	return l.names, l.stat, w, err
}
