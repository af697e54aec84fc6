package wire

import "slices"

// queue holds frames that wait, in order, in one buffer. A frame that is taken or
// withdrawn stays in it until half of the buffer is such frames. So each of them costs
// the same, however many wait.
type queue struct {
	buf    []byte
	frames []queued // those of buf[at:] are frames[first:]
	at     int
	first  int
	gone   int // bytes of buf that were taken or withdrawn
}

// queued is a frame in a queue.
type queued struct {
	call *Call // nil for one of the driver
	size int   // what has not been taken of it
}

// place says where the request of a Call is. It is guarded by writer.mu.
type place uint8

const (
	nowhere   place = iota
	held            // back, see Kind
	gathered        // for the next write
	leaving         // a byte of it may have been handed to the socket
	withdrawn       // it never will be written
)

func (q *queue) empty() bool { return len(q.buf) == 0 }

// add puts a frame at the end.
func (q *queue) add(c *Call, frame []byte) {
	q.buf = append(q.buf, frame...)
	q.frames = append(q.frames, queued{c, len(frame)})
}

// grow makes room for n more bytes.
func (q *queue) grow(n int) { q.buf = slices.Grow(q.buf, n) }

// front returns the first frame that was not withdrawn, or what is left of it, and its call.
func (q *queue) front() (c *Call, frame []byte, ok bool) {
	for q.first < len(q.frames) {
		f := q.frames[q.first]
		if !f.withdrawn() {
			return f.call, q.buf[q.at : q.at+f.size], true
		}
		q.pass(f.size)
	}
	return nil, nil, false
}

// take drops the first n bytes of what front has returned.
func (q *queue) take(n int) {
	q.gone += n
	q.pass(n)
	q.tidy()
}

// pass goes past n bytes of the first frame.
func (q *queue) pass(n int) {
	q.at += n
	f := &q.frames[q.first]
	if f.size -= n; f.size == 0 {
		*f = queued{}
		q.first++
	}
}

// withdraw drops the frame of a call that is in the queue as a whole.
func (q *queue) withdraw(c *Call) {
	c.place = withdrawn
	q.gone += c.size
	q.tidy()
}

func (f queued) withdrawn() bool { return f.call != nil && f.call.place == withdrawn }

// tidy drops what has gone when it is half of the buffer.
func (q *queue) tidy() {
	switch {
	case 2*q.gone < len(q.buf):
		return
	case q.first == len(q.frames) && cap(q.buf) <= keepBufferLen:
		q.buf, q.frames, q.at, q.first, q.gone = q.buf[:0], q.frames[:0], 0, 0, 0
		return
	}
	buf, frames, rest := q.buf[:0], q.frames[:0], q.buf[q.at:]
	for _, f := range q.frames[q.first:] {
		if !f.withdrawn() {
			buf, frames = append(buf, rest[:f.size]...), append(frames, f)
		}
		rest = rest[f.size:]
	}
	clear(q.frames[len(frames):])
	*q = queue{buf: buf, frames: frames}
	if len(buf) == 0 && cap(buf) > keepBufferLen {
		*q = queue{}
	}
}

// each calls fn with the calls in the queue, in order.
func (q *queue) each(fn func(*Call)) {
	for _, f := range q.frames[q.first:] {
		if f.call != nil && !f.withdrawn() {
			fn(f.call)
		}
	}
}
