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
)

// Scenario 33: a listener that blocks for ever, and one that waits for something that needs the same client.
func TestBlockedListenerDoesNotDelayOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b", "")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		ctx, cancel := context.WithCancel(t.Context())
		never := tree.Events(ctx)
		waiting, released := tree.Events(ctx), make(chan struct{})
		go func() {
			defer close(released)
			for range waiting {
				for { // a lock that somebody else has
					s, err := cli.Session(ctx)
					if err != nil {
						return
					}
					_, _, lock, err := s.WatchExists(ctx, "/lock")
					if err != nil {
						return
					}
					select {
					case <-lock.C:
					case <-ctx.Done():
						return
					}
				}
			}
		}()
		r := w.record(tree)
		for i := range 100 {
			w.set("/a/b", fmt.Sprint(i))
			time.Sleep(10 * time.Millisecond)
			node, _ := tree.Get("/a/b")
			assert.Equal(t, fmt.Sprint(i), string(node.Data))
		}
		w.expire("c", cli, func() { w.Put("/a/c", "") })
		w.equal(tree, "/a")
		r.equal(tree)
		require.NoError(t, tree.Sync(t.Context()))
		cancel()
		<-released
		<-never
	})
}

// A listener that falls behind is told by how much, and then the difference: what it has in the end is right.
func TestASlowListenerLags(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b", "first")
		w.Put("/a/gone", "")
		tree := w.open(w.Connect("c"), "/a", cache.QueueBound(3))
		events := tree.Events(t.Context())
		next := func() string {
			synctest.Wait()
			ev := <-events
			if ev.Type == cache.Lagged {
				return fmt.Sprint(ev)
			}
			return fmt.Sprintf("%v %s", ev, ev.New.Data)
		}
		assert.Equal(t, "Added /a ", next())
		assert.Equal(t, "Added /a/b first", next())
		assert.Equal(t, "Added /a/gone ", next())
		assert.Equal(t, "Synced /a ", next())
		for i := range 10 {
			w.set("/a/b", fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		w.raze("/a/gone")
		time.Sleep(time.Second)
		assert.Equal(t, "Changed /a/b 0", next(), "it was on its way already")
		assert.Equal(t, "Changed /a/b 1", next())
		assert.Equal(t, "Changed /a/b 2", next())
		lag := next()
		assert.Regexp(t, `^Lagged /a by \d+$`, lag)
		assert.Equal(t, "Changed /a/b 9", next(), "the difference")
		assert.Equal(t, "Removed /a/gone ", next())
		w.Put("/a/new", "")
		assert.Equal(t, "Added /a/new ", next(), "and on as usual")
	})
}

// A node that was deleted and created again while a listener was behind is both to it.
func TestLaggingListenerSeesThatANodeWasReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b/c", "")
		tree := w.open(w.Connect("c"), "/a", cache.QueueBound(1))
		events := tree.Events(t.Context())
		for range 4 {
			<-events
		}
		w.set("/a/b/c", "keeps the listener busy")
		time.Sleep(time.Second)
		for range 3 {
			w.raze("/a/b")
			w.Put("/a/b/c", "another")
			time.Sleep(time.Second)
		}
		var got []cache.EventType
		for range 6 {
			got = append(got, (<-events).Type)
		}
		assert.Equal(t, []cache.EventType{cache.Changed, cache.Lagged, cache.Removed, cache.Removed, cache.Added, cache.Added}, got)
	})
}

// Whenever a listener begins, it gets the present and what follows, without a gap.
func TestListenersBeginAtAnyTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a", "")
		tree := w.open(w.Connect("c"), "/a")
		var all []*recorder
		for i := range 30 {
			w.Put(fmt.Sprintf("/a/%d", i), "")
			all = append(all, w.record(tree))
			time.Sleep(time.Duration(i) * 100 * time.Microsecond)
		}
		time.Sleep(time.Second)
		for _, r := range all {
			r.equal(tree)
		}
	})
}

func TestEventsEndWithTheirContext(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a", "")
		tree := w.open(w.Connect("c"), "/a")
		ctx, cancel := context.WithCancel(t.Context())
		events := tree.Events(ctx)
		<-events
		cancel()
		synctest.Wait()
		for range events {
			t.Fatal("an event behind the end")
		}
		_, open := <-tree.Events(ctx)
		assert.False(t, open)
	})
}

// A listener is told of a loss of freshness once for each, and what was refused.
func TestEventsSayHowThingsAre(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a", "")
		private(w, "/a/private")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		events := tree.Events(t.Context())
		assert.Equal(t, "Added /a", (<-events).String())
		refused := <-events
		assert.Equal(t, cache.Refused, refused.Type)
		require.ErrorIs(t, refused.Err, framework.ErrNoAuth)
		assert.Contains(t, refused.String(), "Refused /a/private: ")
		assert.Equal(t, "Synced /a", (<-events).String())
		w.away("c", func() {})
		stale := <-events
		assert.Equal(t, cache.Stale, stale.Type)
		assert.Equal(t, "Stale since "+stale.Since.Format("2006-01-02T15:04:05Z07:00"), stale.String())
		assert.False(t, stale.Since.IsZero())
		assert.Equal(t, "Synced /a", (<-events).String())
		assert.Equal(t, "EventType(?)", cache.EventType(99).String())
	})
}

// private creates a node that nobody may read.
func private(w *world, path string) {
	w.t.Helper()
	_, err := owner(w).Create(w.t.Context(), path, nil, framework.WithACL(framework.CreatorACL()))
	require.NoError(w.t, err)
}
