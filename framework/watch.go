package framework

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/go-zookeeper/zk"
)

// EventType is what a [Watch] reports.
type EventType int

// The events of a watch.
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
)

var eventNames = map[EventType]string{
	EventCreated: "Created", EventDeleted: "Deleted", EventDataChanged: "DataChanged",
	EventChildrenChanged: "ChildrenChanged", EventSessionOver: "SessionOver",
}

// String returns the event's name.
func (t EventType) String() string {
	if n, ok := eventNames[t]; ok {
		return n
	}
	return "EventType(?)"
}

// Event is the one event of a [Watch].
type Event struct {
	Type EventType
	Path string // absolute, in the client's namespace
	Err  error  // ErrSessionLost or ErrClosed with EventSessionOver, nil otherwise
}

// Watch is a one-shot watch: exactly one event comes on C, which is then closed, unless Stop comes first. An event means
// that something may have changed: read again, and watch again by doing so.
type Watch struct {
	C <-chan Event

	c     chan Event
	space space
	key   watchKey
	table *watches
}

// Stop takes the watch back: nothing will come on C any more, which stays open. It is safe to call it at any time.
func (w *Watch) Stop() { w.table.leave(w) }

// send delivers the event. It never blocks: a watch fires once.
func (w *Watch) send(t EventType, at string, err error) {
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
	bytes int   // of the paths that the driver has to send again after a reconnect
	ended error // set once
}

type watchEntry struct {
	armed bool
	users []*Watch // in the order in which they came, which is the order in which they are told
}

// join adds a user ahead of the read that arms the watch, so that an event behind the reply of that read cannot be missed.
// It reports whether the server's watch is set already, so that a plain read will do.
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
		t.bytes += len(key.path) + 4
	}
	entry.users = append(entry.users, w)
	return w, entry.armed
}

// armed notes that the server has set the watch for w, unless it has fired already.
func (t *watches) armed(w *Watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if entry := t.m[w.key]; entry != nil && slices.Contains(entry.users, w) {
		entry.armed = true
	}
}

func (t *watches) leave(w *Watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	entry := t.m[w.key]
	if entry == nil {
		return
	}
	if i := slices.Index(entry.users, w); i >= 0 {
		entry.users = slices.Delete(entry.users, i, i+1)
	}
	if len(entry.users) == 0 && !entry.armed {
		t.drop(w.key)
	}
}

func (t *watches) drop(key watchKey) {
	delete(t.m, key)
	t.bytes -= len(key.path) + 4
}

// fire delivers a server's event. It runs in the driver's receiving goroutine.
func (t *watches) fire(ev zk.Event) {
	event, kinds := watchesOf(ev.Type)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, kind := range kinds {
		key := watchKey{kind, ev.Path}
		entry := t.m[key]
		if entry == nil {
			continue
		}
		t.drop(key)
		for _, w := range entry.users {
			w.send(event, ev.Path, nil)
		}
	}
}

// watchesOf maps a server's event to the watches that it uses up. A watch on existence is kept by the driver, and so by the
// server's set-watches, as a data watch once the node exists; here it stays what its user asked for.
func watchesOf(t zk.EventType) (EventType, []watchKind) {
	switch t {
	case zk.EventNodeCreated:
		return EventCreated, []watchKind{existsWatch}
	case zk.EventNodeDeleted:
		return EventDeleted, []watchKind{dataWatch, existsWatch, childWatch}
	case zk.EventNodeDataChanged:
		return EventDataChanged, []watchKind{dataWatch, existsWatch}
	case zk.EventNodeChildrenChanged:
		return EventChildrenChanged, []watchKind{childWatch}
	}
	return 0, nil
}

// end fires every watch, now and later, with the end of the session.
func (t *watches) end(cause error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended == nil {
		t.ended = cause
	}
	for _, key := range slices.SortedFunc(maps.Keys(t.m), watchKey.compare) {
		for _, w := range t.m[key].users {
			w.send(EventSessionOver, key.path, t.ended)
		}
	}
	t.m, t.bytes = nil, 0
}

func (t *watches) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bytes
}

// watched is a value read together with a watch.
type watched[T any] struct {
	value T
	watch *Watch
}

// watch reads with plain or, when the server has no watch yet, with arm. A watch whose read failed is taken back, unless
// the server sets it all the same (keep).
func watch[T any](ctx context.Context, o *ops, op, path string, kind watchKind,
	plain, arm func(conn *zk.Conn, at string) (T, error)) (T, *Watch, error) {
	var got watched[T]
	at, err := o.space.resolve(path)
	if err != nil {
		return got.value, nil, &OpError{Op: op, Path: path, State: o.core.gate.Load().State, Err: err}
	}
	err = o.do(ctx, request{op: op, path: path, size: len(at), repeatable: true, try: func(ctx context.Context, e *epoch) error {
		if err := e.fit(ctx, 2*e.watches.size()); err != nil && !errors.Is(err, ErrTooLarge) {
			return err // room for the driver to set the watches again after a reconnect, in pieces of up to 128 KiB
		}
		w, armed := e.watches.join(o.space, watchKey{kind, at})
		fn := arm
		if armed {
			fn = plain
		}
		v, err := call(ctx, e, func(conn *zk.Conn) (T, error) {
			v, err := fn(conn, at)
			if err == nil && !armed {
				e.watches.armed(w)
			}
			return v, err
		})
		if err != nil {
			w.Stop()
			return err
		}
		got = watched[T]{v, w}
		return nil
	}})
	return got.value, got.watch, err
}

// WatchData reads a node and watches it: the watch fires when its data is set or it is deleted. On a node that does not
// exist it returns [ErrNoNode] and leaves no watch behind, which makes it the call to wait for a node's end with.
//
// The watch belongs to the session in which the node was read.
func (o *ops) WatchData(ctx context.Context, path string) (Node, *Watch, error) {
	return watch(ctx, o, "watchData", path, dataWatch,
		func(conn *zk.Conn, at string) (Node, error) { return getNode(conn, o.space, at) },
		func(conn *zk.Conn, at string) (Node, error) {
			data, stat, _, err := conn.GetW(at)
			if err != nil {
				return Node{}, err
			}
			return Node{Path: o.space.local(at), Data: data, Stat: *stat}, nil
		})
}

// WatchExists looks whether a node exists and watches it: the watch fires when it is created, its data is set or it is
// deleted. Watching nodes that never come leaves a watch on each; watch their parent's children instead if there are many.
func (o *ops) WatchExists(ctx context.Context, path string) (Stat, bool, *Watch, error) {
	stat, w, err := watch(ctx, o, "watchExists", path, existsWatch, existsStat,
		func(conn *zk.Conn, at string) (*Stat, error) {
			ok, stat, _, err := conn.ExistsW(at)
			if err != nil || !ok {
				return nil, err
			}
			return stat, nil
		})
	if stat == nil {
		return Stat{}, false, w, err
	}
	return *stat, true, w, nil
}

// WatchChildren lists a node's children and watches the list: the watch fires when a child is created or deleted, or the
// node itself is deleted. It returns [ErrNoNode], and leaves no watch behind, if the node does not exist.
func (o *ops) WatchChildren(ctx context.Context, path string) ([]string, Stat, *Watch, error) {
	l, w, err := watch(ctx, o, "watchChildren", path, childWatch, listChildren,
		func(conn *zk.Conn, at string) (listing, error) {
			names, stat, _, err := conn.ChildrenW(at)
			if err != nil {
				return listing{}, err
			}
			return listing{names: names, stat: *stat}, nil
		})
	return l.names, l.stat, w, err
}
