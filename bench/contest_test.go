package bench

import (
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
	goroutines    int // most at once, callers not counted
}

// take lets the side do n operations.
func (s *score) take(n, callers int) error {
	if s.side == nil || n == 0 {
		return nil
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	crowd := count(callers)
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
// before there were at most, apart from the callers.
func count(callers int) (most func() int) {
	quit, result := make(chan struct{}), make(chan int)
	before := runtime.NumGoroutine() + 1
	go func() {
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for most := 0; ; {
			select {
			case <-look.C:
				most = max(most, runtime.NumGoroutine()-before-callers)
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
			if err := s.take(share, c.callers); err != nil {
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
func repeat(do func() error) side { return spread(1, nil, do) }

// among makes a contest of callers that call at once.
func among(callers int, docent, bare func() error) contest {
	times := [2]*latencies{{}, {}}
	return contest{
		docent: spread(callers, times[0], docent), bare: spread(callers, times[1], bare),
		callers: callers, times: times,
	}
}

// spread is a side whose operations are shared among callers that run at once. It notes how long each took unless times
// is nil.
func spread(callers int, times *latencies, do func() error) side {
	took := make([][]time.Duration, callers)
	return func(n int) (time.Duration, error) {
		var wg sync.WaitGroup
		errs := make(chan error, callers)
		begin := time.Now()
		for caller := range callers {
			share := n*(caller+1)/callers - n*caller/callers
			wg.Go(func() { errs <- call(share, &took[caller], times, do) })
		}
		wg.Wait()
		whole := time.Since(begin)
		close(errs)
		for err := range errs {
			if err != nil {
				return whole, err
			}
		}
		return whole, nil
	}
}

// call is one caller. It keeps the memory for the times that it takes.
func call(n int, took *[]time.Duration, times *latencies, do func() error) error {
	*took = (*took)[:0]
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
			_, err := spread(callers, nil, func() error {
				mu.Lock()
				defer mu.Unlock()
				done++
				return nil
			})(n)
			require.NoError(t, err)
			assert.Equal(t, n, done)
		}
	}
	_, err := spread(4, nil, func() error { return assert.AnError })(100)
	require.ErrorIs(t, err, assert.AnError)
}
