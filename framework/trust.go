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

// lostAt is when the session counts as lost unless another answer comes.
func (e *epoch) lostAt() time.Time {
	return e.wire.LastAnswered().Add(e.wire.Timeout())
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
