package cache_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// Scenario 35: unreachable for an hour.
func TestAwayForTenMinutes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b", "1")
		w.Put("/a/gone", "")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		r := w.record(tree)
		r.take()
		_, err := tree.Fresh()
		require.NoError(t, err)
		heal := w.Disconnect("c")
		for cli.State().State != framework.Suspended {
			time.Sleep(time.Microsecond)
		}
		away := cli.State().Time
		assert.Equal(t, away, tree.StaleSince(), "at once")
		w.set("/a/b", "2")
		require.NoError(t, w.Delete("/a/gone"))
		time.Sleep(10 * time.Minute)

		assert.Equal(t, away, tree.StaleSince(), "since when, and not since LOST")
		assert.Equal(t, []string{"Stale /a"}, r.take())
		node, ok := tree.Get("/a/b")
		require.True(t, ok, "still served")
		assert.Equal(t, "1", string(node.Data))
		assert.Equal(t, 3, tree.Len())
		_, err = tree.Fresh()
		require.ErrorIs(t, err, cache.ErrStale)
		require.ErrorContains(t, err, "/a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = tree.WaitFresh(ctx)
		require.ErrorIs(t, err, cache.ErrStale)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Error(t, tree.Sync(ctx))

		heal()
		require.NoError(t, tree.WaitFresh(t.Context()))
		w.equal(tree, "/a")
		assert.Zero(t, tree.StaleSince())
		assert.Zero(t, tree.Snapshot().StaleSince())
		assert.Equal(t, []string{"Removed /a/gone", `Changed /a/b "2"`, "Synced /a"}, r.take())
	})
}

// While the changes of an outage are still being read, the cache is stale.
func TestFreshMeansEverythingIsIn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for _, path := range []string{"/a/b", "/a/c", "/a/d/e"} {
			w.Put(path, "1")
		}
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		for range 2 {
			for _, lost := range []bool{false, true} {
				heal := w.Disconnect("c")
				time.Sleep(time.Second)
				w.set("/a/d/e", "2")
				w.Put("/a/new", "")
				if lost {
					w.ExpireSession(cli.State().SessionID)
				}
				heal()
				slow := w.Delay(zktest.ClientConns("c"), 100*time.Millisecond)
				for !tree.StaleSince().IsZero() {
					time.Sleep(10 * time.Millisecond)
				}
				w.equal(tree, "/a")
				slow()
				w.raze("/a/new")
				w.set("/a/d/e", "1")
				require.NoError(t, tree.Sync(t.Context()))
				w.equal(tree, "/a")
			}
		}
	})
}

// What was committed before a Sync is in the cache when it returns.
func TestSync(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a", "")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		slow := w.Delay(zktest.ClientConns("c"), 50*time.Millisecond)
		defer slow()
		for i := range 30 {
			path := "/a/" + string(rune('a'+i%7))
			switch {
			case w.Exists(path) && i%3 == 0:
				w.raze(path)
			case w.Exists(path):
				w.set(path, time.Duration(i).String())
			default:
				w.Put(path+"/x/y", "")
			}
			if i%10 == 9 {
				w.Cut(zktest.ClientConns("c"))
			}
			require.NoError(t, tree.Sync(t.Context()))
			w.equal(tree, "/a")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, tree.Sync(ctx), context.Canceled)
	})
}

// A tree in which something changes all the time can be synced, and becomes fresh.
func TestNoRestIsNeeded(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/busy", "")
		cli := w.Connect("c")
		stop := make(chan struct{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(12 * time.Millisecond):
				}
				_ = w.Set("/a/busy", []byte{byte(i)})
				if _, err := w.Create("/a/flicker", nil, zktest.Persistent); err != nil {
					_ = w.Delete("/a/flicker")
				}
			}
		}()
		tree := w.open(cli, "/a")
		require.NoError(t, tree.Sync(t.Context()))
		w.away("c", func() {})
		require.NoError(t, tree.WaitFresh(t.Context()))
		w.expire("c", cli, func() {})
		require.NoError(t, tree.WaitFresh(t.Context()))
		close(stop)
		<-ended
		require.NoError(t, tree.Sync(t.Context()))
		w.equal(tree, "/a")
	})
}

// A Sync that begins in one session and ends in the next still keeps its word.
func TestSyncOverSessions(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b", "1")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		for after := range 20 {
			w.set("/a/b", time.Duration(after).String())
			done := make(chan error, 1)
			go func() { done <- tree.Sync(t.Context()) }()
			time.Sleep(time.Duration(after) * 100 * time.Microsecond)
			w.ExpireSession(cli.State().SessionID)
			require.NoError(t, <-done)
			w.equal(tree, "/a")
			require.NoError(t, tree.WaitFresh(t.Context()))
			synctest.Wait()
		}
	})
}
