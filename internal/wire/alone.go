package wire

import (
	"fmt"
	"slices"
	"time"
)

// Kind is a kind of request that some servers do not know. It learns how each Call of
// the kind ends. Its methods may be called from any goroutine, also with locks of this package
// held: they must not block, and must not call methods of the Session.
type Kind interface {
	// Alone reports whether the next Call of the kind has to be the only one on the
	// link. It is asked when it is the turn of that Call.
	Alone() bool

	// Ended is called with the error of each Call of the kind, ahead of Call.Over.
	// alone says that nothing else but pings was unanswered while the Call was.
	Ended(alone bool, err error)
}

// mustWait reports whether calls cannot be written now. The writer's mutex is held.
func (w *writer) mustWait(calls []*Call) bool {
	return w.holding.Load() || slices.ContainsFunc(calls, (*Call).wantsAlone)
}

func (c *Call) wantsAlone() bool { return c.Kind != nil && c.Kind.Alone() }

// hold puts calls behind those that wait already. The writer's mutex is held.
func (w *writer) hold(calls []*Call, frames []byte) {
	for _, c := range calls {
		c.place = held
		w.held.add(c, frames[:c.size])
		frames = frames[c.size:]
	}
	w.holding.Store(true)
}

// letGo has the calls written whose turn has come.
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

// release gathers the calls whose turn has come, in order: one that has to be alone when
// everything else is answered, and the others when that one is. What keeps them waiting
// is a request, and a request that is not answered for the session timeout ends the link. It is called with the
// writer's mutex held, and releases it.
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
