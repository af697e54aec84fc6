package wire

import (
	"fmt"
	"slices"
	"time"
)

// Kind is a kind of request that some servers do not support. It learns from the end of each Call. Its methods may be
// called from any goroutine, even while locks of this package are held: they must not block or call methods of the
// Session.
type Kind interface {
	// Alone reports whether the next Call of the kind must be the only one on the link. It is called when the Call's
	// turn has come.
	Alone() bool

	// Ended is called with the error of each Call of the kind, before Call.Over. alone means that only pings were
	// unanswered at the same time.
	Ended(alone bool, err error)
}

// mustWait reports whether calls cannot be written now. The writer's mutex is held.
func (w *writer) mustWait(calls []*Call) bool {
	return w.holding.Load() || slices.ContainsFunc(calls, (*Call).wantsAlone)
}

func (c *Call) wantsAlone() bool { return c.Kind != nil && c.Kind.Alone() }

// hold appends calls to those that wait. The writer's mutex is held.
func (w *writer) hold(calls []*Call, frames []byte) {
	for _, c := range calls {
		c.place = held
		w.held.add(c, frames[:c.size])
		frames = frames[c.size:]
	}
	w.holding.Store(true)
}

// letGo writes the calls whose turn has come.
func (l *link) letGo() {
	w := &l.writer
	if !w.holding.Load() {
		return
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return
	}
	l.release()
}

// release gathers the calls whose turn has come, in order. A call that must be alone waits until everything else is
// answered, and the others wait for it. Each waits for a request, and a request that is not answered for the session
// timeout ends the link. release is called with the writer's mutex held, and unlocks it.
func (l *link) release() {
	w, now, room, own := &l.writer, time.Now(), true, 0
	w.alone = w.alone && l.reqs.busy() > 0
	for !w.alone && room {
		c, frame, ok := w.held.front()
		if !ok {
			break
		}
		alone := c.wantsAlone()
		if alone && l.reqs.busy() > 0 {
			break
		}
		c.alone = alone
		if room = l.gather(c, frame, now); room {
			w.alone = alone
			w.held.take(len(frame))
			own++
		}
	}
	w.holding.Store(!w.held.empty() || w.alone)
	if !room {
		w.mu.Unlock()
		l.tooMany()
		return
	}
	l.gathered(max(own, 1))
}

// tooMany ends the link because of unanswered requests.
func (l *link) tooMany() error {
	return l.fail(fmt.Errorf("%w: %d to %s", ErrTooManyRequests, maxPending, l.peer()))
}

// eachHeld calls fn with the calls that wait.
func (w *writer) eachHeld(fn func(*Call)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held.each(fn)
}
