package framework_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// watchTree watches a path in the client's present session.
func watchTree(t *testing.T, cli *framework.Client, path string) *framework.TreeWatch {
	t.Helper()
	w, err := sessionOf(t, cli).WatchTree(within(t, time.Minute), path)
	require.NoError(t, err)
	t.Cleanup(w.Stop)
	return w
}

// told is what waits to be read, as "Created /a", in a bubble.
func told(t *testing.T, w *framework.TreeWatch) []string {
	t.Helper()
	time.Sleep(time.Second)
	events, err := w.Take()
	require.NoError(t, err)
	return spelled(events)
}

func spelled(events []framework.Event) []string {
	var list []string
	for _, ev := range events {
		list = append(list, ev.Type.String()+" "+ev.Path)
	}
	return list
}

// The order of the events is that of the changes, and each change below the path is told once.
func TestTreeWatchDeliversChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/app/root", "")
		cli := connected(t, s, func(c *framework.Config) { c.Namespace = "app" })
		w := watchTree(t, cli, "/root")
		assert.Equal(t, "/root", w.Path())
		for _, path := range []string{"/app/root/a", "/app/root/a/b", "/app/rooted", "/app/other"} {
			mustCreate(t, s, path, "")
		}
		require.NoError(t, s.Set("/app/root/a/b", []byte("1")))
		require.NoError(t, s.Set("/app/root", []byte("2")))
		for _, path := range []string{"/app/root/a/b", "/app/root/a", "/app/root"} {
			require.NoError(t, s.Delete(path))
		}
		mustCreate(t, s, "/app/root", "")
		assert.Equal(t, []string{
			"Created /root/a", "Created /root/a/b", "DataChanged /root/a/b", "DataChanged /root",
			"Deleted /root/a/b", "Deleted /root/a", "Deleted /root", "Created /root",
		}, told(t, w))
		assert.Empty(t, told(t, w))
	})
}

// When a read has shown a change, its event is there.
func TestTreeEventPrecedesTheRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/root", "")
		cli := connected(t, s)
		w := watchTree(t, cli, "/root")
		for range 100 {
			require.NoError(t, s.Set("/root", nil))
			_, err := cli.Get(t.Context(), "/root")
			require.NoError(t, err)
			events, err := w.Take()
			require.NoError(t, err)
			require.Equal(t, []string{"DataChanged /root"}, spelled(events))
		}
	})
}

// A reconnect gives one reset, ahead of everything that happened since.
func TestTreeWatchAcrossLinks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/root", "")
		cli := connected(t, s)
		w := watchTree(t, cli, "/root")
		mustCreate(t, s, "/root/before", "")
		assert.Equal(t, []string{"Created /root/before"}, told(t, w))
		s.Cut(zktest.AllConns())
		mustCreate(t, s, "/root/between", "")
		require.NoError(t, cli.Sync(within(t, time.Minute), "/"))
		mustCreate(t, s, "/root/after", "")
		assert.Equal(t, []string{"Reset /root", "Created /root/after"}, told(t, w))
	})
}

// The end of the session ends the watch, behind what was told before.
func TestTreeWatchEndsWithTheSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		w := watchTree(t, cli, "/missing")
		mustCreate(t, s, "/missing", "")
		time.Sleep(time.Second)
		require.True(t, s.ExpireSession(sessionID(t, s)))
		awaitState(t, cli, framework.Lost)
		ev, err := w.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, framework.Event{Type: framework.EventCreated, Path: "/missing"}, ev)
		_, err = w.Next(t.Context())
		require.ErrorIs(t, err, framework.ErrSessionLost)
		next := watchTree(t, cli, "/missing")
		require.NoError(t, cli.Close())
		_, err = next.Next(t.Context())
		require.ErrorIs(t, err, framework.ErrClosed)
	})
}

func TestTreeWatchNextHonoursItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cli := connected(t, startServer(t, zktest.Config{}))
		w := watchTree(t, cli, "/")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		done := make(chan error, 1)
		go func() { _, err := w.Next(t.Context()); done <- err }()
		synctest.Wait()
		w.Stop()
		require.ErrorIs(t, <-done, framework.ErrWatchStopped)
	})
}
