package retry_test

import (
	"bytes"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/retry"
)

// always is a source of randomness that is none.
func always(v float64) func() float64 { return func() float64 { return v } }

// delays returns the first delays of a fresh sequence, at most n of them.
func delays(p retry.Policy, n int) []time.Duration {
	var all []time.Duration
	for a := p.Start(); len(all) < n; {
		d, ok := a.Next()
		if !ok {
			break
		}
		all = append(all, d)
	}
	return all
}

func ms(n ...int) []time.Duration {
	var all []time.Duration
	for _, n := range n {
		all = append(all, time.Duration(n)*time.Millisecond)
	}
	return all
}

func TestDelays(t *testing.T) {
	tests := map[string]struct {
		policy retry.Policy
		want   []time.Duration // of the first ten
	}{
		"zero value": {
			policy: retry.Policy{}.WithJitter(0),
			want:   ms(50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000),
		},
		"zero value, limited": {
			policy: retry.Policy{}.WithJitter(0).WithMaxRetries(2),
			want:   ms(50, 100),
		},
		"exponential": {
			policy: retry.Exponential(time.Millisecond, 6*time.Millisecond).WithJitter(0),
			want:   ms(1, 2, 4, 6, 6, 6, 6, 6, 6, 6),
		},
		"exponential, first is longest": {
			policy: retry.Exponential(7*time.Millisecond, 7*time.Millisecond).WithJitter(0).WithMaxRetries(3),
			want:   ms(7, 7, 7),
		},
		"exponential has jitter by default": {
			policy: retry.Exponential(time.Second, time.Minute).WithRand(always(0.5)).WithMaxRetries(2),
			want:   ms(750, 1500),
		},
		"zero value has jitter": {
			policy: retry.Policy{}.WithRand(always(0.5)).WithMaxRetries(3),
			want:   []time.Duration{37500 * time.Microsecond, 75 * time.Millisecond, 150 * time.Millisecond},
		},
		"forever":                         {policy: retry.Forever(3 * time.Millisecond), want: ms(3, 3, 3, 3, 3, 3, 3, 3, 3, 3)},
		"forever with jitter":             {policy: retry.Forever(10 * time.Millisecond).WithJitter(0.2).WithRand(always(0.5)).WithMaxRetries(2), want: ms(9, 9)},
		"n times":                         {policy: retry.NTimes(3, time.Millisecond), want: ms(1, 1, 1)},
		"n times at once":                 {policy: retry.NTimes(2, 0), want: ms(0, 0)},
		"no times":                        {policy: retry.NTimes(0, time.Millisecond)},
		"once":                            {policy: retry.Once(4 * time.Millisecond), want: ms(4)},
		"never":                           {policy: retry.Never()},
		"never, then changed":             {policy: retry.Never().WithMaxRetries(2), want: ms(0, 0)},
		"the second limit counts":         {policy: retry.NTimes(9, time.Millisecond).WithMaxRetries(1), want: ms(1)},
		"a limit can be raised":           {policy: retry.NTimes(1, time.Millisecond).WithMaxRetries(2), want: ms(1, 1)},
		"elapsed forbids the first delay": {policy: retry.UntilElapsed(time.Hour, 2*time.Hour)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, tc.policy.Err())
			assert.Equal(t, tc.want, delays(tc.policy, 10))
		})
	}
}

// Whatever the numbers: a delay lies in the range that the jitter leaves below
// its base, the base doubles up to the maximum, and the maximum is one.
func TestDelaysStayWithinBounds(t *testing.T) {
	source := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		initial := time.Duration(1 + source.Int64N(int64(time.Second)))
		longest := initial + time.Duration(source.Int64N(int64(time.Hour)))
		factor := source.Float64()
		policy := retry.Exponential(initial, longest).WithJitter(factor).WithRand(source.Float64)
		require.NoError(t, policy.Err())

		base := initial
		for i, d := range delays(policy, 40) {
			// One nanosecond for rounding.
			least := time.Duration(float64(base)*(1-factor)) - 1
			require.LessOrEqual(t, d, base, "delay %d of %v", i, policy)
			require.GreaterOrEqual(t, d, least, "delay %d of %v", i, policy)
			base = min(2*base, longest)
		}
	}
}

func TestExtremeDurations(t *testing.T) {
	const longest = time.Duration(math.MaxInt64)
	policy := retry.Exponential(1, longest)
	require.NoError(t, policy.Err())
	for _, r := range []float64{0, 0.5, 1} {
		var last time.Duration
		for _, d := range delays(policy.WithRand(always(r)).WithMaxElapsed(longest), 100) {
			require.GreaterOrEqual(t, d, last/2, "an overflow")
			last = d
		}
		assert.Greater(t, last, longest/8, "the sequence ended early")
	}
}

func TestJitterReachesItsWholeRange(t *testing.T) {
	const d = 100 * time.Millisecond
	tests := map[string]struct {
		rand float64
		want time.Duration
	}{
		"lowest":        {rand: 0, want: d},
		"middle":        {rand: 0.5, want: d * 3 / 4},
		"beyond one":    {rand: 7, want: d / 2},
		"below zero":    {rand: -3, want: d},
		"not a number":  {rand: math.NaN(), want: d},
		"beyond finite": {rand: math.Inf(1), want: d / 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			policy := retry.Once(d).WithJitter(0.5).WithRand(always(tc.rand))
			assert.Equal(t, []time.Duration{tc.want}, delays(policy, 1))
		})
	}
	t.Run("full jitter", func(t *testing.T) {
		policy := retry.Once(d).WithJitter(1).WithRand(always(1))
		assert.Equal(t, ms(0), delays(policy, 1))
	})
}

// Clients that fail together must not come back together.
func TestJitterSpreadsByDefault(t *testing.T) {
	policy := retry.Exponential(time.Second, time.Second).WithRand(nil)
	seen := map[time.Duration]bool{}
	for range 100 {
		seen[delays(policy, 1)[0]] = true
	}
	assert.Greater(t, len(seen), 95)
}

func TestWithLeavesItsReceiverAlone(t *testing.T) {
	policy := retry.Forever(time.Millisecond)
	_ = policy.WithMaxRetries(1)
	_ = policy.WithMaxElapsed(1)
	_ = policy.WithJitter(1)
	_ = policy.WithRand(always(1))
	assert.Equal(t, ms(1, 1, 1), delays(policy, 3))
	assert.Equal(t, "every 1ms, no limit", policy.String())
}

func TestFromBackOff(t *testing.T) {
	t.Run("delays as they come", func(t *testing.T) {
		policy := retry.FromBackOff(func() backoff.BackOff { return &counting{} })
		require.NoError(t, policy.Err())
		assert.Equal(t, ms(1, 2, 3), delays(policy, 3))
		assert.Equal(t, ms(1, 2, 3), delays(policy, 3), "a Start shares nothing with the one before")
	})
	t.Run("is reset before use", func(t *testing.T) {
		used := &counting{calls: 7}
		policy := retry.FromBackOff(func() backoff.BackOff { return used })
		assert.Equal(t, ms(1), delays(policy, 1))
	})
	t.Run("jitter and limits", func(t *testing.T) {
		policy := retry.FromBackOff(func() backoff.BackOff { return &counting{} }).
			WithJitter(0.5).WithRand(always(1)).WithMaxRetries(2)
		assert.Equal(t, []time.Duration{500 * time.Microsecond, time.Millisecond}, delays(policy, 9))
	})
	t.Run("stop", func(t *testing.T) {
		policy := retry.FromBackOff(func() backoff.BackOff { return &counting{stopAfter: 2} }).
			WithJitter(1).WithRand(always(1))
		a := policy.Start()
		for range 2 {
			_, ok := a.Next()
			assert.True(t, ok)
		}
		for range 3 {
			_, ok := a.Next()
			assert.False(t, ok, "the end is final")
		}
		assert.Equal(t, 2, a.Retries())
	})
	t.Run("no BackOff", func(t *testing.T) {
		assert.Empty(t, delays(retry.FromBackOff(func() backoff.BackOff { return nil }), 1))
	})
}

// counting is a BackOff of 1 ms, 2 ms, 3 ms, ...
type counting struct {
	calls     int
	stopAfter int // 0: never
}

func (c *counting) Reset() { c.calls = 0 }

func (c *counting) NextBackOff() time.Duration {
	c.calls++
	if c.stopAfter == c.calls-1 && c.stopAfter > 0 {
		return backoff.Stop
	}
	return time.Duration(c.calls) * time.Millisecond
}

func TestErr(t *testing.T) {
	tests := map[string]struct {
		policy retry.Policy
		want   []string // parts of the text; none: valid
	}{
		"zero value":              {policy: retry.Policy{}},
		"never":                   {policy: retry.Never()},
		"limited without delay":   {policy: retry.Forever(0).WithMaxRetries(3)},
		"exponential zero":        {policy: retry.Exponential(0, time.Second), want: []string{"first exponential delay 0s is not positive"}},
		"exponential negative":    {policy: retry.Exponential(-1, time.Second), want: []string{"first exponential delay -1ns is not positive"}},
		"longest below first":     {policy: retry.Exponential(2, 1), want: []string{"longest delay 1ns is below the first delay 2ns"}},
		"negative delay":          {policy: retry.Once(-time.Second), want: []string{"the delay -1s is negative"}},
		"endless without delay":   {policy: retry.Forever(0), want: []string{"without a delay"}},
		"for a time, no delay":    {policy: retry.UntilElapsed(time.Second, 0), want: []string{"without a delay"}},
		"negative retries":        {policy: retry.NTimes(-1, time.Second), want: []string{"number of retries -1 is negative"}},
		"zero elapsed":            {policy: retry.UntilElapsed(0, 1), want: []string{"elapsed time 0s is not positive"}},
		"negative elapsed":        {policy: retry.Policy{}.WithMaxElapsed(-1), want: []string{"elapsed time -1ns is not positive"}},
		"jitter too large":        {policy: retry.Policy{}.WithJitter(1.5), want: []string{"jitter 1.5 is outside [0, 1]"}},
		"jitter negative":         {policy: retry.Policy{}.WithJitter(-0.1), want: []string{"jitter -0.1 is outside [0, 1]"}},
		"jitter not a number":     {policy: retry.Policy{}.WithJitter(math.NaN()), want: []string{"jitter NaN is outside [0, 1]"}},
		"nil function":            {policy: retry.FromBackOff[retry.BackOff](nil), want: []string{"FromBackOff was given a nil function"}},
		"mended":                  {policy: retry.NTimes(-1, time.Second).WithMaxRetries(1)},
		"all problems at once":    {policy: retry.Exponential(-1, -2).WithJitter(2).WithMaxRetries(-3), want: []string{"first exponential", "longest delay", "jitter 2", "retries -3"}},
		"an invalid one is named": {policy: retry.Forever(-1), want: []string{"retry policy: "}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := tc.policy.Err()
			if len(tc.want) == 0 {
				require.NoError(t, err)
				return
			}
			for _, part := range tc.want {
				require.ErrorContains(t, err, part)
			}
			assert.Empty(t, delays(tc.policy, 1), "an invalid policy allows no try")
			assert.Empty(t, delays(tc.policy, 1))
		})
	}
}

func TestString(t *testing.T) {
	custom := retry.FromBackOff(func() backoff.BackOff { return &counting{} })
	tests := map[string]retry.Policy{
		"exponential 50ms..5s jitter 0.5, no limit":                   {},
		"exponential 50ms..5s jitter 0.5, at most 10 retries":         retry.Policy{}.WithMaxRetries(10),
		"exponential 50ms..5s jitter 0.25, no limit":                  retry.Policy{}.WithJitter(0.25),
		"exponential 1s..1m0s jitter 0.5, no limit":                   retry.Exponential(time.Second, time.Minute),
		"exponential 1s..1m0s, at most 1 retry":                       retry.Exponential(time.Second, time.Minute).WithJitter(0).WithMaxRetries(1),
		"every 1s, no limit":                                          retry.Forever(time.Second),
		"every 1s, at most 3 retries":                                 retry.NTimes(3, time.Second),
		"every 1s, at most 1m0s in all":                               retry.UntilElapsed(time.Minute, time.Second),
		"every 1s jitter 0.1, at most 5 retries, at most 1m0s in all": retry.UntilElapsed(time.Minute, time.Second).WithJitter(0.1).WithMaxRetries(5),
		"never":         retry.Never(),
		"custom delays": custom,
		"custom delays jitter 1, at most 2 retries": custom.WithJitter(1).WithMaxRetries(2),
	}
	for want, policy := range tests {
		assert.Equal(t, want, policy.String())
	}
}

func TestLogValue(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("config", "retry", retry.NTimes(3, time.Second))
	assert.Contains(t, out.String(), `"retry":"every 1s, at most 3 retries"`)
}
