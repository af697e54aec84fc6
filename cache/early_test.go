package cache_test

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// during calls f once, when the first request of that kind for path from client c has arrived.
func (w *world) during(op zktest.Op, path string, f func()) {
	called := false
	w.OnFrame(func(frame zktest.Frame) zktest.Verdict {
		if !called && frame.Conn.Client == "c" && frame.Stage == zktest.Request && frame.Op == op && frame.Path == path {
			called = true
			f()
		}
		return zktest.Pass
	})
}

// gate makes a cache wait in its Filter.
type gate struct{ closed atomic.Pointer[chan struct{}] }

// filter is an option that keeps everything but nodes called skip.
func (g *gate) filter() cache.NodesOption {
	return cache.Filter(func(path string) bool {
		if c := g.closed.Load(); c != nil {
			<-*c
		}
		return !strings.Contains(path, "/skip")
	})
}

// shut makes the Filter wait until open is called.
func (g *gate) shut() (open func()) {
	c := make(chan struct{})
	g.closed.Store(&c)
	return func() {
		g.closed.Store(nil)
		close(c)
	}
}

// Scenario 57: something above changes while the cache looks at everything after an outage. What changed below during the outage
// is in the cache before it says that it is fresh.
func TestFreshIncludesChildrenOfAChangedNode(t *testing.T) {
	for name, absence := range map[string]func(w *world, cli *framework.Client){
		"blip":        func(*world, *framework.Client) {},
		"new session": func(w *world, cli *framework.Client) { w.ExpireSession(cli.State().SessionID) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, op := range []zktest.Op{zktest.OpExists, zktest.OpGetData, zktest.OpGetChildren2} {
				bubble(t, func(t *testing.T, w *world) { changesAbove(t, w, op, absence) })
			}
		})
	}
}

// changesAbove is one run, in a bubble.
func changesAbove(t *testing.T, w *world, op zktest.Op, absence func(*world, *framework.Client)) {
	w.Put("/r/a/b", "old")
	w.Put("/r/again", "old")
	cli := w.Connect("c")
	tree := w.open(cli, "/r")
	heal := w.Disconnect("c")
	time.Sleep(time.Second)
	w.set("/r/a/b", "new")
	w.raze("/r/again")
	w.Put("/r/again/kid", "new")
	absence(w, cli)
	time.Sleep(time.Second)
	for _, path := range []string{"/r/a", "/r/again"} {
		w.during(op, "/r", func() { assert.NoError(t, w.Set(path, []byte("changed"))) })
	}
	heal()
	snapshot := fresh(t, tree)
	node, _ := snapshot.Get("/r/a/b")
	assert.Equal(t, "new", string(node.Data), "it was set before the connection began")
	_, there := snapshot.Get("/r/again/kid")
	assert.True(t, there, "it was created before the connection began")
	require.NoError(t, tree.Sync(t.Context()))
	w.equal(tree, "/r")
}

// Scenario 57: a Sync whose server part was on a connection that broke again waits for the next one.
func TestSyncAfterADisconnectionThatTheCacheHasNotNoticed(t *testing.T) {
	for range 10 { // which of the two it notices first is up to the scheduler
		bubble(t, func(t *testing.T, w *world) {
			var g gate
			w.Put("/r/a", "0")
			cli := w.Connect("c")
			tree := w.open(cli, "/r", g.filter())
			open := g.shut()
			w.Put("/r/skip", "")
			time.Sleep(time.Second)
			heal := w.Disconnect("c")
			time.Sleep(time.Second)
			w.set("/r/a", "2")
			heal()
			deaf := w.OnFrame(func(f zktest.Frame) zktest.Verdict { // that connection does not get as far as the watches
				if f.Conn.Client == "c" && f.Op == zktest.OpSetWatches {
					return zktest.Drop
				}
				return zktest.Pass
			})
			require.NoError(t, cli.WaitConnected(t.Context()))
			time.Sleep(3 * time.Second)
			done := make(chan error, 1)
			go func() { done <- tree.Sync(context.Background()) }()
			time.Sleep(time.Second)
			heal = w.Disconnect("c")
			deaf()
			time.Sleep(time.Second)
			open()
			go func() {
				time.Sleep(500 * time.Millisecond)
				heal()
			}()
			require.NoError(t, <-done)
			node, _ := tree.Get("/r/a")
			assert.Equal(t, "2", string(node.Data), "it was set before the Sync")
		})
	}
}

// Scenario 57: more events than are kept come while the cache is busy.
func TestSyncWhenEventsWereLost(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		var g gate
		long := "/r/a" + strings.Repeat("x", 4000)
		w.Put(long, "0")
		cli := w.Connect("c")
		tree := w.open(cli, "/r", g.filter())
		for i := range 2 {
			open := g.shut()
			w.Put(fmt.Sprintf("/r/skip%d", i), "")
			time.Sleep(time.Second)
			last := fmt.Sprintf("last %d", i)
			for range 3000 {
				require.NoError(t, w.Set(long, []byte(last)))
			}
			time.Sleep(time.Second)
			done := make(chan error, 1)
			go func() { done <- tree.Sync(context.Background()) }()
			time.Sleep(time.Second)
			open()
			require.NoError(t, <-done)
			node, _ := tree.Get(long)
			require.Equal(t, last, string(node.Data), "it was set before the Sync")
		}
	})
}

// Scenario 57: a burst arrives at once, and each of its events counts.
func TestABurst(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var g gate
		for i := range 100 {
			w.Put(fmt.Sprintf("/r/n%d", i), "")
		}
		w.Put("/r/busy", "")
		cli := w.Connect("c")
		tree := w.open(cli, "/r", g.filter())
		for _, n := range []int{1, 2, 3, 7, 8, 9, 10, 16, 17, 64, 65, 100} {
			open := g.shut()
			w.set("/r/busy", "") // the cache waits in its Filter over this one
			time.Sleep(time.Second)
			for i := range n {
				w.set(fmt.Sprintf("/r/n%d", i), fmt.Sprint(n))
			}
			time.Sleep(time.Second)
			open()
			require.NoError(t, tree.Sync(t.Context()))
			for i := range n {
				node, _ := tree.Get(fmt.Sprintf("/r/n%d", i))
				require.Equal(t, fmt.Sprint(n), string(node.Data), "node %d of %d that were set", i, n)
			}
		}
	})
}

// A cache reads what it has listed, even if the connection or the session ends in between.
func TestAListIsReadToItsEndLater(t *testing.T) {
	for name, absence := range map[string]func(w *world, cli *framework.Client){
		"blip":        func(*world, *framework.Client) {},
		"new session": func(w *world, cli *framework.Client) { w.ExpireSession(cli.State().SessionID) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				for i := range 30 {
					w.Put(fmt.Sprintf("/r/%d/kid", i), "1")
				}
				cli := w.Connect("c")
				broken := false
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Conn.Client != "c" || f.Op != zktest.OpGetData && f.Op != zktest.OpMultiRead || !strings.HasSuffix(f.Path, "/kid") || broken {
						return zktest.Pass
					}
					broken = true
					absence(w, cli)
					return zktest.Cut
				})
				tree := w.open(cli, "/r", cache.Parallel(1))
				require.True(t, broken)
				w.equal(tree, "/r")
			})
		})
	}
}

var blips = flag.Int("cache.blips", 4, "how often the connection breaks in the test of what fresh means on a real server")

// Scenario 57 on a real server: each time a cache says that it is fresh, what was written while it was away is in it.
func TestFreshAfterDisconnectionsOnARealServer(t *testing.T) {
	t.Parallel()
	server := realzk.Standalone(t, realzk.Options{})
	proxy := realzk.NewProxy(t, server.Addr())
	cli, other := dial(t, proxy.Addr(), 10*time.Second), dial(t, server.Addr(), 10*time.Second)
	for _, path := range []string{"/r/a/b/c", "/r/d/e/f"} {
		_, err := other.Create(t.Context(), path, []byte("0"), framework.Persistent, framework.Parents)
		require.NoError(t, err)
	}
	trees, early := make(map[string]*cache.Tree), make(map[string]int)
	for way, opts := range ways {
		trees[way] = mirror(t, cli, "/r", opts...)
	}
	for i := range *blips {
		want := fmt.Sprint(i)
		for way := range blip(t, proxy, other, trees, want) {
			early[way]++
		}
	}
	assert.Empty(t, early, "of %d blips", *blips)
}

// blip has the connection break, and data written behind its end. It returns the caches that then say that they are fresh without
// that data.
func blip(t *testing.T, proxy *realzk.Proxy, other *framework.Client, trees map[string]*cache.Tree, want string) map[string]bool {
	t.Helper()
	proxy.Refuse()
	proxy.Cut()
	for _, tree := range trees {
		require.Eventually(t, func() bool { return !tree.StaleSince().IsZero() }, time.Minute, 100*time.Microsecond)
	}
	set(t, other, want, "/r/a/b/c", "/r/d/e/f")
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() { // goes on above
		for ctx.Err() == nil {
			set(t, other, want, "/r/a", "/r/d", "/r/a/b")
		}
	})
	defer writer.Wait()
	defer stop()
	require.NoError(t, proxy.Heal())
	early := make(map[string]bool)
	for way, tree := range trees {
		snapshot := fresh(t, tree)
		for _, path := range []string{"/r/a/b/c", "/r/d/e/f"} {
			if node, _ := snapshot.Get(path); string(node.Data) != want {
				early[way] = true
			}
		}
	}
	return early
}

// set writes data to nodes.
func set(t *testing.T, cli *framework.Client, data string, paths ...string) {
	t.Helper()
	for _, path := range paths {
		_, err := cli.Set(t.Context(), path, []byte(data), framework.AnyVersion)
		assert.NoError(t, err)
	}
}

// fresh waits for a fresh snapshot.
func fresh(t *testing.T, tree *cache.Tree) cache.Snapshot {
	t.Helper()
	for {
		require.NoError(t, tree.WaitFresh(t.Context()))
		if snapshot, err := tree.Fresh(); err == nil {
			return snapshot
		}
	}
}
