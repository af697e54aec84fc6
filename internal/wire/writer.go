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
	// smallWrite is what a socket takes in any case. As long as no more than that is
	// unanswered, whoever hands a request in writes it himself: a peer that
	// takes nothing cannot hold him up.
	smallWrite = 16 << 10
	// writeChunk is how much is written with one deadline.
	writeChunk = 64 << 10
)

// writer gathers frames and writes them, many with one system call. A caller that finds it
// idle writes once. If more has gathered by then, a goroutine goes on until nothing is left.
type writer struct {
	mu     sync.Mutex
	buf    []byte          // gathered
	gen    uint64          // of buf: one more each time that it is written
	told   []chan struct{} // to be closed when buf is written
	spare  []byte          // the buffer before, for the next one
	busy   bool            // somebody flushes
	closed bool            // nothing more is taken: the link has ended, or the session is being closed
	xid    int32           // of the latest call

	holding atomic.Bool // calls are held back, or one is to be alone on the link
	held    []heldBack  // in order
	alone   bool        // the latest call is to be alone, and unanswered
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

// handIn numbers calls and has their frames written. They are encoded outside the
// writer's mutex.
func (l *link) handIn(calls []*Call) error {
	e := encoders.Get().(*jute.Encoder)
	e.Reset()
	defer func() {
		if e.Len() <= keepBufferLen {
			encoders.Put(e)
		}
	}()
	for _, c := range calls {
		c.link, c.back = l, make(chan struct{}, 2)
		c.encode(e)
	}
	w := &l.writer
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return ErrNotSent
	}
	first := time.Time{}
	for _, c := range calls {
		if !c.Deadline.IsZero() {
			first = earlier(first, c.Deadline)
		}
	}
	if w.mustWait(calls) {
		w.hold(calls, e.Bytes())
		l.release()
		l.lookBy(first)
		return nil
	}
	now, frames := time.Now(), e.Bytes()
	for i, c := range calls {
		if !l.gather(c, frames[:c.size], now) {
			w.mu.Unlock()
			_ = l.tooMany()
			for _, rest := range calls[i:] { // those before them end with the link
				rest.notSent(ErrNotSent)
			}
			return nil
		}
		frames = frames[c.size:]
	}
	l.gathered(false)
	l.lookBy(first)
	return nil
}

// gather numbers a call, remembers it and puts its frame with what is to be written. It
// reports false if there are too many. It is called with the writer's mutex held.
func (l *link) gather(c *Call, frame []byte, now time.Time) bool {
	w := &l.writer
	c.xid, c.gen, c.at = w.nextXid(), w.gen, len(w.buf)
	putInt32(frame, prefixLen, c.xid)
	if !l.reqs.push(request{sent: now, xid: c.xid, op: c.Op, size: c.size, call: c}) {
		return false
	}
	w.buf = append(w.buf, frame...)
	if c.Written != nil {
		w.told = append(w.told, c.Written)
	}
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
	w.buf = append(w.buf, out...)
	l.s.counters.framesOut.Add(1)
	l.gathered(true)
	return l.halted()
}

// gathered has what was gathered written. It is called with the mutex held, and
// releases it. Whoever finds the writer idle writes once, for all that has gathered, and
// leaves what others hand in meanwhile to a goroutine. The driver's goroutine may be held
// up by a peer that takes nothing; it has nothing else to do.
func (l *link) gathered(driver bool) {
	w := &l.writer
	flushing := w.busy
	w.busy = true
	w.mu.Unlock()
	if flushing {
		return
	}
	if !driver && l.reqs.unanswered() <= smallWrite {
		runtime.Gosched() // others may have something for the same write
	}
	if l.flush(driver) {
		go l.flushAll()
	}
}

// flushAll writes what was gathered until nothing is left.
func (l *link) flushAll() {
	for l.flush(true) {
	}
}

// flush writes what was gathered, and reports whether there is more by now. If there is
// none, nobody flushes any more. Without patience, only what a socket takes in any case is
// written. What has gathered when the link ends is left for closeLane: it was certainly not sent.
func (l *link) flush(patient bool) (more bool) {
	w := &l.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if !patient && l.reqs.unanswered() > smallWrite {
		return true
	}
	if len(w.buf) > 0 && l.halted() == nil {
		out, told := w.buf, w.told
		w.buf, w.told, w.spare = w.spare[:0], nil, nil
		w.gen++
		w.mu.Unlock()
		err := l.write(out)
		for _, ch := range told {
			close(ch)
		}
		if halt := l.halted(); halt != nil {
			l.end(halt) // by this side, whatever the write says of it
		} else if err != nil {
			l.lost(fmt.Errorf("wire: writing to %s: %w", l.peer(), err))
		}
		w.mu.Lock()
		if cap(out) <= keepBufferLen {
			w.spare = out[:0]
		}
	}
	w.busy = len(w.buf) > 0 && l.halted() == nil
	return w.busy
}

// write writes to the socket. Its deadline moves with what the peer takes.
func (l *link) write(out []byte) error {
	for len(out) > 0 {
		if err := l.halted(); err != nil {
			return err
		}
		if limit := l.quiet; limit > 0 {
			_ = l.conn.SetWriteDeadline(time.Now().Add(limit))
		}
		n := min(len(out), writeChunk)
		if err := l.put(out[:n]); err != nil {
			return err
		}
		out = out[n:]
	}
	return nil
}

// takeBack withdraws a call whose frame has not been written, and reports whether it
// is over for that reason.
func (l *link) takeBack(c *Call) bool {
	defer l.letGo() // it may have been what others wait for
	w := &l.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unhold(c) {
		if c.Written != nil {
			close(c.Written)
		}
		return true
	}
	if c.gen != w.gen || !l.reqs.withdraw(c) {
		return false
	}
	w.buf = slices.Delete(w.buf, c.at, c.at+c.size)
	if i := slices.Index(w.told, c.Written); i >= 0 && c.Written != nil {
		w.told = slices.Delete(w.told, i, i+1)
		close(c.Written)
	}
	l.reqs.each(func(r *request) {
		if r.call != nil && r.call.gen == w.gen && r.call.at > c.at {
			r.call.at -= c.size
		}
	})
	return true
}

// closeLane ends all calls, because the link has ended with that cause.
func (l *link) closeLane(cause error) {
	w := &l.writer
	w.mu.Lock()
	w.closed = true
	gen, told, held := w.gen, w.told, w.held
	w.buf, w.told, w.held = nil, nil, nil
	w.gen++
	w.mu.Unlock()
	for _, h := range held {
		h.call.notSent(fmt.Errorf("%w: %w", ErrNotSent, cause))
	}
	for _, ch := range told {
		close(ch)
	}
	for _, r := range l.reqs.drain() {
		switch {
		case r.call == nil:
		case r.call.gen == gen:
			r.call.finish(fmt.Errorf("%w: %w", ErrNotSent, cause))
		default:
			r.call.finish(fmt.Errorf("%w: %w", ErrUnanswered, cause))
		}
	}
}
