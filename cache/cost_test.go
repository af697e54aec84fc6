package cache_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// cost is what a client has asked for meanwhile, without pings and handshakes.
func (w *world) cost(name string, f func()) zktest.Counts {
	w.t.Helper()
	before := w.ClientCounts(name)
	f()
	c := w.ClientCounts(name).Sub(before)
	delete(c.Requests, zktest.OpPing)
	delete(c.Requests, zktest.OpConnect)
	return c
}

// unchecked counts the requests of a client so far, without those with which caches are checked that have one-shot watches or a few nodes.
func (w *world) unchecked(name string) int64 {
	c := w.ClientCounts(name)
	return c.RoundTrips() - c.Requests[zktest.OpExists] - c.Requests[zktest.OpMultiRead] - c.Requests[zktest.OpSetWatches]
}

// wood raises a tree of 3 directories with 10 nodes each, below /r: 34 nodes, of which 4 have children.
func (w *world) wood() {
	w.t.Helper()
	for d := range 3 {
		for i := range 10 {
			w.Put(fmt.Sprintf("/r/d%d/n%d", d, i), "data")
		}
	}
}

func TestWhatALoadCosts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.wood()
		cli := w.Connect("c")
		want := map[zktest.Op]int64{zktest.OpSync: 1, zktest.OpGetData: 1, zktest.OpGetChildren2: 1, zktest.OpMultiRead: 4, zktest.OpAddWatch: 1}
		if len(w.opts) > 0 {
			delete(want, zktest.OpAddWatch)
			want[zktest.OpSetWatches] = 4 // in the same writes
		}
		goroutines := runtime.NumGoroutine()
		assert.Equal(t, want, w.cost("c", func() { w.open(cli, "/r") }).Requests)
		synctest.Wait()
		assert.Less(t, runtime.NumGoroutine()-goroutines, 16, "none for each of 34 nodes; the process has some of its own")
	})
}

func TestWhatRestCosts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.wood()
		cli := w.Connect("c")
		w.open(cli, "/r")
		rest, checks := w.cost("c", func() { time.Sleep(time.Hour) }).Requests, int64(time.Hour/(8*timeout))
		if len(w.opts) > 0 {
			assert.LessOrEqual(t, rest[zktest.OpMultiRead], 2*checks, "a look at each node")
			assert.LessOrEqual(t, rest[zktest.OpSetWatches], 2*checks, "its watches")
			assert.LessOrEqual(t, rest[zktest.OpExists], checks, "the root")
			delete(rest, zktest.OpMultiRead)
			delete(rest, zktest.OpSetWatches)
			delete(rest, zktest.OpExists)
		} else {
			assert.LessOrEqual(t, rest[zktest.OpSetWatches], checks, "the question what has changed")
			assert.LessOrEqual(t, rest[zktest.OpExists], 2*checks, "a read behind it, and the node that has the watch")
			delete(rest, zktest.OpSetWatches)
			delete(rest, zktest.OpExists)
		}
		assert.Empty(t, rest)
		blip := map[zktest.Op]int64{zktest.OpSync: 1, zktest.OpSetWatches: 1}
		renewal := map[zktest.Op]int64{
			zktest.OpSync: 1, zktest.OpExists: 1, zktest.OpGetChildren2: 1, zktest.OpMultiRead: 2, zktest.OpSetWatches: 2,
		}
		if len(w.opts) == 0 {
			blip = map[zktest.Op]int64{zktest.OpSync: 1, zktest.OpSetWatches2: 1, zktest.OpSetWatches: 1, zktest.OpExists: 1, zktest.OpGetData: 1}
			renewal = map[zktest.Op]int64{zktest.OpSync: 1, zktest.OpAddWatch: 1, zktest.OpSetWatches: 1, zktest.OpExists: 1, zktest.OpGetData: 1}
		}
		got := w.cost("c", func() { w.away("c", func() {}) }).Requests
		if len(w.opts) > 0 {
			delete(got, zktest.OpExists) // checks
		}
		assert.Equal(t, blip, got, "the same session goes on")
		got = w.cost("c", func() { w.expire("c", cli, func() {}) }).Requests
		delete(got, zktest.OpCloseSession)
		assert.Equal(t, renewal, got, "the next session")
	})
}

func TestWhatAChangeCosts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.wood()
		cli := w.Connect("c")
		tree := w.open(cli, "/r")
		settle := func() { time.Sleep(time.Second) }
		oneShot := len(w.opts) > 0
		either := func(recursive, oneshot map[zktest.Op]int64) map[zktest.Op]int64 {
			if oneShot {
				return oneshot
			}
			return recursive
		}
		get, list := zktest.OpGetData, zktest.OpGetChildren2
		assert.Equal(t, map[zktest.Op]int64{get: 1}, w.cost("c", func() {
			w.set("/r/d1/n1", "new")
			settle()
		}).Requests, "set")
		assert.Equal(t, either(map[zktest.Op]int64{get: 1}, map[zktest.Op]int64{get: 1, list: 2}), w.cost("c", func() {
			w.Put("/r/d1/new", "")
			settle()
		}).Requests, "create")
		deleted := w.cost("c", func() {
			w.raze("/r/d1/new")
			settle()
		}).Requests
		if oneShot {
			assert.LessOrEqual(t, deleted[list], int64(3), "there are two events, of the node and of its parent, at different times")
			delete(deleted, list)
		}
		assert.Equal(t, either(map[zktest.Op]int64{get: 1}, map[zktest.Op]int64{}), deleted, "delete")
		w.equal(tree, "/r")
		changed := w.cost("c", func() {
			w.away("c", func() { w.set("/r/d1/n2", "while away") })
		}).Requests
		assert.LessOrEqual(t, changed[get], int64(2), "only what has changed is read again, and one node that tells the servers' history")
		w.equal(tree, "/r")
	})
}

// Children that come one after the other cost less than a read each, and not a list of all their siblings. Each is in the cache soon.
func TestChildrenOneAfterTheOther(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		n := 2000
		if len(w.opts) > 0 {
			n = 200 // each brings a list of all
		}
		w.Put("/r", "")
		cli := w.Connect("c")
		tree := w.open(cli, "/r")
		cost := w.cost("c", func() {
			for i := range n {
				_, err := w.Create(fmt.Sprintf("/r/%05d", i), nil, zktest.Persistent)
				require.NoError(t, err)
				time.Sleep(2 * time.Millisecond)
				if i%200 == 199 {
					time.Sleep(7 * time.Millisecond)
					require.Equal(t, i+2, tree.Len())
				}
			}
			require.NoError(t, tree.Sync(t.Context()))
		})
		assert.Equal(t, n+1, tree.Len())
		assert.LessOrEqual(t, cost.Requests[zktest.OpGetData], int64(n))
		if len(w.opts) == 0 {
			assert.LessOrEqual(t, cost.RoundTrips(), int64(n*2/3), "what comes within a few milliseconds is read together")
		}
		before := w.ClientCounts("c").RoundTrips()
		names, err := w.Server.Children("/r")
		require.NoError(t, err)
		for _, name := range names {
			require.NoError(t, w.Delete("/r/"+name))
		}
		require.NoError(t, tree.Sync(t.Context()))
		assert.Equal(t, 1, tree.Len())
		if len(w.opts) == 0 {
			assert.LessOrEqual(t, w.ClientCounts("c").RoundTrips()-before, int64(n+1), "a read each, at most, and one sync")
		}
	})
}
