package retry

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Attempts is the progress of one operation through its policy: a sequence of delays, and the time since its start. It
// must not be used concurrently.
type Attempts struct {
	policy  Policy
	err     error // what is wrong with the policy
	backoff backoff.BackOff
	start   time.Time
	retries int
}

// Start begins the sequence of delays of one operation. Elapsed time counts from here.
func (p Policy) Start() *Attempts {
	a := &Attempts{policy: p, err: p.Err(), start: time.Now()}
	if a.err == nil {
		a.backoff = p.newBackOff()
	}
	return a
}

// Next returns how long to wait before the next attempt. It returns false if there is none, because the policy is
// exhausted or not valid. Once false, it stays false.
func (a *Attempts) Next() (delay time.Duration, ok bool) {
	if a.backoff == nil {
		return 0, false
	}
	delay = a.backoff.NextBackOff()
	if delay >= 0 {
		delay = a.shorten(delay)
	}
	if delay < 0 || a.tooLate(delay) {
		a.backoff = nil
		return 0, false
	}
	a.retries++
	return delay, true
}

// shorten applies jitter to a delay.
func (a *Attempts) shorten(delay time.Duration) time.Duration {
	factor := a.policy.jitterFactor()
	if factor == 0 {
		return delay
	}
	part := a.policy.source()()
	if !(part >= 0) {
		part = 0
	}
	return delay - time.Duration(factor*min(part, 1)*float64(delay))
}

// tooLate reports whether an attempt after delay would begin after the limit.
func (a *Attempts) tooLate(delay time.Duration) bool {
	limit := a.policy.elapsed
	return limit.set && delay > limit.value-a.Elapsed()
}

// Wait waits until the next attempt is due. It returns nil when it is, context.Cause(ctx) as soon as ctx ends,
// ErrExhausted immediately if the policy allows no further attempt, and the policy's own error if it has one. If ctx
// has ended before the call, no retry is used up.
func (a *Attempts) Wait(ctx context.Context) error {
	if a.err != nil {
		return a.err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	delay, ok := a.Next()
	if !ok {
		return ErrExhausted
	}
	return sleep(ctx, delay)
}

// Retries returns how many delays have been returned.
func (a *Attempts) Retries() int { return a.retries }

// Elapsed returns the time since Start by the monotonic clock.
func (a *Attempts) Elapsed() time.Duration { return time.Since(a.start) }

// sleep waits for d. If ctx has ended by then, it returns the cause of ctx, so that the result does not depend on which
// of two ready channels select picks.
func sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}
