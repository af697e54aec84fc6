package cache_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/zktest"
)

// paths lists what is in a cache.
func paths(tree snapshotter) []string {
	var all []string
	for path := range tree.All() {
		all = append(all, path)
	}
	return all
}

func TestDepth(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b/c/d", "")
		cli := w.Connect("c")
		for depth, want := range [][]string{{"/a"}, {"/a", "/a/b"}, {"/a", "/a/b", "/a/b/c"}} {
			tree := w.open(cli, "/a", cache.Depth(depth))
			assert.Equal(t, want, paths(tree))
		}
		one := w.open(cli, "/a", cache.Depth(1))
		r := w.record(one)
		r.take()
		w.Put("/a/b/c/e", "")
		w.Put("/a/f/g", "")
		time.Sleep(time.Second)
		assert.Equal(t, []string{`Added /a/f ""`}, r.take())
		w.away("c", func() { w.Put("/a/h/i", "") })
		assert.Equal(t, []string{"/a", "/a/b", "/a/f", "/a/h"}, paths(one))
	})
}

// Nodes at the limit that were read together, which sets watches on their children as well: what happens to these is not the cache's.
func TestDepthWhenChildrenChangeBelowTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b/c", "")
		w.Put("/a/f/g", "")
		one := w.open(w.Connect("c"), "/a", cache.Depth(1))
		w.Put("/a/b/d", "")
		w.Put("/a/f/h", "")
		time.Sleep(time.Second)
		assert.Equal(t, []string{"/a", "/a/b", "/a/f"}, paths(one))
	})
}

func TestFilter(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b/c", "")
		w.Put("/a/secret/c", "")
		keep := func(path string) bool { return !strings.Contains(path, "secret") }
		tree := w.open(w.Connect("c"), "/a", cache.Filter(keep))
		r := w.record(tree)
		r.take()
		assert.Equal(t, []string{"/a", "/a/b", "/a/b/c"}, paths(tree))
		before := w.ClientCounts("c")
		w.set("/a/secret/c", "not our business")
		w.Put("/a/secret/d", "")
		w.Put("/a/b/secret", "")
		w.Put("/a/b/d", "")
		time.Sleep(time.Second)
		assert.Equal(t, []string{`Added /a/b/d ""`}, r.take())
		assert.EqualValues(t, 1, w.ClientCounts("c").Sub(before).Requests[zktest.OpGetData])
		assert.Equal(t, []string{"/a", "/a/b", "/a/b/c", "/a/b/d"}, paths(tree))
	})
}

func TestStatsOnly(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b", "long")
		cli := w.Connect("c")
		tree := w.open(cli, "/a", cache.StatsOnly())
		r := w.record(tree)
		node, ok := tree.Get("/a/b")
		require.True(t, ok)
		assert.Empty(t, node.Data)
		assert.EqualValues(t, 4, node.Stat.DataLength)
		w.set("/a/b", "longer")
		w.Put("/a/c", "")
		time.Sleep(time.Second)
		node, _ = tree.Get("/a/b")
		assert.EqualValues(t, 6, node.Stat.DataLength)
		w.expire("c", cli, func() { w.set("/a/b", "longest") })
		node, _ = tree.Get("/a/b")
		assert.EqualValues(t, 7, node.Stat.DataLength)
		assert.Equal(t, []string{
			`Added /a ""`, `Added /a/b ""`, "Synced /a", `Changed /a/b ""`, `Added /a/c ""`, "Stale /a", `Changed /a/b ""`, "Synced /a",
		}, r.take())
		assert.Zero(t, w.ClientCounts("c").Requests[zktest.OpGetData], "no data was transferred")
	})
}

// packed is data as Curator's GzipCompressionProvider writes it.
func packed(data []byte) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data)
	_ = z.Close()
	return b.String()
}

func TestGunzip(t *testing.T) {
	const limit = 1 << 20
	t.Cleanup(cache.UnpackAtMost(limit))
	bomb := packed(make([]byte, limit+1))
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b", packed([]byte("hello")))
		w.Put("/a/empty", "")
		w.Put("/a/plain", "not packed")
		w.Put("/a/short", packed([]byte("hello"))[:20])
		w.Put("/a/bomb", bomb)
		w.Put("/a/most", packed(make([]byte, limit)))
		tree := w.open(w.Connect("c"), "/a", cache.Gunzip())
		node, _ := tree.Get("/a/b")
		assert.Equal(t, "hello", string(node.Data))
		assert.Equal(t, []string{"/a", "/a/b", "/a/empty", "/a/most"}, paths(tree))
		var refused []string
		for path, err := range tree.Refused() {
			refused = append(refused, path)
			require.ErrorIs(t, err, cache.ErrNotGzip)
			require.ErrorContains(t, err, path)
		}
		assert.Equal(t, []string{"/a/bomb", "/a/plain", "/a/short"}, refused)

		before := w.unchecked("c")
		time.Sleep(time.Hour)
		assert.Equal(t, before, w.unchecked("c"), "to read the same again would not help")
		w.set("/a/plain", packed([]byte("now it is")))
		w.set("/a/b", "now it is not")
		time.Sleep(time.Second)
		node, _ = tree.Get("/a/plain")
		assert.Equal(t, "now it is", string(node.Data))
		node, _ = tree.Get("/a/b")
		assert.Equal(t, "hello", string(node.Data), "as it was last")
		assert.Equal(t, 3, tree.Snapshot().RefusedLen())
	})
}

// No more requests are under way than Parallel allows, and no fewer if there are that many, for a node each.
func TestParallel(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.lacking(zktest.AnswerWith(zktest.ErrUnimplemented))
		for i := range 20 {
			w.Put(fmt.Sprintf("/a/%02d", i), "")
		}
		cli := w.Connect("c")
		for _, limit := range []int{1, 3, 7} {
			var mu sync.Mutex
			gets, heal := 0, func() {}
			stop := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
				mu.Lock()
				defer mu.Unlock()
				if f.Stage == zktest.Request && f.Op == zktest.OpGetData && f.Path != "/a" {
					if gets++; gets == 1 {
						heal = w.Blackhole(zktest.ClientConns("c"), zktest.ToClient)
					}
				}
				return zktest.Pass
			})
			tree, err := cache.Open(t.Context(), cli, "/a", w.all(cache.Parallel(limit), cache.NoWait(), cache.Depth(1))...)
			require.NoError(t, err)
			time.Sleep(time.Second)
			mu.Lock()
			assert.Equal(t, limit, gets)
			heal()
			mu.Unlock()
			stop()
			<-tree.Synced()
			w.equal(tree, "/a")
			require.NoError(t, tree.Close())
		}
	})
}

func TestOneShotIsAChoice(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a", "")
		w.open(w.Connect("c"), "/a")
		oneShot := len(w.opts) > 0
		assert.Equal(t, oneShot, w.ClientCounts("c").Requests[zktest.OpAddWatch] == 0)
	})
}

// A server without recursive watches is served with one-shot ones.
func TestServersWithoutRecursiveWatches(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Op == zktest.OpAddWatch {
				return zktest.Cut
			}
			return zktest.Pass
		})
		w.Put("/a/b", "")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		w.Put("/a/c", "")
		time.Sleep(time.Second)
		w.equal(tree, "/a")
		require.NoError(t, tree.Sync(t.Context()))
		w.expire("c", cli, func() { w.Put("/a/d", "") })
		w.equal(tree, "/a")
	})
}
