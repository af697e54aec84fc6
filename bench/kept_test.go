package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/node"
)

// BenchmarkKeptNodes ends the session of a client that keeps a thousand nodes, and waits until all of them are back.
func BenchmarkKeptNodes(b *testing.B) { onEach(b, restoreNodes) }

func restoreNodes(b *testing.B, p place) {
	cli := p.docent(b)
	keepers := make([]*node.Keeper, 1000)
	for i := range keepers {
		var err error
		keepers[i], err = node.Keep(within(b), cli, fmt.Sprintf("/kept/%d", i), []byte("payload"))
		require.NoError(b, err)
	}
	var used, back time.Duration
	b.ReportAllocs()
	for b.Loop() {
		await(b, func() bool { return armed(b, p) >= len(keepers) })
		session := cli.State().SessionID
		began, before := time.Now(), processTime()
		require.NoError(b, p.expire(b.Context(), session))
		await(b, func() bool {
			return !slices.ContainsFunc(keepers, func(k *node.Keeper) bool {
				s := k.Standing()
				return !s.Stands || s.Session == session
			})
		})
		back += time.Since(began)
		used += processTime() - before
	}
	b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(back.Milliseconds())/float64(b.N), "back-ms/op")
}
