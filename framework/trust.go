package framework

import "time"

// trustedUntil is when what the session holds must be given up unless another answer comes. It is in the past, the time
// of the last answer, when the machine was asleep since then, and zero before the session's first answer.
func (e *epoch) trustedUntil() time.Time {
	last, timeout := e.wire.LastAnswered(), e.wire.Timeout()
	if last.IsZero() {
		return time.Time{}
	}
	margin := e.core.cfg.margin(timeout)
	if e.core.asleep(last) > margin {
		return last
	}
	return last.Add(timeout - margin)
}

// asleepSince is how long the machine was asleep since then, as far as the clocks can tell: how much further the wall clock
// has run than the monotonic one, which stands still in a suspended machine.
func asleepSince(since time.Time) time.Duration { return ahead(time.Now(), since, time.Since(since)) }

// ahead is how much further the wall clock has run from since to now than elapsed.
func ahead(now, since time.Time, elapsed time.Duration) time.Duration {
	return now.Round(0).Sub(since.Round(0)) - elapsed // Round strips the monotonic reading
}

// lostAt is when the session counts as lost unless another answer comes.
func (e *epoch) lostAt() time.Time {
	return e.wire.LastAnswered().Add(e.wire.Timeout())
}

// trusted reports whether what the session holds is certain at now.
func (e *epoch) trusted(now time.Time) bool { return now.Before(e.trustedUntil()) }

// nextCheck is how long the supervisor may sleep before it looks at the clocks again: until one of them may run out, and
// not longer than an eighth of the timeout, so that a machine that was asleep is noticed soon after it wakes.
func (e *epoch) nextCheck(now time.Time) time.Duration {
	timeout := e.wire.Timeout()
	if timeout == 0 {
		return time.Hour // no session yet: no clock runs
	}
	d := timeout / 8
	for _, t := range []time.Time{e.trustedUntil(), e.lostAt()} {
		if left := t.Sub(now); left > 0 && left < d {
			d = left
		}
	}
	return d
}
