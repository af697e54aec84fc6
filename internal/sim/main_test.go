package sim

import (
	"flag"
	"runtime"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

var (
	oneSeed = flag.Uint64("seed", 0, "play this seed only, with the server's trace (-v shows it)")
	allCuts = flag.Bool("sim.allcuts", false, "cut in every way at every frame, and not in every fifth")
	seeds   = flag.Uint64("sim.seeds", 0, "number of seeds that each test plays; its own number if 0")
)

// TestMain runs everything on one processor: goroutines that are ready at the same instant then run in an order that
// repeats itself.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	goleak.VerifyTestMain(m)
}

// eachSeed plays seeds from 1 to n, each in a bubble of its own, or the one that was asked for. It stops after a few
// failures.
func eachSeed(t *testing.T, n uint64, play func(seed uint64, trace func(string)) error) {
	t.Helper()
	if *oneSeed != 0 {
		bubble(t, func(t *testing.T) {
			if err := play(*oneSeed, func(line string) { t.Log(line) }); err != nil {
				t.Errorf("seed %d: %v", *oneSeed, err)
			}
		})
		return
	}
	if *seeds != 0 {
		n = *seeds
	}
	if testing.Short() {
		n /= 10
	}
	failures := 0
	for seed := uint64(1); seed <= n && failures < 5; seed++ {
		bubble(t, func(t *testing.T) {
			if err := play(seed, nil); err != nil {
				failures++
				t.Errorf("%v\nplay it again with: go test ./internal/sim -run '^%s$' -seed %d -v", err, t.Name(), seed)
			}
		})
	}
}

// bubble runs f on fake time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
