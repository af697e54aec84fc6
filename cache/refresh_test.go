package cache_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/zktest"
)

// deaf lets no event reach client c, until the result is called.
func (w *world) deaf() (heal func()) {
	return w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Conn.Client == "c" && f.Stage == zktest.Event {
			return zktest.Drop
		}
		return zktest.Pass
	})
}

// upset changes a tree of wood in every way.
func (w *world) upset() {
	w.set("/r/d0/n0", "set")
	w.Put("/r/d0/new/kid", "")
	w.raze("/r/d1")
	w.raze("/r/d2/n3")
	w.Put("/r/d2/n3", "again")
}

// Scenario 44: a cache finds changes that no event told of within 10 session timeouts and the jitter.
func TestEventsThatNeverCome(t *testing.T) {
	for name, opts := range map[string][]cache.TreeOption{"all": nil, "few": {cache.Depth(1)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.wood()
				tree := w.open(w.Connect("c"), "/r", opts...)
				for range 3 {
					w.Put("/r/top", "1")
					require.NoError(t, tree.Sync(t.Context()))
					heal := w.deaf()
					w.upset()
					w.set("/r/top", "2")
					time.Sleep(time.Second)
					heal()
					w.Put("/r/seen", "") // other events come
					time.Sleep(12*timeout + time.Second)
					top, _ := tree.Get("/r/top")
					assert.Equal(t, "2", string(top.Data))
					if name == "all" {
						w.equal(tree, "/r")
					}
					for _, path := range []string{"/r/d0", "/r/d2", "/r/top", "/r/seen"} {
						w.raze(path)
					}
					w.wood()
				}
			})
		})
	}
}

// Refresh finds changes that no event told of, at once.
func TestRefresh(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.wood()
		tree := w.open(w.Connect("c"), "/r")
		r := w.record(tree)
		heal := w.deaf()
		w.upset()
		heal()
		require.NoError(t, tree.Refresh(t.Context()))
		w.equal(tree, "/r")
		r.take()
		r.equal(tree)
	})
}

// Refresh goes on over a blip and over a new session.
func TestRefreshWhileTheConnectionBreaks(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.wood()
		cli := w.Connect("c")
		tree := w.open(cli, "/r", cache.Parallel(1))
		for after := range 20 {
			w.set("/r/d0/n0", fmt.Sprint(after))
			done := make(chan error, 1)
			go func() { done <- tree.Refresh(t.Context()) }()
			time.Sleep(time.Duration(after) * 100 * time.Microsecond)
			if after%2 == 0 {
				w.ExpireSession(cli.State().SessionID)
			}
			w.Cut(zktest.ClientConns("c"))
			require.NoError(t, <-done)
			w.equal(tree, "/r")
			require.NoError(t, tree.WaitFresh(t.Context()))
		}
	})
}

// What Refresh costs: as much as a load, and twice as much for many calls at once.
func TestWhatARefreshCosts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.wood()
		cli := w.Connect("c")
		tree := w.open(cli, "/r")
		once := w.cost("c", func() { require.NoError(t, tree.Refresh(t.Context())) })
		want := map[zktest.Op]int64{zktest.OpSync: 1, zktest.OpGetData: 1, zktest.OpGetChildren2: 1, zktest.OpMultiRead: 4}
		if len(w.opts) > 0 {
			want[zktest.OpSetWatches] = 4 // in the same writes
		}
		assert.Equal(t, want, once.Requests)
		many := w.cost("c", func() {
			var calls sync.WaitGroup
			for range 20 {
				calls.Go(func() { assert.NoError(t, tree.Refresh(t.Context())) })
			}
			calls.Wait()
		})
		assert.LessOrEqual(t, many.RoundTrips()-many.Requests[zktest.OpSetWatches], int64(20+2*6))
		w.equal(tree, "/r")
		require.NoError(t, tree.Close())
		require.ErrorIs(t, tree.Refresh(t.Context()), cache.ErrCacheClosed)
	})
}

// Scenario 44: a cache whose root does not exist finds within the same time that it was created.
func TestRootIsFoundAlthoughItsCreationEventIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		tree := w.open(w.Connect("c"), "/r")
		heal := w.deaf()
		w.Put("/r/a", "1")
		time.Sleep(time.Second)
		heal()
		time.Sleep(12*timeout + time.Second)
		w.equal(tree, "/r")
	})
}
