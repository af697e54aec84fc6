package framework

import (
	"fmt"
	"time"
)

// trustedUntil returns when claims must end unless another reply comes. If the machine was suspended since the last
// reply, it is the time of that reply, which is in the past. It is zero before the session's first reply.
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

// lostAt returns when the session is presumed lost unless another reply comes. On a connection that opened late, T
// counts from the opening; while bytes of a reply arrive, from the latest of them.
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

// openedLate reports whether the connection's handshake took so long that less than T/3 of trust was left at its end,
// and there was no reply since. The reply to the first ping, which is sent after T/3, would come too late.
func (e *epoch) openedLate() (opened time.Time, late bool) {
	answered := e.wire.LastAnswered()
	opened = e.wire.Opened() // read after LastAnswered: so it is not older
	if e.wire.ReadOnly() {
		return opened, false
	}
	timeout := e.wire.Timeout()
	trust := timeout - e.core.cfg.margin(timeout)
	return opened, opened.Sub(answered) > trust-timeout/3
}

// spared reports whether the connection is kept although trust has ended.
func (e *epoch) spared() bool {
	_, late := e.openedLate()
	return late || e.receives()
}

// receives reports whether bytes of a reply have arrived in the last T/3.
func (e *epoch) receives() bool {
	reply, ok := e.wire.Arriving()
	return ok && time.Since(reply.Latest) < e.wire.Timeout()/3
}

// left returns the time until the session is presumed lost.
func (e *epoch) left() time.Duration {
	if e.wire.LastAnswered().IsZero() {
		return unlimited
	}
	return time.Until(e.lostAt())
}

// trusted reports whether claims of the session are certain. The times are read before the clock, because this
// goroutine may be stopped in between.
func (e *epoch) trusted() bool {
	until := e.trustedUntil()
	return time.Now().Before(until)
}

// silent reports whether the session is presumed lost.
func (e *epoch) silent() bool {
	at := e.lostAt()
	return !time.Now().Before(at)
}

// trustEnds returns when the supervisor has to end trust; zero if it has.
func (e *epoch) trustEnds() time.Time {
	if e.wire.LastAnswered().Equal(e.void) {
		return time.Time{}
	}
	return e.trustedUntil()
}

// silence returns why a session has ended whose timeout passed without a reply.
func (e *epoch) silence() error {
	return fmt.Errorf("no answer for the session timeout of %v: %w", e.wire.Timeout(), ErrSessionLost)
}
