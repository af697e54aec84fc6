//go:build linux

package chaos

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	length  = flag.Duration("chaos.for", 25*time.Second, "how long there are faults")
	seed    = flag.Uint64("chaos.seed", 1, "what the faults are drawn from; the clock if 0. The order of events depends on the machine as well")
	workers = flag.Int("chaos.workers", 3, "number of client processes")
	pace    = flag.Duration("chaos.pace", 300*time.Millisecond, "mean pause between two rounds of one recipe in one goroutine")
	gap     = flag.Duration("chaos.gap", time.Second, "mean pause between two faults of the servers, and half of that between two of one client")
	out     = flag.String("chaos.out", "", "file for the table")
)

// Three real servers, several client processes, every recipe, and faults of servers, links, processes and clocks.
func TestChaos(t *testing.T) {
	cfg := Config{For: *length, Seed: *seed, Workers: *workers, Pace: *pace, Gap: 2 * *gap, Dir: t.TempDir(), Logf: t.Logf}
	if cfg.Seed == 0 {
		cfg.Seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", cfg.Seed)
	o, err := Perform(t.Context(), t, cfg)
	if o != nil {
		v := Judge(o)
		report := Report(o, v)
		t.Logf("\n%s\nwhy rounds failed:\n%s", report, Reasons(o))
		assert.Empty(t, v.Violations, strings.Join(v.Violations, "\n"))
		if *out != "" {
			require.NoError(t, os.WriteFile(*out, []byte(report), 0o600))
		}
	}
	require.NoError(t, err)
}
