package retry_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/retry"
)

var errWithdrawn = errors.New("withdrawn")

func TestWaitSleepsTheDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := retry.Exponential(time.Second, 3*time.Second).WithJitter(0).WithMaxRetries(3).Start()
		start := time.Now()
		for _, want := range []time.Duration{1, 3, 6} {
			require.NoError(t, attempts.Wait(t.Context()))
			assert.Equal(t, want*time.Second, time.Since(start))
			assert.Equal(t, want*time.Second, attempts.Elapsed())
		}
		for range 2 {
			require.ErrorIs(t, attempts.Wait(t.Context()), retry.ErrExhausted)
		}
		assert.Equal(t, 6*time.Second, time.Since(start), "the end is known at once")
		assert.Equal(t, 3, attempts.Retries())
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errWithdrawn) })
		attempts := retry.Forever(time.Minute).Start()
		start := time.Now()
		require.Equal(t, errWithdrawn, attempts.Wait(ctx))
		assert.Equal(t, time.Second, time.Since(start))
	})
}

func TestWaitWithAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errWithdrawn)
		attempts := retry.NTimes(1, time.Minute).Start()
		require.Equal(t, errWithdrawn, attempts.Wait(ctx))
		assert.Zero(t, attempts.Elapsed())
		assert.Zero(t, attempts.Retries(), "no retry was used up")
		require.NoError(t, attempts.Wait(t.Context()))
		require.ErrorIs(t, attempts.Wait(t.Context()), retry.ErrExhausted)
		require.Equal(t, errWithdrawn, attempts.Wait(ctx), "the context comes first")
	})
}

// Delay over and context ended: the outcome must be the same in every run.
func TestWaitPrefersTheContext(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			late := lateContext{ctx, func() {
				time.Sleep(time.Minute)
				cancel(errWithdrawn)
			}}
			require.Equal(t, errWithdrawn, retry.Forever(time.Second).Start().Wait(late))
		})
	}
}

// lateContext runs a function whenever somebody starts to wait for its end.
type lateContext struct {
	context.Context
	before func()
}

func (c lateContext) Done() <-chan struct{} {
	c.before()
	return c.Context.Done()
}

func TestWaitWithoutDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := retry.NTimes(2, 0).Start()
		require.NoError(t, attempts.Wait(t.Context()))
		require.NoError(t, attempts.Wait(t.Context()))
		require.ErrorIs(t, attempts.Wait(t.Context()), retry.ErrExhausted)
		assert.Zero(t, attempts.Elapsed())
	})
}

func TestWaitWithAnInvalidPolicy(t *testing.T) {
	policy := retry.Forever(0)
	attempts := policy.Start()
	assert.Equal(t, policy.Err(), attempts.Wait(t.Context()))
}

func TestMaxElapsed(t *testing.T) {
	tests := map[string]struct {
		delay, try time.Duration // of each round
		want       int           // retries within 10 s
	}{
		"a try may begin exactly at the limit": {delay: time.Second, want: 10},
		"not after it":                         {delay: 4 * time.Second, want: 2},
		"the tries count too":                  {delay: time.Second, try: 2 * time.Second, want: 3},
		"one long try uses it up":              {delay: time.Second, try: time.Minute, want: 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := retry.UntilElapsed(10*time.Second, tc.delay).Start()
				time.Sleep(tc.try)
				for attempts.Wait(t.Context()) == nil {
					time.Sleep(tc.try)
				}
				assert.Equal(t, tc.want, attempts.Retries())
			})
		})
	}
}

// Elapsed time starts with Start and not with the policy.
func TestMaxElapsedBelongsToTheOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := retry.UntilElapsed(2*time.Second, time.Second)
		time.Sleep(time.Hour)
		assert.Len(t, delays(policy, 1), 1)
	})
}

// The sum of delay and elapsed time does not fit into a Duration.
func TestMaxElapsedDoesNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := retry.UntilElapsed(math.MaxInt64, math.MaxInt64).Start()
		time.Sleep(time.Second)
		_, ok := attempts.Next()
		assert.False(t, ok)
	})
}

// Delays that are handed out but not waited for are no time.
func TestNextDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		assert.Len(t, delays(retry.UntilElapsed(2*time.Second, time.Second), 7), 7)
	})
}

func TestPolicyIsShareable(t *testing.T) {
	policy := retry.Exponential(time.Millisecond, time.Second).WithMaxRetries(20)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { assert.Len(t, delays(policy, 100), 20) })
	}
	wg.Wait()
}
