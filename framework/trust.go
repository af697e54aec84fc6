package framework

import (
	"fmt"
	"time"
)

// trustedUntil is when what the session holds must be given up unless another answer comes. It is in the past, the time
// of the last answer, when the machine was asleep since then, and zero before the session's first answer.
func (e *epoch) trustedUntil() time.Time {
	last, timeout := e.wire.LastAnswered(), e.wire.Timeout()
	if last.IsZero() {
		return time.Time{}
	}
	margin := e.core.cfg.margin(timeout)
	if e.core.sleep.since(last) > margin {
		return last
	}
	return last.Add(timeout - margin)
}

// lostAt is when the session counts as lost unless another answer comes. On a connection that has opened late, T counts from then, and
// while bytes of a reply arrive from the latest of them.
func (e *epoch) lostAt() time.Time {
	if e.wire.ReadOnly() { // it ends with its connection
		return time.Now().Add(never)
	}
	from := e.wire.LastAnswered()
	if opened, late := e.openedLate(); late {
		from = opened
	}
	if reply, ok := e.wire.Arriving(); ok && reply.Latest.After(from) {
		from = reply.Latest
	}
	return from.Add(e.wire.Timeout())
}

// openedLate reports whether the handshake of the connection took so long that less than T/3 of trust was left when it was answered, and
// nothing has been answered since. The answer to the first ping, which is sent after T/3, would come too late to prolong it.
func (e *epoch) openedLate() (opened time.Time, late bool) {
	answered := e.wire.LastAnswered()
	opened = e.wire.Opened() // behind it: then it is not older
	if e.wire.ReadOnly() {
		return opened, false
	}
	timeout := e.wire.Timeout()
	trust := timeout - e.core.cfg.margin(timeout)
	return opened, opened.Sub(answered) > trust-timeout/3
}

// spared reports whether the connection is kept although trust is missing.
func (e *epoch) spared() bool {
	_, late := e.openedLate()
	return late || e.receives()
}

// receives reports whether bytes of a reply have arrived in the last T/3.
func (e *epoch) receives() bool {
	reply, ok := e.wire.Arriving()
	return ok && time.Since(reply.Latest) < e.wire.Timeout()/3
}

// left is how much of the session is left before it counts as lost.
func (e *epoch) left() time.Duration {
	if e.wire.LastAnswered().IsZero() {
		return unlimited
	}
	return time.Until(e.lostAt())
}

// trusted reports whether what the session holds is certain. What is compared with the time is read before it: this goroutine may be
// stopped in between.
func (e *epoch) trusted() bool {
	until := e.trustedUntil()
	return time.Now().Before(until)
}

// silent reports whether the session counts as lost.
func (e *epoch) silent() bool {
	at := e.lostAt()
	return !time.Now().Before(at)
}

// trustEnds is when the supervisor has to end trust; zero if it has.
func (e *epoch) trustEnds() time.Time {
	if e.wire.LastAnswered().Equal(e.void) {
		return time.Time{}
	}
	return e.trustedUntil()
}

// silence is why a session is over whose timeout has passed without an answer.
func (e *epoch) silence() error {
	return fmt.Errorf("no answer for the session timeout of %v: %w", e.wire.Timeout(), ErrSessionLost)
}
