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
}

// turns is how often the two sides take turns.
const turns = 10

// warmUpTime is enough for a server: its figures do not change from then on.
const warmUpTime = time.Second

// score is what one side has used so far.
type score struct {
	side   side
	time   time.Duration
	allocs uint64
}

// take lets the side do n operations.
func (s *score) take(n int) error {
	if s.side == nil || n == 0 {
		return nil
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	took, err := s.side(n)
	runtime.ReadMemStats(&after)
	s.time += took
	s.allocs += after.Mallocs - before.Mallocs
	return err
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
	b.ReportMetric(perOp(float64(docent.time)), "ns/op")
	b.ReportMetric(perOp(float64(docent.allocs)), "docent-allocs/op")
	if c.bare == nil {
		return
	}
	b.ReportMetric(perOp(float64(bare.time)), "bare-ns/op")
	b.ReportMetric(perOp(float64(bare.allocs)), "bare-allocs/op")
	b.ReportMetric(float64(docent.time)/float64(bare.time), "ratio")
}

// repeat is a side that does the same operation again and again, by one caller.
func repeat(do func() error) side { return spread(1, do) }

// spread is a side whose operations are shared among callers that run at once.
func spread(callers int, do func() error) side {
	return func(n int) (time.Duration, error) {
		var wg sync.WaitGroup
		errs := make(chan error, callers)
		begin := time.Now()
		for caller := range callers {
			share := n*(caller+1)/callers - n*caller/callers
			wg.Go(func() {
				for range share {
					if err := do(); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		took := time.Since(begin)
		close(errs)
		return took, <-errs
	}
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
		docent, bare, err := contest{count("d"), count("b")}.hold(n)
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
			_, err := spread(callers, func() error {
				mu.Lock()
				defer mu.Unlock()
				done++
				return nil
			})(n)
			require.NoError(t, err)
			assert.Equal(t, n, done)
		}
	}
	_, err := spread(4, func() error { return assert.AnError })(100)
	require.ErrorIs(t, err, assert.AnError)
}
