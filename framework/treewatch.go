package framework

import (
	"context"
	"errors"
	"sync"

	"github.com/docent-zk/docent/internal/wire"
)

// TreeWatch is a recursive watch: it delivers every change of a node and of all nodes below it, in order, until it is
// stopped or its session ends. All events have the absolute path in the client's namespace. There are four kinds:
//
//   - [EventCreated], [EventDeleted] and [EventDataChanged]: this happened to the node at Path. Changes of ACLs are not
//     reported.
//   - [EventReset], with the watched path: changes may have been missed. Read everything below the path again. Events
//     after a reset are changes after the watch was set again.
//
// A reset follows each reconnect, because servers set a recursive watch again without saying what it has missed. A
// reset also replaces the queued events when a slow reader has let 8 MiB of them pile up. In both cases it replaces all
// events that were not read yet. No other events are dropped. So this procedure misses nothing:
//
//	watch, then read everything; for each event, read its node again; for a reset, read everything again
//
// An event does not contain the node's new data, and may be about a change that an earlier read has already shown.
//
// A server sends the event of a change before the first reply on the same connection that shows the change. So when a
// read in the same session returns a change, its event (or a reset) is already queued in the TreeWatch, and Take
// returns it. This order does not hold for reads in other goroutines.
//
// ZooKeeper since 3.8.4 and 3.9.2 does not send events of nodes that the client must not read (CVE-2024-23944). They do
// not cause a reset either.
//
// The methods are safe for concurrent use, but only one goroutine should read the events.
type TreeWatch struct {
	space space
	at    string // in the servers' form
	table *watches

	mu     sync.Mutex
	events []Event
	cost   int           // of events, in bytes
	over   error         // why no more events follow
	ready  chan struct{} // holds a token while there may be something to take
}

// treeBacklog is how many bytes of events are queued. An event counts as the length of its path plus eventCost.
const (
	treeBacklog = 8 << 20
	eventCost   = 48
)

// ErrWatchStopped is the final error of a [TreeWatch] that was stopped.
var ErrWatchStopped = errors.New("the watch was stopped")

// errWatchDelayed makes the caller try again.
var errWatchDelayed = &unsentError{errors.New("the server was too busy to set the watch")}

// WatchTree watches path and everything below it in this session. The node need not exist. When WatchTree returns, the
// server has set the watch, so later reads and events together miss nothing. ctx ends the call, but not the watch. All
// recursive watches on one path share one on the server, which is removed with the last of them.
//
// It returns [ErrUnsupported] if a server does not support recursive watches: ZooKeeper before 3.6, and some other
// servers with its protocol. See Capabilities in the package documentation.
//
// On servers before 3.9, a one-shot watch on the same path can end a recursive one, and the reverse (ZOOKEEPER-4466).
// Therefore the client serves one-shot watches ([Session.WatchData] and others) from a TreeWatch on the same path. They
// may then fire without a change: when the first TreeWatch on the path is set, after a reset, and when the last one
// ends.
func (s *Session) WatchTree(ctx context.Context, path string) (*TreeWatch, error) {
	at, err := s.space.resolve(path)
	if err != nil {
		return nil, s.failUnsent("watchTree", path, err)
	}
	w := &TreeWatch{space: s.space, at: at, table: &s.e.watches, ready: make(chan struct{}, 1)}
	err = s.do(ctx, request{op: "watchTree", path: path, size: len(at), repeatable: true, try: w.arm})
	if err != nil {
		w.Stop()
		return nil, err
	}
	return w, nil
}

// arm requests the watch and waits until the server has set it.
func (w *TreeWatch) arm(ctx context.Context, e *epoch) error {
	a := e.addWatchCall(w.at)
	asked, err := w.join(ctx, e, &a.Call)
	if err == nil && asked {
		_, err = a.wait(ctx, e)
	}
	switch over := w.err(); {
	case over != nil:
		return over
	case err != nil:
		return err
	case !w.table.treeServes(w):
		return errWatchDelayed
	}
	return nil
}

// join makes w a user of the watch on its path, and sends the call if the server has not set it. A concurrent removal
// of the watch is sent before or after, never in between.
func (w *TreeWatch) join(ctx context.Context, e *epoch, c *wire.Call) (asked bool, err error) {
	w.table.order.Lock()
	defer w.table.order.Unlock()
	tr, live, err := w.table.joinTree(w, e.core.can.lack(capAddWatch))
	if live || err != nil {
		return false, err
	}
	c.Over = func(err error) { _ = e.addWatchOver(tr, err) }
	return true, e.send(ctx, c)
}

// leave is the reverse of join. The last user removes the watch from the server, and with it every watch of the session
// on the path. The removal is sent while one-shot watches on the path are still served from the recursive one, so that
// none is set before it.
func (w *TreeWatch) leave() {
	w.table.order.Lock()
	defer w.table.order.Unlock()
	if w.table.lastUser(w) && w.table.unwatch != nil {
		w.table.unwatch(w.at)
	}
	w.table.leaveTree(w)
}

// Path returns the watched path, absolute in the client's namespace.
func (w *TreeWatch) Path() string { return w.space.local(w.at) }

// Ready returns a channel that receives a value when Take may return something. It is always the same channel.
func (w *TreeWatch) Ready() <-chan struct{} { return w.ready }

// Take returns the queued events in order, without waiting. An error means that no more events follow, and why:
// [ErrSessionLost]; [ErrClosed]; [ErrWatchStopped]; [ErrUnsupported] if the client is now connected to a server without
// recursive watches; or a server's refusal to set the watch again after a reconnect.
func (w *TreeWatch) Take() ([]Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events, w.cost = nil, 0
	return events, w.over
}

// Next waits for the next event. It returns an error when ctx ends, or the error of Take when no more events follow.
func (w *TreeWatch) Next(ctx context.Context) (Event, error) {
	for {
		if ev, ok, err := w.pop(); ok || err != nil {
			return ev, err
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return Event{}, ContextError(ctx)
		}
	}
}

// pop takes one event.
func (w *TreeWatch) pop() (ev Event, ok bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.events) == 0 {
		return Event{}, false, w.over
	}
	ev = w.events[0]
	w.events[0] = Event{}
	w.events = w.events[1:]
	w.cost -= eventCost + len(ev.Path)
	if len(w.events) == 0 {
		w.events = nil
	}
	return ev, true, nil
}

// Zxid returns a transaction up to which all changes at and below Path have been delivered: their events, or a reset,
// were queued before Zxid was called. It returns 0 while this is not certain: after a reconnect, and while the server
// is too busy to set the watch.
//
// If a reader calls Zxid and then Take, and Take returns no reset, the reader has received all changes up to that
// transaction since its last reset. What it has read since then is as recent as the transaction: see
// [Session.ChangedSince].
func (w *TreeWatch) Zxid() int64 {
	if !w.table.treeServes(w) {
		return 0
	}
	zxid := w.table.zxid()
	if !w.table.treeServes(w) { // the connection has changed in between
		return 0
	}
	return zxid
}

// Stop ends the watch. Queued events are dropped and no more follow. The last Stop on a path removes the watch from the
// server. Stop may be called more than once.
func (w *TreeWatch) Stop() {
	w.leave()
	w.mu.Lock()
	w.events, w.cost = nil, 0
	w.mu.Unlock()
	w.finish(ErrWatchStopped)
}

// push adds an event. It never blocks.
func (w *TreeWatch) push(t EventType, at string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over != nil {
		return
	}
	ev := Event{Type: t, Path: w.space.local(at)}
	w.cost += eventCost + len(ev.Path)
	if t == EventReset || w.cost > treeBacklog {
		ev = Event{Type: EventReset, Path: w.space.local(w.at)}
		w.events, w.cost = nil, eventCost+len(ev.Path)
	}
	w.events = append(w.events, ev)
	w.wake()
}

// finish ends the watch. The first cause is kept.
func (w *TreeWatch) finish(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over == nil {
		w.over = cause
	}
	w.wake()
}

func (w *TreeWatch) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

func (w *TreeWatch) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}
