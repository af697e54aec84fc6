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

// heldBack is a call that waits for one that has to be alone on the link, or is that call.
type heldBack struct {
	call  *Call
	frame []byte
}

// mustWait reports whether calls cannot be written now. The writer's mutex is held.
func (w *writer) mustWait(calls []*Call) bool {
	return w.holding.Load() || slices.ContainsFunc(calls, (*Call).wantsAlone)
}

func (c *Call) wantsAlone() bool { return c.Kind != nil && c.Kind.Alone() }

// hold puts calls behind those that wait already. The writer's mutex is held.
func (w *writer) hold(calls []*Call, frames []byte) {
	for _, c := range calls {
		w.held = append(w.held, heldBack{c, slices.Clone(frames[:c.size])})
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
	w, now, room := &l.writer, time.Now(), true
	w.alone = w.alone && l.reqs.busy() > 0
	for len(w.held) > 0 && !w.alone && room {
		h := w.held[0]
		alone := h.call.wantsAlone()
		if alone && l.reqs.busy() > 0 {
			break
		}
		h.call.alone = alone
		if room = l.gather(h.call, h.frame, now); room {
			w.held[0] = heldBack{}
			w.alone, w.held = alone, w.held[1:]
		}
	}
	w.holding.Store(len(w.held) > 0 || w.alone)
	if !room {
		w.mu.Unlock()
		l.tooMany()
		return
	}
	l.gathered(false)
}

// tooMany ends the link because of unanswered requests.
func (l *link) tooMany() error {
	return l.fail(fmt.Errorf("%w: %d to %s", ErrTooManyRequests, maxPending, l.peer()))
}

// unhold takes a call out of those that wait, and reports whether it was one. The writer's
// mutex is held.
func (w *writer) unhold(c *Call) bool {
	i := slices.IndexFunc(w.held, func(h heldBack) bool { return h.call == c })
	if i < 0 {
		return false
	}
	w.held = slices.Delete(w.held, i, i+1)
	return true
}

// eachHeld calls fn with the calls that wait.
func (w *writer) eachHeld(fn func(*Call)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.held {
		fn(h.call)
	}
}
