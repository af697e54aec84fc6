package wire

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

const (
	// smallWrite is how many bytes a socket always accepts. While no more than that is unanswered, the calling
	// goroutine writes its request itself: a peer that accepts no bytes cannot block it.
	smallWrite = 16 << 10
	// writeChunk is how much is written with one deadline.
	writeChunk = 64 << 10
)

// writer gathers frames and writes many of them with one system call. A caller that finds it idle writes once. If more
// frames have been gathered by then, a goroutine writes them.
type writer struct {
	mu     sync.Mutex
	queue  queue // gathered
	busy   bool  // a goroutine flushes, or the writer has ended
	closed bool  // nothing is accepted any more: the link has ended, or the session is being closed
	xid    int32 // of the latest call

	holding atomic.Bool // calls are held back, or one must be alone on the link
	held    queue
	alone   bool // the latest call must be alone, and is unanswered

	// Of whoever flushes.
	out  []byte          // being written
	told []chan struct{} // to be closed when that is done
}

// firstXid is the transaction id of a link's first call. Those of the driver are
// lower.
const firstXid = 1 << 30

// nextXid numbers a call.
func (w *writer) nextXid() int32 {
	if w.xid++; w.xid < firstXid {
		w.xid = firstXid
	}
	return w.xid
}

// encoders are shared by all links: memory, and nothing else.
var encoders = sync.Pool{New: func() any { return new(jute.Encoder) }}

// encode appends the frame of a call, whose xid is not known yet.
func (c *Call) encode(e *jute.Encoder) {
	mark := e.BeginFrame()
	e.Int32(0)
	e.Int32(c.Op)
	if c.Body != nil {
		c.Body.Encode(e)
	}
	e.EndFrame(mark)
	c.size = e.Len() - mark
}

// handIn numbers calls and writes their frames. They are encoded without the writer's mutex.
func (l *link) handIn(calls []*Call) error {
	e := encoders.Get().(*jute.Encoder)
	e.Reset()
	defer func() {
		if e.Len() <= keepBufferLen {
			encoders.Put(e)
		}
	}()
	first := l.prepare(calls, e)
	w := &l.writer
	w.mu.Lock()
	switch {
	case w.closed:
		w.mu.Unlock()
		return ErrNotSent
	case w.mustWait(calls):
		w.hold(calls, e.Bytes())
		l.release()
	case !l.gatherAll(calls, e.Bytes()):
		return nil // the link has ended, and the calls with it
	default:
		l.gathered(len(calls))
	}
	l.lookBy(first)
	return nil
}

// prepare encodes calls for the link, and returns the first of their deadlines.
func (l *link) prepare(calls []*Call, e *jute.Encoder) (first time.Time) {
	for i, c := range calls {
		c.link, c.back = l, make(chan struct{}, 2)
		c.encode(e)
		if i == 0 && len(calls) > 2 {
			e.Grow((len(calls) - 1) * c.size) // they set watches, and are alike
		}
		if !c.Deadline.IsZero() {
			first = earlier(first, c.Deadline)
		}
	}
	return first
}

// gatherAll gathers calls, whose frames follow each other in frames. If there are too many, it ends the link and
// reports false; then it unlocks the writer's mutex, with which it is called.
func (l *link) gatherAll(calls []*Call, frames []byte) bool {
	now := time.Now()
	l.writer.queue.grow(len(frames))
	for i, c := range calls {
		if !l.gather(c, frames[:c.size], now) {
			l.writer.mu.Unlock()
			_ = l.tooMany()
			for _, rest := range calls[i:] { // those before them end with the link
				rest.notSent(ErrNotSent)
			}
			return false
		}
		frames = frames[c.size:]
	}
	return true
}

// gather numbers and records a call and appends its frame. It reports false if there are too many. It is called with
// the writer's mutex held.
func (l *link) gather(c *Call, frame []byte, now time.Time) bool {
	w := &l.writer
	c.xid = w.nextXid()
	putInt32(frame, prefixLen, c.xid)
	if !l.reqs.push(request{sent: now, xid: c.xid, op: c.Op, size: c.size, call: c}) {
		return false
	}
	c.place = gathered
	w.queue.add(c, frame)
	l.s.counters.framesOut.Add(1)
	return true
}

// post remembers a request of the driver and has its frame written.
func (l *link) post(out []byte, r request) error {
	w := &l.writer
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return l.halted()
	}
	r.sent, r.size = time.Now(), len(out)
	if !l.reqs.push(r) {
		w.mu.Unlock()
		return l.tooMany()
	}
	w.closed = r.op == opClose // nothing may follow
	w.queue.add(nil, out)
	l.s.counters.framesOut.Add(1)
	l.gathered(drivers)
	return l.halted()
}

// drivers, as the count in gathered, means a request of the driver.
const drivers = 0

// gathered writes what was gathered: own calls of the caller, and others. It is called with the mutex held, and unlocks
// it. A caller that finds the writer idle writes once, and leaves what is added meanwhile to a goroutine. The driver's
// goroutine may be blocked by a peer that accepts no bytes.
func (l *link) gathered(own int) {
	w := &l.writer
	flushing := w.busy
	w.busy = true
	w.mu.Unlock()
	if flushing {
		return
	}
	if own != drivers && l.reqs.busy() > own && l.reqs.unanswered() <= smallWrite {
		runtime.Gosched() // other goroutines may add to the same write
	}
	if l.flush(own == drivers) {
		go l.flushAll()
	}
}

// flushAll writes what was gathered until nothing is left.
func (l *link) flushAll() {
	for l.flush(true) {
	}
}

// flush writes a chunk of what was gathered, and reports whether there is more by now. If not, the writer is idle.
// Without patience, it writes only what a socket always accepts. What was gathered when the link ends is left for
// closeLane: it was certainly not sent.
func (l *link) flush(patient bool) (more bool) {
	w := &l.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if !patient && l.reqs.unanswered() > smallWrite {
		return true
	}
	if l.halted() == nil && w.take() {
		w.mu.Unlock()
		err := l.write(w.out)
		for _, ch := range w.told {
			close(ch)
		}
		if err != nil {
			l.writeFailed(err)
		}
		w.mu.Lock()
		if err != nil {
			return false // and w stays busy
		}
	}
	w.busy = !w.queue.empty() && l.halted() == nil
	return w.busy
}

// take moves a chunk of what was gathered to w.out. From then on its calls may have been sent. It reports false if
// there is none. It is called with the mutex held.
func (w *writer) take() bool {
	w.out, w.told = w.out[:0], w.told[:0]
	for len(w.out) < writeChunk {
		c, frame, ok := w.queue.front()
		if !ok {
			break
		}
		n := min(len(frame), writeChunk-len(w.out))
		w.out = append(w.out, frame[:n]...)
		if c != nil {
			c.place = leaving
			if n == len(frame) && c.Written != nil {
				w.told = append(w.told, c.Written)
			}
		}
		w.queue.take(n)
	}
	return len(w.out) > 0
}

// write writes a chunk to the socket.
func (l *link) write(out []byte) error {
	if limit := l.quiet; limit > 0 {
		_ = l.conn.SetWriteDeadline(time.Now().Add(limit))
	}
	return l.put(out)
}

// writeFailed ends the link because of a write error. Replies that had arrived by then can still be read, so the reader
// gets a short time for them. Nothing is written meanwhile, because the writer stays busy.
func (l *link) writeFailed(err error) {
	if halt := l.halted(); halt != nil {
		l.end(halt) // by this side, whatever the write says of it
		return
	}
	failed := fmt.Errorf("wire: writing to %s: %w", l.peer(), err)
	if isTimeout(err) { // the reader has had all that time
		l.lost(failed)
		return
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.cause.Load() == nil {
		l.late.broken = time.AfterFunc(l.grace(), func() { l.lost(failed) })
	}
}

// takeBack withdraws a call whose frame has not been written. It reports whether it did.
func (l *link) takeBack(c *Call) bool {
	w := &l.writer
	w.mu.Lock()
	switch {
	case c.place == held:
		w.held.withdraw(c)
	case c.place == gathered && l.reqs.withdraw(c):
		w.queue.withdraw(c)
	default:
		w.mu.Unlock()
		return false
	}
	w.mu.Unlock()
	if c.Written != nil {
		close(c.Written)
	}
	l.letGo() // it may have been what others wait for
	return true
}

// closeLane ends all calls, because the link has ended with that cause. Calls of which no byte can have left were not
// sent.
func (l *link) closeLane(cause error) {
	notSent, unanswered := fmt.Errorf("%w: %w", ErrNotSent, cause), fmt.Errorf("%w: %w", ErrUnanswered, cause)
	for _, c := range l.writer.close() {
		c.notSent(notSent)
	}
	for _, r := range l.reqs.drain() {
		switch {
		case r.call == nil:
		case r.call.place == withdrawn:
			r.call.finish(notSent)
		default:
			r.call.finish(unanswered)
		}
	}
}

// close takes nothing more, and returns the calls that were held back.
func (w *writer) close() (waiting []*Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.held.each(func(c *Call) { waiting = append(waiting, c) })
	var whole []*Call
	w.queue.each(func(c *Call) {
		if c.Written != nil {
			close(c.Written)
		}
		if c.place == gathered {
			whole = append(whole, c)
		}
	})
	for _, c := range slices.Concat(waiting, whole) {
		c.place = withdrawn
	}
	w.held, w.queue = queue{}, queue{}
	return waiting
}
