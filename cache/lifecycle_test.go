package cache_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// all is the options of the world and more, for Open.
func (w *world) all(opts ...cache.TreeOption) []cache.TreeOption {
	for _, o := range w.opts {
		opts = append(opts, o)
	}
	return opts
}

func TestARootThatComesAndGoes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		tree := w.open(w.Connect("c"), "/a/b")
		r := w.record(tree)
		assert.Zero(t, tree.Len())
		assert.Equal(t, []string{"Synced /a/b"}, r.take(), "that there is nothing is known")
		for range 3 {
			w.Put("/a/b", "root")
			w.Put("/a/b/c", "child")
			time.Sleep(time.Second)
			assert.Equal(t, []string{`Added /a/b "root"`, `Added /a/b/c "child"`}, r.take())
			w.equal(tree, "/a/b")
			w.raze("/a")
			time.Sleep(time.Second)
			assert.Equal(t, []string{"Removed /a/b/c", "Removed /a/b"}, r.take())
			assert.Zero(t, tree.Len())
			w.Put("/a/b", "again")
			w.set("/a/b", "and changed")
			time.Sleep(time.Second)
			w.equal(tree, "/a/b")
			w.raze("/a")
			time.Sleep(time.Second)
			r.take()
		}
	})
}

// Servers whose data was replaced by older data, as from a backup, number their transactions anew.
func TestServersThatHaveLostTheirData(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for i := range 30 {
			w.Put(fmt.Sprintf("/a/b%d", i), "former")
		}
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		require.NoError(t, w.Restart(zktest.WipeState))
		w.Put("/a/b1", "restored")
		time.Sleep(2 * timeout)
		require.NoError(t, tree.WaitFresh(t.Context()))
		w.equal(tree, "/a")
		w.set("/a/b1", "goes on")
		time.Sleep(time.Second)
		w.equal(tree, "/a")
	})
}

func TestNamespaces(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/ns/a/b", "1")
		w.Put("/other", "2")
		inside, err := w.Connect("c").Namespace("ns")
		require.NoError(t, err)
		for _, root := range []string{"/", "/a", "a"} {
			tree := w.open(inside, root)
			node, ok := tree.Get("/a/b")
			require.True(t, ok, root)
			assert.Equal(t, "/a/b", node.Path)
			_, ok = tree.Get("/ns/a/b")
			assert.False(t, ok)
			_, ok = tree.Get("")
			assert.False(t, ok)
			_, ok = tree.Get("/aa")
			assert.False(t, ok)
			r := w.record(tree)
			r.take()
			w.set("/ns/a/b", "3")
			time.Sleep(time.Second)
			assert.Equal(t, []string{`Changed /a/b "3"`}, r.take(), root)
		}
		whole := w.open(w.Connect("d"), "/")
		_, ok := whole.Get("/ns/a/b")
		assert.True(t, ok)
	})
}

func TestOpenWaitsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("c")
		w.Put("/a/b", "")
		heal := w.Disconnect("c")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		tree, err := cache.Open(ctx, cli, "/a", w.all()...)
		assert.Nil(t, tree)
		require.ErrorIs(t, err, framework.ErrNotConnected)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "tree cache /a")
		assert.Equal(t, time.Minute, time.Since(begin))
		assert.Empty(t, cli.Recipes(), "nothing goes on behind it")

		waiting, err := cache.Open(t.Context(), cli, "/a", w.all(cache.NoWait())...)
		require.NoError(t, err)
		defer waiting.Close()
		assert.Zero(t, waiting.Len())
		assert.False(t, waiting.StaleSince().IsZero())
		_, err = waiting.Fresh()
		require.ErrorIs(t, err, cache.ErrStale)
		select {
		case <-waiting.Synced():
			t.Fatal("nothing was read")
		default:
		}
		heal()
		<-waiting.Synced()
		w.equal(waiting, "/a")
		assert.Zero(t, waiting.StaleSince())
	})
}

func TestWhatCannotBeOpened(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("c")
		for text, opts := range map[string][]cache.TreeOption{
			"Depth of -1":   {cache.Depth(-1)},
			"Parallel(0)":   {cache.Parallel(0)},
			"QueueBound(0)": {cache.QueueBound(0)},
			"Filter is nil": {cache.Filter(nil)},
		} {
			_, err := cache.Open(t.Context(), cli, "/a", opts...)
			require.ErrorContains(t, err, text)
		}
		for _, path := range []string{"", "/a/", "//", "/a/../b", "/\x00"} {
			_, err := cache.Open(t.Context(), cli, path)
			require.ErrorIs(t, err, framework.ErrInvalidPath)
			_, err = cache.OpenChildren(t.Context(), cli, path)
			require.ErrorIs(t, err, framework.ErrInvalidPath)
			_, err = cache.OpenValue(t.Context(), cli, path, cache.Text())
			require.ErrorIs(t, err, framework.ErrInvalidPath)
		}
		require.NoError(t, cli.Close())
		_, err := cache.Open(t.Context(), cli, "/a")
		require.ErrorIs(t, err, framework.ErrClosed)
	})
}

func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b", "kept")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		events := tree.Events(t.Context())
		idle := tree.Events(t.Context())
		for range 4 {
			<-events
			if len(events) == 0 {
				break
			}
		}
		require.NoError(t, tree.Close())
		require.NoError(t, tree.Close())
		for range events {
		}
		for range idle {
		}
		_, open := <-tree.Events(t.Context())
		assert.False(t, open)
		<-tree.Done()
		require.ErrorIs(t, tree.Err(), cache.ErrCacheClosed)
		require.ErrorIs(t, tree.Sync(t.Context()), cache.ErrCacheClosed)
		require.ErrorIs(t, tree.WaitFresh(t.Context()), cache.ErrCacheClosed)
		assert.Equal(t, 2, tree.Len(), "what was read can still be")
		_, err := tree.Fresh()
		require.ErrorIs(t, err, cache.ErrStale)
		assert.Empty(t, cli.Recipes())
	})
}

func TestTheEndOfTheClientIsTheEndOfTheCache(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a", "x")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		value, err := cache.OpenValue(t.Context(), cli, "/a", cache.Text())
		require.NoError(t, err)
		events, changes := tree.Events(t.Context()), value.Changes(t.Context())
		recipes := cli.Recipes()
		require.Len(t, recipes, 2)
		assert.Equal(t, tree.Policy(), recipes[0].Policy)
		assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild, OnReadOnly: framework.Serve}, tree.Policy())
		assert.NoError(t, tree.Err())
		require.NoError(t, cli.Close())
		for range events {
		}
		for range changes {
		}
		<-tree.Done()
		<-value.Done()
		require.ErrorIs(t, tree.Err(), framework.ErrClosed)
		require.ErrorIs(t, tree.WaitFresh(t.Context()), framework.ErrClosed)
		require.NoError(t, tree.Close())
		require.NoError(t, value.Close())
	})
}

// Close comes at every moment of a load, and of a rebuild.
func TestCloseAtAnyMoment(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for _, path := range []string{"/a/b/c", "/a/d", "/a/e/f"} {
			w.Put(path, "")
		}
		cli := w.Connect("c")
		for after := range 40 {
			tree, err := cache.Open(t.Context(), cli, "/a", w.all(cache.NoWait(), cache.Parallel(1))...)
			require.NoError(t, err)
			if after%2 == 1 {
				w.Cut(zktest.AllConns())
			}
			time.Sleep(time.Duration(after) * 150 * time.Microsecond)
			require.NoError(t, tree.Close())
			synctest.Wait()
			assert.Empty(t, cli.Recipes())
		}
	})
}
