package histories

import (
	"flag"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/internal/test/realzk"
)

var (
	oneSeed = flag.Uint64("seed", 0, "play this seed only, with the server's trace (-v shows it)")
	seeds   = flag.Uint64("histories.seeds", 0, "number of seeds that each test plays; its own number if 0")
	allCuts = flag.Bool("histories.allcuts", false, "cut at every frame, and not at a sample of them")
)

// TestMain runs everything on one processor, so that a seed repeats itself as far as it can: see package sim. What runs beside
// each other all the same plays on real servers, and mostly waits.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	goleak.VerifyTestMain(realzk.Main(m))
}

// play is a run on a ground that it makes for itself, in a bubble. It returns the history.
type play func(seed uint64, trace func(string)) (history []porcupine.Operation, tally Tally, err error)

// eachSeed plays seeds from 1 to n, or the one that was asked for, and judges what they did. It stops after a few failures.
func eachSeed(t *testing.T, n uint64, model porcupine.Model, run play) {
	t.Helper()
	first, trace := uint64(1), func(string) {}
	switch {
	case *oneSeed != 0:
		first, n, trace = *oneSeed, *oneSeed, func(line string) { t.Log(line) }
	case *seeds != 0:
		n = *seeds
	case testing.Short():
		n = max(1, n/5)
	}
	var total Tally
	failures := 0
	begin := time.Now()
	for seed := first; seed <= n && failures < 3; seed++ {
		tally, err := playAndJudge(t, seed, model, run, trace)
		total.Add(tally)
		if err != nil {
			failures++
			t.Errorf("seed %d: %v\nplay it again with: go test ./internal/test/histories -run '^%s$' -seed %d -v", seed, err, t.Name(), seed)
		}
	}
	t.Logf("%d seeds, %d operations checked, %d of them open, %d failed and were left out, in %v",
		n-first+1, total.Operations, total.Open, total.Dropped, time.Since(begin).Round(time.Millisecond))
}

func playAndJudge(t *testing.T, seed uint64, model porcupine.Model, run play, trace func(string)) (tally Tally, err error) {
	var history []porcupine.Operation
	synctest.Test(t, func(*testing.T) { history, tally, err = run(seed, trace) })
	if err != nil {
		return tally, err
	}
	return tally, Judge(model, history, fmt.Sprint(t.Name(), "-", seed))
}

// findsIn reports the first of some seeds whose history is illegal, 0 if there is none.
func findsIn(t *testing.T, n uint64, model porcupine.Model, run play) uint64 {
	t.Helper()
	for seed := uint64(1); seed <= n; seed++ {
		var history []porcupine.Operation
		synctest.Test(t, func(*testing.T) { history, _, _ = run(seed, nil) })
		if !Legal(model, history) {
			return seed
		}
	}
	return 0
}
