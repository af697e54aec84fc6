package bench

import (
	"cmp"
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// side does an operation n times and returns the time that counts.
type side func(n int) (time.Duration, error)

// contest is docent and the same work without it. It is made anew for each run.
type contest struct {
	docent side
	bare   side // nil if there is nothing to compare with
	// A contest of callers also has:
	callers int // how many call at once
	times   [2]*latencies
}

// turns is how often the two sides take turns.
const turns = 10

// warmUpTime is enough for a server: its figures do not change from then on.
const warmUpTime = time.Second

// score is what one side has used so far.
type score struct {
	side          side
	time, cpu     time.Duration
	allocs, bytes uint64
	goroutines    int // most at once
}

// take lets the side do n operations.
func (s *score) take(n int) error {
	if s.side == nil || n == 0 {
		return nil
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	crowd := count()
	cpu := processTime()
	took, err := s.side(n)
	s.cpu += processTime() - cpu
	s.goroutines = max(s.goroutines, crowd())
	runtime.ReadMemStats(&after)
	s.time += took
	s.allocs += after.Mallocs - before.Mallocs
	s.bytes += after.TotalAlloc - before.TotalAlloc
	return err
}

// count looks how many goroutines there are, until the function that it returns is called: that tells how many more than
// before there were at most.
func count() (most func() int) {
	quit, result := make(chan struct{}), make(chan int)
	before := runtime.NumGoroutine() + 1
	go func() {
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for most := 0; ; {
			select {
			case <-look.C:
				most = max(most, runtime.NumGoroutine()-before)
			case <-quit:
				result <- most
				return
			}
		}
	}()
	return func() int {
		close(quit)
		return <-result
	}
}

// hold lets both sides do n operations each, in turns, and changes who goes first.
func (c contest) hold(n int) (docent, bare score, err error) {
	docent, bare = score{side: c.docent}, score{side: c.bare}
	order := []*score{&docent, &bare}
	for turn := range turns {
		share := n*(turn+1)/turns - n*turn/turns
		for _, s := range order {
			if err := s.take(share); err != nil {
				return docent, bare, err
			}
		}
		order[0], order[1] = order[1], order[0]
	}
	return docent, bare, nil
}

// warmUp runs both sides until a server in Java has compiled what they need;
// whoever went first would pay for it.
func (c contest) warmUp() error {
	for begin := time.Now(); time.Since(begin) < warmUpTime; {
		if _, _, err := c.hold(turns); err != nil {
			return err
		}
	}
	return nil
}

// run is the benchmark of a contest.
func (c contest) run(b *testing.B) {
	b.Helper()
	if b.N == 1 { // always the first run of a benchmark
		require.NoError(b, c.warmUp())
	}
	b.ResetTimer()
	docent, bare, err := c.hold(b.N)
	require.NoError(b, err)
	perOp := func(v float64) float64 { return v / float64(b.N) }
	report := func(s score, prefix, time string) {
		b.ReportMetric(perOp(float64(s.time)), time)
		b.ReportMetric(perOp(float64(s.allocs)), prefix+"allocs/op")
		b.ReportMetric(perOp(float64(s.bytes)), prefix+"B/op")
		b.ReportMetric(perOp(float64(s.cpu)), prefix+"cpu-ns/op")
	}
	report(docent, "docent-", "ns/op")
	if c.bare != nil {
		report(bare, "bare-", "bare-ns/op")
		b.ReportMetric(float64(docent.time)/float64(bare.time), "ratio")
		b.ReportMetric(float64(docent.cpu)/float64(max(bare.cpu, 1)), "cpu-ratio")
	}
	if c.callers > 0 {
		note(b, c, docent, bare)
	}
}

// repeat is a side that does the same operation again and again, by one caller.
func repeat(do func() error) side {
	return func(n int) (time.Duration, error) {
		begin := time.Now()
		err := call(n, nil, nil, do)
		return time.Since(begin), err
	}
}

// among makes a contest of callers that call at once.
func among(ctx context.Context, callers int, docent, bare func() error) contest {
	times := [2]*latencies{{}, {}}
	return contest{
		docent: spread(ctx, callers, times[0], docent), bare: spread(ctx, callers, times[1], bare),
		callers: callers, times: times,
	}
}

// spread is a side whose operations are shared among callers that run at once. It notes how long each took. The callers wait for
// the next turn until ctx ends: to grow the stack of a new goroutine costs as much as some operations.
func spread(ctx context.Context, callers int, times *latencies, do func() error) side {
	shares, errs := make([]chan int, callers), make(chan error, callers)
	for i := range shares {
		shares[i] = make(chan int)
		go work(ctx, shares[i], errs, times, do)
	}
	return func(n int) (time.Duration, error) {
		begin := time.Now()
		for i, share := range shares {
			share <- n*(i+1)/callers - n*i/callers
		}
		var failed error
		for range shares {
			failed = cmp.Or(<-errs, failed)
		}
		return time.Since(begin), failed
	}
}

// work is one caller.
func work(ctx context.Context, shares <-chan int, errs chan<- error, times *latencies, do func() error) {
	var took []time.Duration // its memory is kept
	for {
		select {
		case n := <-shares:
			errs <- call(n, &took, times, do)
		case <-ctx.Done():
			return
		}
	}
}

// call does an operation n times, and notes how long each took unless times is nil.
func call(n int, took *[]time.Duration, times *latencies, do func() error) error {
	for range n {
		begin := time.Now()
		if err := do(); err != nil {
			return err
		}
		if times != nil {
			if *took = append(*took, time.Since(begin)); len(*took) == 1<<10 {
				times.add(*took)
				*took = (*took)[:0]
			}
		}
	}
	if times != nil {
		times.add(*took)
		*took = (*took)[:0]
	}
	return nil
}

func TestContestIsFair(t *testing.T) {
	for _, n := range []int{1, 9, 10, 11, 137} {
		var calls strings.Builder
		count := func(name string) side {
			return func(n int) (time.Duration, error) {
				calls.WriteString(name)
				return time.Duration(n), nil
			}
		}
		docent, bare, err := contest{docent: count("d"), bare: count("b")}.hold(n)
		require.NoError(t, err)
		assert.EqualValues(t, n, docent.time)
		assert.EqualValues(t, n, bare.time)
		if n >= turns {
			assert.Equal(t, strings.Repeat("dbbd", turns/2), calls.String(), "they take turns, and turns in going first")
		}
	}
}

func TestSpreadDoesEachOperationOnce(t *testing.T) {
	for _, callers := range []int{1, 3, 16} {
		for _, n := range []int{0, 1, 16, 100} {
			var mu sync.Mutex
			done := 0
			_, err := spread(t.Context(), callers, &latencies{}, func() error {
				mu.Lock()
				defer mu.Unlock()
				done++
				return nil
			})(n)
			require.NoError(t, err)
			assert.Equal(t, n, done)
		}
	}
	_, err := spread(t.Context(), 4, &latencies{}, func() error { return assert.AnError })(100)
	require.ErrorIs(t, err, assert.AnError)
}
