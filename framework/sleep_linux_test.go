package framework

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kernel has clocks that can be set, or that stand still.
type kernel struct {
	mu     sync.Mutex
	clocks map[uintptr]time.Duration
}

const clockRealtime = 0

func (k *kernel) read(id uintptr) (time.Duration, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.clocks[id], true
}

// pass lets d pass on a machine that is asleep for some of it, and sets the wall clock.
func (k *kernel) pass(d, asleep, step time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.clocks[clockBoottime] += d
	k.clocks[clockMonotonic] += d - asleep
	k.clocks[clockRealtime] += d + step
}

func clientOfKernel(t *testing.T) (*kernel, *Client, *Session) {
	k := &kernel{clocks: map[uintptr]time.Duration{clockBoottime: 3 * time.Hour, clockMonotonic: time.Hour, clockRealtime: 30 * 365 * 24 * time.Hour}}
	_, cli, session := startClient(t, func() time.Duration { return asleepBy(k.read) }, nil)
	return k, cli, session
}

func TestStepsOfTheWallClockEndNothing(t *testing.T) {
	for name, step := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour, "by half of T": T / 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, cli, session := clientOfKernel(t)
				claim, cancel := session.ClaimContext(t.Context(), holdClaim)
				defer cancel(nil)
				for range 10 {
					k.pass(T/3, 0, step)
					require.NoError(t, claim.Err())
					require.True(t, time.Now().Before(session.TrustedUntil()))
					time.Sleep(T / 3)
				}
				assert.Equal(t, Connected, cli.State().State)
			})
		})
	}
}

func TestSleepIsSeenWhereTheWallClockHidesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, cli, session := clientOfKernel(t)
		claim, cancel := session.ClaimContext(t.Context(), holdClaim)
		defer cancel(nil)
		k.pass(T, T, -T)
		require.ErrorIs(t, context.Cause(claim), ErrUntrusted)
		await(t, cli, Suspended)
		await(t, cli, Reconnected)
		require.True(t, time.Now().Before(session.TrustedUntil()))
	})
}

func TestLinuxClocks(t *testing.T) {
	boot, ok := clock(clockBoottime)
	require.True(t, ok)
	text, err := os.ReadFile("/proc/uptime")
	require.NoError(t, err)
	seconds, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
	require.NoError(t, err)
	assert.InDelta(t, seconds, boot.Seconds(), 5, "the time since the machine was started, asleep or not")

	first, ok := clock(clockMonotonic)
	require.True(t, ok)
	before := time.Now()
	for time.Since(before) < 2*time.Millisecond {
	}
	second, _ := clock(clockMonotonic)
	assert.GreaterOrEqual(t, second-first, 2*time.Millisecond)
	_, ok = clock(12345)
	assert.False(t, ok, "there is no such clock")
}
