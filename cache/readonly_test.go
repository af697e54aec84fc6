package cache_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// readers is an ensemble whose members serve reads when they have no leader: 0 and 1 follow, 2 leads. There are 40 nodes below /r.
type readers struct {
	*world
	*zktest.Cluster
}

// withoutQuorum runs f in a bubble, once for each way to watch.
func withoutQuorum(t *testing.T, f func(t *testing.T, w *readers)) {
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nodes := make(map[string]string)
				for i := range 40 {
					nodes[fmt.Sprintf("/r/%d/%d", i/10, i)] = "old"
				}
				c, err := zktest.StartMemoryCluster(3, zktest.Config{ReadOnlyMode: true, Nodes: nodes})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, c.Close()) })
				f(t, &readers{&world{docenttest.Wrap(t, c.Server), t, ways[way]}, c})
			})
		})
	}
}

// reader starts a client that accepts read-only servers.
func (w *readers) reader() *framework.Client {
	return w.Connect("c", func(cfg *framework.Config) { cfg.ReadOnly = true })
}

func TestCacheServesOnWhileReadOnlyAndCatchesUp(t *testing.T) {
	withoutQuorum(t, func(t *testing.T, w *readers) {
		cli := w.reader()
		tree := w.open(cli, "/r")
		r := w.record(tree)
		r.take()
		w.Cluster.Stop(1, 2)
		w.WaitState(cli, framework.ReadOnly)
		time.Sleep(5 * time.Minute)
		node, ok := tree.Get("/r/0/7")
		require.True(t, ok)
		assert.Equal(t, "old", string(node.Data))
		assert.Equal(t, 45, tree.Len())
		assert.False(t, tree.StaleSince().IsZero())
		assert.ErrorIs(t, tree.Sync(t.Context()), framework.ErrNotReadOnly)
		assert.True(t, cli.Health().Ready(), "%v", cli.Health())

		require.NoError(t, w.Cluster.StartEndpoint(1, 2))
		w.WaitState(cli, framework.Connected)
		writer := w.Connect("w")
		_, err := writer.Set(t.Context(), "/r/0/7", []byte("new"), framework.AnyVersion)
		require.NoError(t, err)
		require.NoError(t, tree.Sync(t.Context()))
		w.equal(tree, "/r")
		time.Sleep(time.Second)
		assert.Equal(t, []string{"Stale /r", `Changed /r/0/7 "new"`, "Synced /r"}, r.take())
		assert.Empty(t, cli.Health().Reasons)
	})
}

// A process that starts without a quorum gets what the read-only server has, and nothing is told twice when that turns out to be right.
func TestCacheThatIsOpenedWhileReadOnly(t *testing.T) {
	withoutQuorum(t, func(t *testing.T, w *readers) {
		w.Cluster.Stop(1, 2)
		time.Sleep(3 * time.Second)
		cli := w.reader()
		require.Equal(t, framework.ReadOnly, cli.State().State)
		tree := w.open(cli, "/r")
		r := w.record(tree)
		assert.Len(t, r.take(), 45)
		assert.Equal(t, 45, tree.Len())
		assert.False(t, tree.StaleSince().IsZero())
		before := w.Cluster.Counts().Requests
		time.Sleep(10 * time.Minute)
		spent := w.Cluster.Counts().Requests
		for op, n := range spent {
			if op != zktest.OpPing && op != zktest.OpConnect {
				assert.Less(t, n-before[op], int64(10*45*3), "%v", op)
			}
		}

		require.NoError(t, w.Cluster.StartEndpoint(1, 2))
		w.WaitState(cli, framework.Connected)
		require.NoError(t, tree.Sync(t.Context()))
		time.Sleep(time.Second)
		assert.Equal(t, []string{"Synced /r"}, r.take(), "it was right")
		assert.True(t, tree.StaleSince().IsZero())
		w.equal(tree, "/r")
	})
}

// What a read-only server has shown and no other one knows is not there any more with the first full server.
func TestCacheForgetsWhatOnlyAReadOnlyServerHas(t *testing.T) {
	withoutQuorum(t, func(t *testing.T, w *readers) {
		w.Cluster.Stop(1, 2)
		time.Sleep(3 * time.Second)
		cli := w.reader()
		w.Cluster.Stray(0, "/r/0/7", []byte("never committed"))
		w.Cluster.Stray(0, "/r/0/stray", []byte("never committed"))
		tree := w.open(cli, "/r")
		node, _ := tree.Get("/r/0/7")
		require.Equal(t, "never committed", string(node.Data))
		_, there := tree.Get("/r/0/stray")
		require.True(t, there)
		require.NoError(t, w.Cluster.StartEndpoint(1, 2))
		w.WaitState(cli, framework.Connected)
		require.NoError(t, tree.Sync(t.Context()))
		w.equal(tree, "/r")
		node, _ = tree.Get("/r/0/7")
		assert.Equal(t, "old", string(node.Data))
		_, there = tree.Get("/r/0/stray")
		assert.False(t, there)
	})
}
