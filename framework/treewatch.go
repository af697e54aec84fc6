package framework

import (
	"context"
	"errors"
	"sync"

	"github.com/docent-zk/docent/internal/wire"
)

// TreeWatch reports every change of a node and of everything below it, in order, until it is stopped or its session ends.
// There are four kinds of events, all with the absolute path in the client's namespace:
//
//   - [EventCreated], [EventDeleted], [EventDataChanged]: this happened to the node at Path. Changes of ACLs are not told.
//   - [EventReset], with the watched path: changes may have gone unnoticed. Whatever was read below the path has to be read
//     again. The events behind a reset are of changes after the moment from which on the watch was in force again.
//
// A reset comes after each reconnect, because servers set such a watch again but do not tell what it has missed, and when
// the reader is so slow that 8 MiB of events have piled up: then these give way to a reset. A reset also takes the place of
// all events ahead of it that were not read yet. That is all that is ever dropped, so that
//
//	watch, then read everything; for each event, read its node again; for a reset, read everything again
//
// misses nothing. An event does not say what a node is like now, and it may be about a change that a read has shown already.
//
// A server says that a node changed ahead of the first answer on the same connection that shows the change. So when a read
// in the same session returns that shows a change, its event (or a reset) is in the TreeWatch already: a Take after the read
// gets it, unless an earlier one has. Nothing is promised of when another goroutine gets around to it.
//
// Servers tell nobody of nodes that he may not read, ZooKeeper since 3.8.4 and 3.9.2 (CVE-2024-23944): what happens to such
// nodes is not told, and gives no reset either.
//
// Its methods may be called from any goroutine; events are for one reader.
type TreeWatch struct {
	space space
	at    string // as the server knows it
	table *watches

	mu     sync.Mutex
	events []Event
	cost   int           // of events, in bytes
	over   error         // why there will be no more events
	ready  chan struct{} // holds a token when there is something to take
}

// treeBacklog is how many bytes of events may wait for a reader, counting eventCost for each besides its path.
const (
	treeBacklog = 8 << 20
	eventCost   = 48
)

// ErrWatchStopped is what a [TreeWatch] ends with when it is stopped.
var ErrWatchStopped = errors.New("the watch was stopped")

// errWatchDelayed sends a caller round again.
var errWatchDelayed = &unsentError{errors.New("the server was too busy to set the watch")}

// WatchTree watches path and everything below it in this session. The node need not exist. It returns when the watch is in
// force: whatever is read afterwards is no older, so that nothing is missed by "first watch, then read everything". ctx ends
// the call and not the watch. All watches on one path share one at the server, which the last one that is stopped takes back.
//
// It returns [ErrUnsupported] if a server turns out not to know such watches: ZooKeeper before 3.6, and some of the servers
// that speak its protocol: see Capabilities in the package documentation.
//
// One-shot watches on the same path ([Session.WatchData] and its like) are no danger to it, although servers before 3.9 let
// one put an end to the other (ZOOKEEPER-4466): while there is a TreeWatch they are served from it. They may fire without need
// then: when the first TreeWatch on the path is set, after a reset, and when the last one ends.
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

// arm asks for the watch and waits until it is in force.
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

// join makes w a user of the watch on its path, and sends the call if that is not in force. A watch that is left at the same time is
// taken back before, or after, but not in between.
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

// leave is the opposite of join. The last user has the server take the watch back, and with it every watch of the session on the path. That
// is sent while one-shot watches on the path are still served from the recursive one, so that none is set ahead of it.
func (w *TreeWatch) leave() {
	w.table.order.Lock()
	defer w.table.order.Unlock()
	if w.table.lastUser(w) && w.table.unwatch != nil {
		w.table.unwatch(w.at)
	}
	w.table.leaveTree(w)
}

// Path is the watched path, absolute in the client's namespace.
func (w *TreeWatch) Path() string { return w.space.local(w.at) }

// Ready returns a channel that yields a value when there may be something to Take. It is always the same channel.
func (w *TreeWatch) Ready() <-chan struct{} { return w.ready }

// Take returns the events that are waiting, in order, and does not wait itself. An error says that there will be no more
// of them, and why: [ErrSessionLost], [ErrClosed], [ErrUnsupported] when a server that does not know such watches has taken
// over, [ErrWatchStopped], or a server's refusal to set the watch again after a reconnect.
func (w *TreeWatch) Take() ([]Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events, w.cost = nil, 0
	return events, w.over
}

// Next waits for the next event. It returns an error when ctx ends, or one of Take's when there will be no more events.
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

// Zxid returns a transaction up to which every change at and below Path has been told: its event, or a reset, was pushed before
// Zxid was called, for Take to get or gotten by then. It is 0 while nothing is certain, after a reconnect or with a server that
// is too busy to set the watch.
//
// So for a reader that calls Zxid, then Take, and gets no reset from that, all changes up to the transaction are among the events
// that it has had since its last reset. What it has read since that shows them all is as of the transaction or newer: see
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

// Stop ends the watch: no more events come, and those that were not read are gone. The server is told at once when it was the last
// one on the path. It may be called repeatedly.
func (w *TreeWatch) Stop() {
	w.leave()
	w.mu.Lock()
	w.events, w.cost = nil, 0
	w.mu.Unlock()
	w.finish(ErrWatchStopped)
}

// push adds an event. It never waits for the reader.
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

// finish ends the watch. First cause wins.
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
