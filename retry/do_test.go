package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/retry"
)

var errBroken = errors.New("broken")

// failing returns a function that fails n times, and counts its tries.
func failing(n int) (fn func(context.Context) error, tries *int) {
	tries = new(int)
	return func(context.Context) error {
		*tries++
		if *tries <= n {
			return fmt.Errorf("try %d: %w", *tries, errBroken)
		}
		return nil
	}, tries
}

func TestDoRetriesUntilSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		fn, tries := failing(3)
		require.NoError(t, retry.Do(t.Context(), retry.NTimes(3, time.Second), fn))
		assert.Equal(t, 4, *tries)
		assert.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestDoSucceedsAtOnce(t *testing.T) {
	fn, tries := failing(0)
	require.NoError(t, retry.Do(t.Context(), retry.Never(), fn))
	assert.Equal(t, 1, *tries)
}

func TestDoReportsExhaustion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn, tries := failing(99)
		err := retry.Do(t.Context(), retry.NTimes(2, 1500*time.Millisecond), fn)
		assert.Equal(t, 3, *tries)
		require.ErrorIs(t, err, retry.ErrExhausted)
		require.ErrorIs(t, err, errBroken)
		require.EqualError(t, err, "gave up after 3 tries in 3s: no retries left: last error: try 3: broken")

		var failure *retry.Error
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, 3, failure.Attempts)
		assert.Equal(t, 3*time.Second, failure.Elapsed)
	})
}

func TestDoWithoutRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fn, _ := failing(99)
		err := retry.Do(t.Context(), retry.Never(), fn)
		require.EqualError(t, err, "gave up after 1 try in 0s: no retries left: last error: try 1: broken")
	})
}

func TestDoWithAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errWithdrawn)
	fn, tries := failing(0)
	assert.Equal(t, errWithdrawn, retry.Do(ctx, retry.Policy{}, fn))
	assert.Zero(t, *tries)
}

func TestDoEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(90*time.Second, func() { cancel(errWithdrawn) })
		fn, tries := failing(99)
		err := retry.Do(ctx, retry.Forever(time.Minute), fn)
		require.ErrorIs(t, err, errWithdrawn)
		require.ErrorIs(t, err, errBroken)
		require.NotErrorIs(t, err, context.Canceled, "the cause says more")
		require.NotErrorIs(t, err, retry.ErrExhausted)
		assert.EqualError(t, err, "gave up after 2 tries in 1m30s: withdrawn: last error: try 2: broken")
		assert.Equal(t, 2, *tries)
	})
}

// A try that fails because its context has ended must not be blamed on the
// policy.
func TestDoNamesTheContextBeforeExhaustion(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := retry.Do(ctx, retry.Never(), func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, retry.ErrExhausted)
}

func TestDoKeepsASuccessOfAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, retry.Do(ctx, retry.Policy{}, func(context.Context) error {
		cancel()
		return nil
	}))
}

func TestDoHandsItsContextOn(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	require.NoError(t, retry.Do(ctx, retry.Policy{}, func(ctx context.Context) error {
		assert.Equal(t, "mine", ctx.Value(key{}))
		return nil
	}))
}

func TestDoWithAnInvalidPolicy(t *testing.T) {
	policy := retry.NTimes(-1, 0)
	fn, tries := failing(0)
	assert.Equal(t, policy.Err(), retry.Do(t.Context(), policy, fn))
	assert.Zero(t, *tries)
}

func TestPermanent(t *testing.T) {
	wrapped := fmt.Errorf("outside: %w", retry.Permanent(errBroken))
	tests := map[string]struct{ from, want error }{
		"marked":                  {from: retry.Permanent(errBroken), want: errBroken},
		"marked under a wrapping": {from: wrapped, want: wrapped},
		"marked by backoff":       {from: backoff.Permanent(errBroken), want: errBroken},
		"marked twice":            {from: retry.Permanent(retry.Permanent(errBroken)), want: errBroken},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tries := 0
			err := retry.Do(t.Context(), retry.Policy{}, func(context.Context) error {
				tries++
				return tc.from
			})
			assert.Equal(t, tc.want, err)
			require.ErrorIs(t, err, errBroken)
			assert.Equal(t, 1, tries)
		})
	}
	require.NoError(t, retry.Permanent(nil))
	assert.EqualError(t, retry.Permanent(errBroken), "broken")
}

func TestDoValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		value, err := retry.DoValue(t.Context(), retry.Policy{}, func(context.Context) (string, error) {
			tries++
			if tries < 3 {
				return "half", errBroken
			}
			return "whole", nil
		})
		require.NoError(t, err)
		assert.Equal(t, "whole", value)
	})
}

func TestDoValueIsZeroWithAnError(t *testing.T) {
	for name, err := range map[string]error{"exhausted": errBroken, "permanent": retry.Permanent(errBroken)} {
		t.Run(name, func(t *testing.T) {
			value, err := retry.DoValue(t.Context(), retry.Never(), func(context.Context) (string, error) {
				return "half", err
			})
			require.Error(t, err)
			assert.Empty(t, value)
		})
	}
}

func TestDoLetsPanicsPass(t *testing.T) {
	assert.PanicsWithValue(t, "mine", func() {
		_ = retry.Do(t.Context(), retry.Policy{}, func(context.Context) error { panic("mine") })
	})
}
