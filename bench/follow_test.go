package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// BenchmarkCacheFollow sets nodes that a cache watches, in transactions of 100, and waits until the cache has all of it. Beside it, the
// same sets while nobody watches.
func BenchmarkCacheFollow(b *testing.B) {
	const updates = 5000
	onCaches(b, []int{10_000}, func(b *testing.B, p place, nodes int, opts []cache.TreeOption) {
		writer, m := p.docent(b), newMeter(b, p)
		var paths []string
		census := m.open(b, opts)
		for path, node := range census.All() {
			if node.Stat.NumChildren == 0 {
				paths = append(paths, path)
			}
		}
		require.NoError(b, census.Close())
		round := 0
		var took, bare time.Duration
		var cost traffic
		for range b.N {
			bare += timeOf(b, func() { setEach(b, writer, paths[:updates], &round) })
			tree := m.open(b, opts)
			cost = m.during(func() {
				took += timeOf(b, func() {
					setEach(b, writer, paths[:updates], &round)
					require.NoError(b, tree.Sync(within(b)))
				})
			})
			for _, path := range paths[:updates] {
				node, _ := tree.Get(path)
				require.Equal(b, data(round), string(node.Data), path)
			}
			require.NoError(b, tree.Close())
		}
		cost.report(b, updates)
		b.ReportMetric(float64(took)/float64(b.N), "ns/op")
		b.ReportMetric(float64(bare)/float64(b.N), "bare-ns/op")
		b.ReportMetric(float64(took)/float64(bare), "ratio")
	})
}

// data is what the nodes have after so many rounds.
func data(round int) string { return fmt.Sprintf("%-100d", round) }

// setEach gives new data to each of the nodes, in transactions of 100.
func setEach(tb testing.TB, cli *framework.Client, paths []string, round *int) {
	tb.Helper()
	*round++
	for some := range slices.Chunk(paths, 100) {
		var ops []framework.Op
		for _, path := range some {
			ops = append(ops, framework.SetOp(path, []byte(data(*round)), framework.AnyVersion))
		}
		_, err := cli.Multi(within(tb), ops)
		require.NoError(tb, err)
	}
}
