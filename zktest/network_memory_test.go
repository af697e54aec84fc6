package zktest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestEveryMessageHasAnInstantOfItsOwn sends on many streams at once, with a latency that leaves hardly any room.
func TestEveryMessageHasAnInstantOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := StartMemory(Config{Latency: time.Nanosecond})
		require.NoError(t, err)
		defer s.Close()
		n := s.net.(*memoryNetwork)
		arrived := make(map[time.Duration]int)
		streams := make([]stream, 20)
		var relay func(i, hops int) func()
		relay = func(i, hops int) func() {
			return func() {
				arrived[s.clock()]++
				if hops > 0 {
					next := (i + hops) % len(streams) // another stream, whose last message may be long ago
					n.send(&streams[next], 0, relay(next, hops-1))
				}
			}
		}
		for i := range streams {
			streams[i].key = uint64(i)
			n.send(&streams[i], time.Duration(i), relay(i, 100))
			n.send(&streams[i], 0, relay(i, 100))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2*101*len(streams), len(arrived))
	})
}

// TestMessagesOfAStreamKeepTheirOrder lets later messages have the shorter way.
func TestMessagesOfAStreamKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := StartMemory(Config{})
		require.NoError(t, err)
		defer s.Close()
		n, st := s.net.(*memoryNetwork), stream{key: 1}
		var got []int
		for i := range 100 {
			n.send(&st, time.Duration(100-i)*time.Millisecond, func() { got = append(got, i) })
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i := range 100 {
			require.Equal(t, i, got[i])
		}
	})
}

func TestAGatePutsPacketsInTheirPlace(t *testing.T) {
	var g gate
	for _, seq := range []uint64{1, 2, 5, 4, 3, 6} {
		g.hold(&packet{seq: seq})
	}
	for seq := range uint64(6) {
		require.Equal(t, seq+1, g.pop(0).seq)
	}
	require.Nil(t, g.pop(0))
	g.hold(&packet{seq: 1, due: 5})
	g.hold(&packet{seq: 2, due: 4})
	require.Nil(t, g.pop(4), "behind one that is not due")
	require.EqualValues(t, 1, g.pop(5).seq)
	require.EqualValues(t, 2, g.pop(5).seq)
}

// TestAnIdleServerSetsNoTimer is what lets a bubble notice that everybody waits for everybody.
func TestAnIdleServerSetsNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := StartMemory(Config{})
		require.NoError(t, err)
		defer s.Close()
		alarm := func() time.Duration {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.alarm()
		}
		time.Sleep(90 * time.Second)
		require.Equal(t, never, alarm())
		_, err = s.Create("/c", nil, Container)
		require.NoError(t, err)
		time.Sleep(time.Millisecond)
		require.Equal(t, 2*time.Minute, alarm())
		require.NoError(t, s.Delete("/c"))
		time.Sleep(time.Millisecond)
		require.Equal(t, never, alarm())
	})
}
