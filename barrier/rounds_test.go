package barrier_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/zktest"
)

// round counts what the members of one round have done.
type round struct{ entering, leaving atomic.Int32 }

// play has a member go through the rounds, without a pause between them, and checks that the barrier is one: nobody is in
// before all have called Enter, and nobody out before all have called Leave.
func play(t *testing.T, d *barrier.Double, rounds []round, members int) {
	for i := range rounds {
		rounds[i].entering.Add(1)
		in, err := d.Enter(t.Context())
		if !assert.NoError(t, err, "round %d", i) {
			return
		}
		assert.EqualValues(t, members, rounds[i].entering.Load(), "in round %d somebody is in early", i)
		rounds[i].leaving.Add(1)
		if !assert.NoError(t, in.Leave(t.Context()), "round %d", i) {
			return
		}
		assert.EqualValues(t, members, rounds[i].leaving.Load(), "in round %d somebody is out early", i)
	}
}

func TestRoundsOnOneBarrier(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const members = 5
		rounds := make([]round, 40)
		var all sync.WaitGroup
		for _, d := range w.party(members) {
			all.Go(func() { play(t, d, rounds, members) })
		}
		all.Wait()
		assert.Empty(t, w.List(path))
	})
}

// Connections that break all the time, at any frame, cost time and nothing else.
func TestRoundsOverBadLinks(t *testing.T) {
	const members = 3
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubbleWith(t, zktest.Config{Seed: seed}, func(t *testing.T, w *world) {
				party := w.party(members)
				rng := rand.New(rand.NewPCG(seed, 0))
				var cuts atomic.Int32
				calm := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Op == zktest.OpConnect || rng.IntN(12) > 0 {
						return zktest.Pass
					}
					cuts.Add(1)
					return []zktest.Verdict{zktest.Cut, zktest.CutAfter, zktest.DelayBy(20 * time.Millisecond)}[rng.IntN(3)]
				})
				rounds := make([]round, 12)
				var all sync.WaitGroup
				for _, d := range party {
					all.Go(func() { play(t, d, rounds, members) })
				}
				all.Wait()
				calm()
				time.Sleep(2 * time.Second)
				assert.Empty(t, w.List(path))
				assert.Greater(t, cuts.Load(), int32(20))
				assert.Len(t, w.Sessions(), members, "no session was lost")
			})
		})
	}
}

// Each frame of one member's Enter and Leave is lost once, in each way.
func TestCutAtEveryFrame(t *testing.T) {
	for _, verdict := range []zktest.Verdict{zktest.Cut, zktest.CutAfter} {
		for at := 0; ; at++ {
			reached := false
			t.Run(fmt.Sprint(verdict, "/", at), func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					reached = cutAt(t, w, at, verdict)
				})
			})
			if !reached {
				require.Greater(t, at, 12, "frames")
				break
			}
		}
	}
}

// cutAt has two members go through a round and cuts the first one's connection at one frame. It runs in a bubble.
func cutAt(t *testing.T, w *world, at int, verdict zktest.Verdict) (reached bool) {
	party := w.party(2)
	frames := 0
	w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Conn.Client != "0" || reached || f.Op == zktest.OpPing || f.Op == zktest.OpConnect {
			return zktest.Pass
		}
		frames++
		if frames <= at {
			return zktest.Pass
		}
		reached = true
		return verdict
	})
	rounds := make([]round, 1)
	var all sync.WaitGroup
	for _, d := range party {
		all.Go(func() { play(t, d, rounds, 2) })
	}
	all.Wait()
	time.Sleep(time.Second)
	assert.Empty(t, w.List(path))
	assert.Len(t, w.Sessions(), 2)
	return reached
}
