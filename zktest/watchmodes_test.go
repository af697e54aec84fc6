package zktest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// With LastWins all kinds of watch are what they are on a real 3.8, those on one path included.
func TestLastWatchWins(t *testing.T) {
	for name, steps := range map[string]func(*script){
		"watch-once": scriptWatchOnce, "watch-standing": scriptWatchStanding, "watch-mixed": scriptWatchMixed,
		"watch-order": scriptWatchOrder, "set-watches": scriptSetWatches,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := conformanceConfig
				cfg.Watches = zktest.LastWins
				s, err := zktest.StartMemory(cfg)
				require.NoError(t, err)
				defer s.Close()
				lines := run(t, memoryTarget(s), steps)
				want, err := os.ReadFile(filepath.Join("testdata", "conformance", name+".txt"))
				require.NoError(t, err)
				sameLines(t, string(want), lines)
			})
		})
	}
}

// A server that knows one-shot watches only refuses the others as what it does not know at all, and hangs up.
func TestOneShotWatchesOnly(t *testing.T) {
	for _, op := range []zktest.Op{zktest.OpAddWatch, zktest.OpSetWatches2} {
		synctest.Test(t, func(t *testing.T) {
			cfg := conformanceConfig
			cfg.Watches = zktest.OneShotOnly
			s, err := zktest.StartMemory(cfg)
			require.NoError(t, err)
			defer s.Close()
			ask := func(unknown zktest.Op) string {
				return run(t, memoryTarget(s), func(sc *script) {
					a := sc.client("a")
					a.get("/", true)
					a.call(unknown, "it", joined{}, nil)
				})
			}
			want := ask(99)
			require.Contains(t, want, "op(99) it: zxid=-1 err=-6")
			sameLines(t, strings.ReplaceAll(want, "op(99)", op.String()), ask(op))
		})
	}
}
