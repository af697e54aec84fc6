package framework

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSleepLog(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		total := time.Hour
		l := newSleepLog(func() time.Duration { return total })
		ask := func(ago time.Duration) time.Duration { return l.since(time.Now().Add(-ago)) }
		assert.Zero(t, ask(time.Hour), "what was before the client was there is nothing to it")
		time.Sleep(time.Second)
		total += time.Minute
		assert.Equal(t, time.Minute, ask(time.Nanosecond), "it may have slept a moment ago, or all the time since the last look")
		time.Sleep(time.Second)
		assert.Zero(t, ask(time.Second-ms))
		assert.Equal(t, time.Minute, ask(time.Second+ms))
		total += 2 * time.Minute
		assert.Equal(t, 3*time.Minute, ask(time.Second+ms))
		assert.Equal(t, 2*time.Minute, ask(time.Second-ms))
		total += ms / 2
		assert.Equal(t, 2*time.Minute, ask(time.Second-ms), "a difference between readings")

		time.Sleep(time.Second)
		total -= time.Hour
		assert.Zero(t, ask(ms), "a clock was set back")
		total += time.Minute
		assert.Equal(t, time.Minute, ask(ms), "and goes on from there")
	})
}

// A reading that comes late says that less was slept than was.
func TestLateReadingsAreNotSleep(t *testing.T) {
	late := 0
	l := newSleepLog(func() time.Duration {
		if late--; late == 0 {
			return time.Second
		}
		return time.Minute
	})
	for n := range 4 {
		late = n
		assert.Zero(t, l.since(time.Now()), n)
		assert.Zero(t, l.since(time.Now().Add(-time.Hour)), n)
	}
	late = 2
	l = newSleepLog(l.total)
	assert.Zero(t, l.since(time.Now().Add(-time.Hour)), "late when it begins")
}

func TestManyNaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var total time.Duration
		l := newSleepLog(func() time.Duration { return total })
		began := time.Now()
		for range 10 * maxNaps {
			time.Sleep(time.Second)
			total += time.Minute
			l.since(time.Now())
		}
		assert.LessOrEqual(t, len(l.naps), maxNaps)
		assert.Equal(t, 10*maxNaps*time.Minute, l.since(began), "none is lost")
		assert.Equal(t, 3*time.Minute, l.since(time.Now().Add(-3*time.Second)))
	})
}

// On this machine, which is awake.
func TestMachineThatIsAwakeDoesNotSleep(t *testing.T) {
	first := newSleepLog(asleepSoFar)
	for range 1000 {
		require.Zero(t, first.since(time.Now().Add(-time.Hour)))
	}
	synctest.Test(t, func(t *testing.T) {
		inside := newSleepLog(asleepSoFar)
		time.Sleep(1000 * time.Hour)
		require.Zero(t, inside.since(time.Now().Add(-2000*time.Hour)), "a bubble's time is not the machine's")
		require.Zero(t, first.since(time.Now().Add(-2000*time.Hour)))
	})
}

func TestWallClockAheadOfTheMonotonicOne(t *testing.T) {
	wall := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	assert.Equal(t, time.Hour, ahead(wall.Add(time.Hour+time.Minute), wall, time.Minute))
	assert.Equal(t, -time.Hour, ahead(wall.Add(time.Minute-time.Hour), wall, time.Minute))
	synctest.Test(t, func(t *testing.T) {
		before := clockGap()
		time.Sleep(time.Hour)
		assert.Equal(t, before, clockGap(), "both have gone on")
	})
}
