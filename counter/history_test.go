package counter_test

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// count is one call of Add(1).
type count struct {
	from, to time.Time
	sum      int64 // 0 if the outcome is unknown
}

// history is what several counters have done.
type history struct {
	mu      sync.Mutex
	counts  []count
	unknown int
	refused int // certainly not applied
}

func (h *history) add(ctx context.Context, t *testing.T, i *counter.Int) {
	c := count{from: time.Now()}
	sum, err := i.Add(ctx, 1)
	c.to, c.sum = time.Now(), sum
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil:
		h.counts = append(h.counts, c)
	case errors.Is(err, framework.ErrOutcomeUnknown):
		h.unknown++
	case errors.Is(err, context.DeadlineExceeded):
		h.refused++
	default:
		assert.NoError(t, err)
	}
}

// check holds the history against what one counter in one place would have done. For increments by one that is all there is
// to linearizability: every sum is given once, later calls get larger ones, and no number is without somebody who made it.
func (h *history) check(t *testing.T, final int64) {
	t.Helper()
	slices.SortFunc(h.counts, func(a, b count) int { return cmp.Compare(a.sum, b.sum) })
	for n, c := range h.counts {
		require.Positive(t, c.sum)
		require.LessOrEqual(t, c.sum, final)
		if n == 0 {
			continue
		}
		require.NotEqual(t, h.counts[n-1].sum, c.sum, "given twice")
		for _, smaller := range h.counts[:n] {
			require.False(t, c.to.Before(smaller.from), "%d was given before the call that gave %d", c.sum, smaller.sum)
		}
	}
	made := final - int64(len(h.counts)) // by those who do not know it
	assert.GreaterOrEqual(t, made, int64(0), "applied less often than was said")
	assert.LessOrEqual(t, made, int64(h.unknown), "applied more often than was asked for")
}

// trouble breaks connections at random frames, and now and then takes a client away for longer than its session lives.
func (w *world) trouble(rng *rand.Rand, names []string) (calm func()) {
	return w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Op == zktest.OpConnect || f.Op == zktest.OpCloseSession {
			return zktest.Pass
		}
		switch n := rng.IntN(150); {
		case n < 6:
			return zktest.Cut
		case n < 12:
			return zktest.CutAfter
		case n < 18:
			return zktest.DelayBy(time.Duration(rng.IntN(300)) * time.Millisecond)
		case n == 18:
			heal := w.Silence(names[rng.IntN(len(names))])
			time.AfterFunc(time.Duration(rng.IntN(25_000))*time.Millisecond, heal)
			return zktest.Cut
		}
		return zktest.Pass
	})
}

func TestHistoriesAreThoseOfOneCounter(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 40
	}
	var known, unknown, refused, lost int
	for seed := range seeds {
		bubbleWith(t, zktest.Config{Seed: seed}, func(t *testing.T, w *world) {
			h, sessions := countAmidTrouble(t, w, seed)
			known, unknown, refused, lost = known+len(h.counts), unknown+h.unknown, refused+h.refused, lost+sessions
		})
		require.False(t, t.Failed(), "seed %d", seed)
	}
	t.Logf("%d sums, %d unknown, %d not applied, %d sessions lost", known, unknown, refused, lost)
	assert.Greater(t, known, 20*unknown, "nearly always it is known")
	assert.Positive(t, unknown)
	assert.Positive(t, refused)
	assert.Positive(t, lost)
}

// countAmidTrouble runs in a bubble.
func countAmidTrouble(t *testing.T, w *world, seed uint64) (*history, int) {
	names := []string{"a", "b", "c"}
	var clients []*framework.Client
	for _, name := range names {
		clients = append(clients, w.Connect(name, func(c *framework.Config) { c.OperationTimeout = -1 }))
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	calm := w.trouble(rng, names)
	h := &history{}
	var all sync.WaitGroup
	for n, cli := range clients {
		i := counter.NewInt(cli, path)
		patience := rand.New(rand.NewPCG(seed, uint64(n)+2))
		all.Go(func() {
			for range 8 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				if patience.IntN(6) == 0 {
					cancel()
					ctx, cancel = context.WithTimeout(t.Context(), time.Duration(patience.IntN(2000))*time.Millisecond)
				}
				h.add(ctx, t, i)
				cancel()
			}
		})
	}
	all.Wait()
	calm()
	time.Sleep(40 * time.Second) // whatever is still on its way arrives
	got, err := counter.NewInt(w.Connect("judge"), path).Get(t.Context())
	require.NoError(t, err)
	h.check(t, got.Value)
	lost := 0
	for _, cli := range clients {
		lost += int(cli.State().Epoch) - 1
	}
	return h, lost
}

// The oracle itself: each history is one that no counter has.
func TestCheckRefusesImpossibleHistories(t *testing.T) {
	at := time.Now()
	c := func(from, to int, sum int64) count {
		return count{at.Add(time.Duration(from) * time.Second), at.Add(time.Duration(to) * time.Second), sum}
	}
	for name, bad := range map[string]struct {
		history *history
		final   int64
	}{
		"lost":        {&history{counts: []count{c(0, 1, 1), c(0, 1, 2)}}, 1},
		"doubled":     {&history{counts: []count{c(0, 1, 1), c(0, 1, 3)}}, 3},
		"same":        {&history{counts: []count{c(0, 1, 1), c(0, 1, 1)}, unknown: 1}, 2},
		"out of turn": {&history{counts: []count{c(0, 1, 2), c(2, 3, 1)}}, 2},
	} {
		assert.True(t, fails(func(t *testing.T) { bad.history.check(t, bad.final) }), name)
	}
	good := history{counts: []count{c(0, 3, 2), c(1, 2, 1), c(4, 5, 4)}, unknown: 2}
	good.check(t, 4)
}

// fails reports whether a check fails.
func fails(check func(t *testing.T)) bool {
	probe := &testing.T{}
	done := make(chan struct{})
	go func() { // FailNow ends the goroutine
		defer close(done)
		check(probe)
	}()
	<-done
	return probe.Failed()
}
