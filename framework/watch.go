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

// EventType is what a [Watch] or a [TreeWatch] reports.
type EventType int

// The events of watches.
const (
	// EventCreated says that a node which did not exist was created.
	EventCreated EventType = iota + 1
	// EventDeleted says that the node was deleted.
	EventDeleted
	// EventDataChanged says that the node's data was set, perhaps to what it was before.
	EventDataChanged
	// EventChildrenChanged says that a child was created or deleted.
	EventChildrenChanged
	// EventSessionOver says that the session ended, Err says why. What has changed since is not known.
	EventSessionOver
	// EventReset says, in a [TreeWatch] only, that changes may have gone unnoticed: what was read has to be read again.
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

// Event is the one event of a [Watch], or one of a [TreeWatch].
type Event struct {
	Type EventType // what happened
	Path string    // absolute, in the client's namespace
	Err  error     // ErrSessionLost or ErrClosed with EventSessionOver, nil otherwise
}

// Watch is a one-shot watch: exactly one event comes on C, which is then closed, unless Stop comes first. An event means
// that something may have changed: read again, and watch again by doing so.
type Watch struct {
	C <-chan Event

	c       chan Event
	space   space
	key     watchKey
	entry   *watchEntry // nil when the session was over already
	table   *watches
	firedOn int       // the connection on which a server sent the event; 0 before, and if no server did
	told    EventType // the event, 0 before
}

// Stop takes the watch back: nothing will be put on C any more, which stays open unless the watch has fired. It is safe to
// call it at any time and repeatedly.
func (w *Watch) Stop() { w.table.leave(w) }

// fired returns the type of the event, 0 before there is one.
func (w *Watch) fired() EventType {
	w.table.mu.Lock()
	defer w.table.mu.Unlock()
	return w.told
}

// send delivers the event. It never blocks: a watch fires once. The mutex of the table is held.
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

// compare orders keys, so that simulations replay.
func (k watchKey) compare(l watchKey) int {
	return cmp.Or(strings.Compare(k.path, l.path), cmp.Compare(k.kind, l.kind))
}

// watches are the watches of one epoch. Users of one key share the watch on the server. It stays in the table without
// users after the last one has left, because it stays on the server too.
type watches struct {
	mu    sync.Mutex
	m     map[watchKey]*watchEntry
	sets  map[string]*setEntry // watches of sets, by path; the server has one watch for both
	ended error                // set once
	era   int                  // the number of the connection

	trees    trees
	order    sync.Mutex        // of the requests that set and take back recursive watches; taken before mu
	unwatch  func(path string) // sends such a request; nil in a table without an epoch
	zxid     func() int64      // the newest transaction in a reply on the present connection
	rearming rearming

	inquiries []*inquiry // under way

	lookout lookout
}

// watchEntry is what is known of one watch on the server, from the first request for it until it fires. The next one on
// the same key gets an entry of its own.
type watchEntry struct {
	armed  bool     // the server has it
	arming int      // requests under way that set it, left by their callers or not
	users  []*Watch // in the order in which they came, which is the order in which they are told

	seen *nodeState // what the watch is known to have been set on; nil before
	due  time.Time  // when it is checked; zero before it has users and is set
}

// join adds a user ahead of the read that arms the watch, so that an event behind the reply of that read cannot be missed.
// It reports whether the server's watch is set already, or a recursive watch stands in for it, so that a plain read will do;
// if not, the caller must call attempted when the read that arms it has returned.
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

// attempted notes that the read which arms the watch has returned: the server has it if the read has succeeded, and shown
// what is in g, which is nil otherwise. If the watch has fired meanwhile, that says nothing of the next one. It reports whether there
// is a recursive watch on the path now.
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

// tidy forgets an entry that nobody uses and that no server has or will have.
func (t *watches) tidy(key watchKey, entry *watchEntry) {
	if t.m[key] == entry && len(entry.users) == 0 && entry.arming == 0 && !entry.armed {
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

// fire tells the users of an entry that is not in the table any more.
func (e *watchEntry) fire(t EventType, at string, err error) {
	for _, w := range e.users {
		w.send(t, at, err)
	}
	e.users = nil
}

// watchesOf returns the watches that a server's event uses up. A watch on existence also tells of a node that exists; here it stays what
// its user asked for.
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

// end fires every watch, now and later, with the end of the session.
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

// watching is how to read a node that is watched.
type watching[T any] struct {
	query func(at string, watch bool) query[T]
	// stat returns the Stat in what was read, nil for a node that does not exist, and whether the server has set the watch.
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

// armWatch reads and has the server watch.
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

// WatchData reads a node and watches it: the watch fires when its data is set or it is deleted. On a node that does not
// exist it returns [ErrNoNode] and leaves no watch behind, which makes it the call to wait for a node's end with.
//
// The watch belongs to the session in which the node was read.
func (o *ops) WatchData(ctx context.Context, path string) (Node, *Watch, error) {
	return watch(ctx, o, "watchData", path, dataWatch, watching[Node]{
		query: func(at string, watch bool) query[Node] { return getQuery(o.space, at, watch) },
		stat:  func(n Node, err error) (*Stat, bool) { return &n.Stat, err == nil },
	})
}

// WatchExists looks whether a node exists and watches it: the watch fires when it is created, its data is set or it is
// deleted. Watching nodes that never come leaves a watch on each; watch their parent's children instead if there are many.
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

// WatchChildren lists a node's children and watches the list: the watch fires when a child is created or deleted, or the
// node itself is deleted. It returns [ErrNoNode], and leaves no watch behind, if the node does not exist.
func (o *ops) WatchChildren(ctx context.Context, path string) ([]string, Stat, *Watch, error) {
	l, w, err := watch(ctx, o, "watchChildren", path, childWatch, watching[listing]{
		query: childrenQuery,
		stat:  func(l listing, err error) (*Stat, bool) { return &l.stat, err == nil },
	})
	return l.names, l.stat, w, err
}
