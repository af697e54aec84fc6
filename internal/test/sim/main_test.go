package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

var (
	oneSeed = flag.Uint64("seed", 0, "play this seed only, with the server's trace (-v shows it)")
	allCuts = flag.Bool("sim.allcuts", false, "cut in every way at every frame, and not in every ninth")
	seeds   = flag.Uint64("sim.seeds", 0, "number of seeds that each test plays; its own number if 0")
	from    = flag.Uint64("sim.from", 1, "first seed")
	shards  = flag.Uint64("sim.shards", 0, "number of processes that TestSim plays in; it is skipped if 0")
	shard   = flag.Int("sim.shard", -1, "set in the processes of TestSim: from -sim.from they play every n-th seed")
	outFile = flag.String("sim.out", "", "file for what a process of TestSim has played")
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
	first, step := *from, uint64(1)
	if *shard >= 0 {
		step = *shards
	}
	failures := 0
	for seed := first; seed < *from+n && failures < 5; seed += step {
		note(seed)
		var err error
		bubble(t, func(*testing.T) { err = play(seed, nil) })
		if err != nil { // said outside, because a bubble that fails ends the test
			failures++
			t.Errorf("%v\nplay it again with: go test ./internal/test/sim -run '^%s$' -seed %d -v", err, t.Name(), seed)
		}
	}
}

// note writes down which seed is being played, for when the process does not outlive it.
func note(seed uint64) {
	if *outFile != "" {
		_ = os.WriteFile(*outFile+".seed", fmt.Append(nil, seed), 0o600)
	}
}

// bubble runs f on fake time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
