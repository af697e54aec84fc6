package kit

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/bench/suite/line"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRepeatTakesASampleOfEachOperationUntilTheTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer, err := Repeat(t.Context(), 100*time.Millisecond, 2, func(_ context.Context, caller int) error {
			time.Sleep(time.Duration(30+10*caller) * time.Millisecond)
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, 4+3, answer.Ops, "what has begun in time is counted")
		assert.Equal(t, 120_000.0, answer.ElapsedUS, "and so is its time")
		assert.Equal(t, []float64{30_000, 30_000, 30_000, 30_000, 40_000, 40_000, 40_000}, answer.SamplesUS)
	})
}

func TestPausesAreNotPartOfSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer, err := Paced(t.Context(), 100*time.Millisecond, 40*time.Millisecond, 1, func(context.Context, int) error {
			time.Sleep(10 * time.Millisecond)
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, []float64{10_000, 10_000, 10_000}, answer.SamplesUS)
	})
}

func TestRepeatWithoutATimeIsOnce(t *testing.T) {
	answer, err := Repeat(t.Context(), 0, 3, func(context.Context, int) error { return nil })
	require.NoError(t, err)
	assert.Equal(t, 3, answer.Ops)
}

func TestRepeatEndsEverybodyWhenOneFails(t *testing.T) {
	broken := errors.New("broken")
	_, err := Repeat(t.Context(), time.Hour, 3, func(ctx context.Context, caller int) error {
		if caller == 1 {
			return broken
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, context.Canceled)
}

// mutexLocker is a lock that keeps its promise.
func mutexLocker(mu *sync.Mutex) Locker {
	return func(context.Context) (func(context.Context) error, error) {
		mu.Lock()
		return func(context.Context) error {
			mu.Unlock()
			return nil
		}, nil
	}
}

func TestLocks(t *testing.T) {
	var mu sync.Mutex
	closed := false
	l := &Locks{Lockers: []Locker{mutexLocker(&mu), mutexLocker(&mu)}, Done: func() error {
		closed = true
		return nil
	}}
	answer, err := l.Run(t.Context(), 5*time.Millisecond, nil)
	require.NoError(t, err)
	assert.Positive(t, answer.Ops)
	require.NoError(t, l.Close())
	assert.True(t, closed)
}

func TestTwoHoldersAreNoticed(t *testing.T) {
	var e Exclusive
	require.NoError(t, e.Enter())
	require.ErrorIs(t, e.Enter(), ErrTwoHolders)
	require.ErrorIs(t, e.Verify(), ErrTwoHolders, "it stays noticed")
	require.NoError(t, e.Leave())
	require.ErrorIs(t, e.Leave(), ErrTwoHolders)
}

// A lock that excludes nobody must fail the workload. Both hold it before either lets go.
func TestLocksThatDoNotExcludeFail(t *testing.T) {
	var l *Locks
	none := func(ctx context.Context) (func(context.Context) error, error) {
		if err := l.held.Enter(); err != nil {
			return nil, err
		}
		return func(context.Context) error { return nil }, nil
	}
	l = &Locks{Lockers: []Locker{none}}
	_, err := l.Run(t.Context(), 0, nil)
	require.ErrorIs(t, err, ErrTwoHolders)
}

// An overlap that Enter and Leave have missed shows as a lost increment.
func TestLocksFailWhenAnEntryWasNotCounted(t *testing.T) {
	var mu sync.Mutex
	l := &Locks{Lockers: []Locker{mutexLocker(&mu)}}
	l.held.counter.Store(-1)
	_, err := l.Run(t.Context(), 0, nil)
	require.ErrorIs(t, err, ErrTwoHolders)
	require.ErrorContains(t, err, "0 of 1 entries")
}

// turnCandidate stands in an election in memory: whoever is in the channel leads. It is used in a bubble.
type turnCandidate struct {
	leads  chan struct{}
	queued *atomic.Int32
	delay  time.Duration
}

func (c turnCandidate) Campaign(context.Context) error {
	c.queued.Add(1)
	c.leads <- struct{}{}
	time.Sleep(c.delay)
	return nil
}

func (c turnCandidate) Resign(context.Context) error {
	c.queued.Add(-1)
	<-c.leads
	return nil
}

func TestElectionCountsFromResignUntilTheOtherLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queued atomic.Int32
		c := turnCandidate{make(chan struct{}, 1), &queued, 7 * time.Millisecond}
		e := &Election{Candidates: [2]Candidate{c, c}, Queued: func(context.Context) (int, error) { return int(queued.Load()), nil }}
		answer, err := e.Run(t.Context(), 15*time.Millisecond, nil)
		require.NoError(t, err)
		assert.Equal(t, []float64{7000, 7000}, answer.SamplesUS)
	})
}

func TestRoundsCountNodesOfARound(t *testing.T) {
	r := NewRounds()
	r.Saw(Payload(1))
	r.Saw([]byte("something else"))
	r.Saw(nil)
	done := make(chan error)
	go func() { done <- r.Await(t.Context(), 1, 3) }()
	r.Saw(Payload(2))
	r.Saw(Payload(1))
	r.Saw(Payload(1))
	require.NoError(t, <-done)
	require.NoError(t, r.Await(t.Context(), 2, 1), "one that is complete already")
	r.Saw(Payload(1))
	require.ErrorContains(t, r.Await(t.Context(), 1, 3), "4 nodes were seen, and 3 were written")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, r.Await(gone, 3, 1), "0 nodes were seen")
	assert.Len(t, Payload(3), PayloadSize)
}

func TestPicksMustBeSpreadEvenly(t *testing.T) {
	next := 0
	even := func(picks int, seen map[string]int) error {
		for range picks {
			next++
			if seen != nil {
				seen[string(rune('a'+next%3))]++
			}
		}
		return nil
	}
	answer, err := Picks(3, even, nil).Run(t.Context(), 0, line.Args{})
	require.NoError(t, err)
	assert.Equal(t, batch, answer.Ops)
	_, err = Picks(4, even, nil).Run(t.Context(), 0, nil)
	require.ErrorContains(t, err, "3 of 4 instances")
	_, err = Picks(1, func(_ int, seen map[string]int) error {
		seen["a"] = 1
		return nil
	}, nil).Run(t.Context(), 0, nil)
	require.ErrorContains(t, err, "instance a was picked 1 times")
}

func TestWaitersAllWaitBeforeAnybodyGoes(t *testing.T) {
	var mu, count sync.Mutex
	waiting := 0
	lockers := []Locker{}
	for range 4 {
		lockers = append(lockers, func(ctx context.Context) (func(context.Context) error, error) {
			count.Lock()
			waiting++
			count.Unlock()
			return mutexLocker(&mu)(ctx)
		})
	}
	w := Waiters(lockers, func(context.Context) (int, error) {
		count.Lock()
		defer count.Unlock()
		return waiting, nil
	}, nil)
	answer, err := w.Run(t.Context(), 0, line.Args{"n": "3"})
	require.NoError(t, err)
	assert.Equal(t, 3, answer.Ops)
	assert.Positive(t, answer.Values["join_us"])
	require.NoError(t, w.Close())
}

func TestWaitersThatDoNotWaitFail(t *testing.T) {
	free := func(context.Context) (func(context.Context) error, error) {
		return func(context.Context) error { return nil }, nil
	}
	w := Waiters([]Locker{free, free}, func(context.Context) (int, error) { return 0, nil }, nil)
	_, err := w.Run(t.Context(), 0, line.Args{"n": "1"})
	require.ErrorContains(t, err, "did not wait")
}

func TestOpenClosesWhatItHasOpenedWhenOneFails(t *testing.T) {
	opened, closed := 0, 0
	_, _, err := Open(3, func() (int, error) {
		if opened == 2 {
			return 0, errors.New("no more")
		}
		opened++
		return opened, nil
	}, func(int) error {
		closed++
		return nil
	})
	require.ErrorContains(t, err, "no more")
	assert.Equal(t, 2, closed)
}

func TestPeerServesWhatIsPrepared(t *testing.T) {
	closed := false
	p := New("1.2", map[string]Opener{
		"work": func(_ context.Context, args line.Args) (Workload, error) {
			if args["path"] == "" {
				return nil, errors.New("no path")
			}
			return Work{
				Do: func(_ context.Context, d time.Duration, more line.Args) (line.Answer, error) {
					return line.Answer{Ops: more.Int("n", 0)}, nil
				},
				Done: func() error {
					closed = true
					return nil
				},
			}, nil
		},
	})
	do := func(text string) (line.Answer, error) {
		c, err := line.Parse(text)
		require.NoError(t, err)
		return p.Handle(c)
	}
	about, err := do("hello")
	require.NoError(t, err)
	assert.Equal(t, "1.2", about.Text["version"])
	assert.Equal(t, "work", about.Text["workloads"])
	for text, why := range map[string]string{
		"run work 1s": "is not prepared", "prepare play": "no workload", "prepare work": "no path", "dance work": "is not prepared",
	} {
		_, err := do(text)
		assert.ErrorContains(t, err, why, text)
	}
	_, err = do("prepare work path=/a")
	require.NoError(t, err)
	_, err = do("prepare work path=/a")
	require.ErrorContains(t, err, "already")
	_, err = do("prepare work#2 path=/a")
	require.NoError(t, err, "the same under another number")
	answer, err := do("run work 1s n=4")
	require.NoError(t, err)
	assert.Equal(t, 4, answer.Ops)
	_, err = do("dance work")
	require.ErrorContains(t, err, "no command")
	_, err = do("end work")
	require.NoError(t, err)
	assert.True(t, closed)
	_, err = do("run work 1s")
	require.Error(t, err)
}

func TestThinKeepsTheEndsAndTheMedian(t *testing.T) {
	var all []float64
	for i := range 1001 {
		all = append(all, float64(1000-i))
	}
	few := thin(all, 101)
	require.Len(t, few, 101)
	assert.Equal(t, 0.0, few[0])
	assert.Equal(t, 500.0, few[50])
	assert.Equal(t, 1000.0, few[100])
	assert.Equal(t, 1000.0, all[0], "the input stays as it was")
	assert.Equal(t, []float64{1, 2}, thin([]float64{2, 1}, 101))
	assert.Empty(t, thin(nil, 101))
}

func TestProfileIsWrittenWhereItIsWanted(t *testing.T) {
	stop, err := profile("")
	require.NoError(t, err)
	require.NoError(t, stop())
	dir := t.TempDir()
	stop, err = profile(dir)
	require.NoError(t, err)
	require.NoError(t, stop())
	written, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, written, 2)
	assert.Contains(t, written[0].Name(), "-allocs.pprof")
	assert.Contains(t, written[1].Name(), "-cpu.pprof")
	_, err = profile(dir + "/none")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestInstanceIsJSON(t *testing.T) {
	assert.True(t, strings.HasPrefix(string(Instance("orders", "1", 80)), `{"name":"orders","id":"1","address":"10.0.0.1","port":80,`))
}
