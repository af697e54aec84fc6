package framework_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// removalsAsked returns how many watches the server was asked to remove.
func removalsAsked(s *zktest.Server) int64 { return s.Counts().Requests[zktest.OpRemoveWatches] }

// countEvents counts the events of watches that a server sends.
func countEvents(t *testing.T, s *zktest.Server) *atomic.Int32 {
	t.Helper()
	var events atomic.Int32
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Event {
			events.Add(1)
		}
		return zktest.Pass
	}))
	return &events
}

// Stopped watches are removed from the server, however many there are, and a reconnect does not set them again.
func TestStoppedWatchesAreRemovedFromTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/dir", "")
		cli := connected(t, s)
		events := countEvents(t, s)
		const absent = 500
		for i := range absent {
			_, _, w, err := cli.WatchExists(t.Context(), fmt.Sprint("/dir/never", i))
			require.NoError(t, err)
			w.Stop()
		}
		_, w, err := cli.WatchData(t.Context(), "/dir")
		require.NoError(t, err)
		w.Stop()
		_, _, w, err = cli.WatchChildren(t.Context(), "/dir")
		require.NoError(t, err)
		w.Stop()
		time.Sleep(sessionTimeout)
		assert.Zero(t, removalsAsked(s), "the next user may come soon")
		time.Sleep(4 * sessionTimeout)
		assert.EqualValues(t, absent+2, removalsAsked(s))
		mustCreate(t, s, "/dir/never7", "")
		require.NoError(t, s.Set("/dir", nil))
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Reconnected)
		mustCreate(t, s, "/dir/never8", "")
		time.Sleep(20 * sessionTimeout)
		assert.Zero(t, events.Load())
		assert.EqualValues(t, absent+2, removalsAsked(s))
	})
}

// A watch that is used repeatedly is not removed in between, and needs no further request.
func TestWatchThatIsUsedAgainStaysOnTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		set := s.Counts().Watches
		for range 20 {
			_, _, w, err := cli.WatchExists(t.Context(), "/awaited")
			require.NoError(t, err)
			time.Sleep(sessionTimeout)
			w.Stop()
		}
		assert.Zero(t, removalsAsked(s))
		assert.EqualValues(t, 1, s.Counts().Watches-set)
	})
}

// To a server, a data watch and an exists watch on one path are the same watch. It stays while either has a user.
func TestDataWatchStaysWhileAnExistsWatchIsUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		cli := connected(t, s)
		_, data, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		_, _, exists, err := cli.WatchExists(t.Context(), "/node")
		require.NoError(t, err)
		_, _, list, err := cli.WatchChildren(t.Context(), "/node")
		require.NoError(t, err)
		data.Stop()
		list.Stop()
		time.Sleep(5 * sessionTimeout)
		assert.EqualValues(t, 1, removalsAsked(s), "only the child watch is removed")
		require.NoError(t, s.Set("/node", []byte("new")))
		assert.Equal(t, framework.EventDataChanged, (<-exists.C).Type)
	})
}

// The removal of an unused watch leaves a recursive watch on the same path alone.
func TestRecursiveWatchOutlivesAnUnusedWatch(t *testing.T) {
	for _, modes := range []zktest.WatchModes{zktest.SideBySide, zktest.LastWins} {
		t.Run(fmt.Sprint(modes), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Watches: modes})
				mustCreate(t, s, "/node", "")
				cli := connected(t, s)
				_, w, err := cli.WatchData(t.Context(), "/node")
				require.NoError(t, err)
				w.Stop()
				tree, err := sessionOf(t, cli).WatchTree(t.Context(), "/node")
				require.NoError(t, err)
				defer tree.Stop()
				time.Sleep(5 * sessionTimeout)
				assert.Zero(t, removalsAsked(s))
				_, _ = tree.Take()
				require.NoError(t, s.Set("/node", []byte("new")))
				ev, err := tree.Next(within(t, time.Second))
				require.NoError(t, err)
				assert.Equal(t, framework.EventDataChanged, ev.Type)
			})
		})
	}
}

// A watch that is set while its predecessor is being removed misses no change, whether or not the removal is answered.
func TestWatchThatIsSetDuringARemovalMissesNothing(t *testing.T) {
	for name, end := range map[string]func(*zktest.Server){
		"answered": func(*zktest.Server) {},
		"broken":   func(s *zktest.Server) { s.Cut(zktest.AllConns()) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Latency: time.Millisecond})
				mustCreate(t, s, "/node", "")
				cli := connected(t, s)
				_, w, err := cli.WatchData(t.Context(), "/node")
				require.NoError(t, err)
				w.Stop()
				var begun atomic.Bool
				defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Op != zktest.OpRemoveWatches {
						return zktest.Pass
					}
					begun.Store(true)
					return zktest.DelayBy(20 * time.Millisecond)
				})()
				for !begun.Load() {
					time.Sleep(time.Millisecond)
				}
				_, w, err = cli.WatchData(within(t, time.Minute), "/node")
				require.NoError(t, err)
				end(s)
				require.NoError(t, s.Set("/node", []byte("new")))
				select {
				case <-w.C:
				case <-time.After(2 * sessionTimeout):
					require.Fail(t, "no event")
				}
				synctest.Wait()
			})
		})
	}
}

// A server that does not know removeWatches is asked once. There, unused watches end with the connection.
func TestServerWithoutRemoveWatchesIsAskedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Lacks: []zktest.Op{zktest.OpRemoveWatches}})
		cli := connected(t, s)
		events := countEvents(t, s)
		for i := range 10 {
			_, _, w, err := cli.WatchExists(t.Context(), fmt.Sprint("/never", i))
			require.NoError(t, err)
			w.Stop()
			time.Sleep(3 * sessionTimeout)
		}
		assert.EqualValues(t, 1, removalsAsked(s))
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Reconnected)
		mustCreate(t, s, "/never1", "")
		time.Sleep(sessionTimeout)
		assert.Zero(t, events.Load())
		_, err := cli.Get(within(t, time.Minute), "/")
		require.NoError(t, err)
	})
}

// Stopped watches are removed from a real server, including those on nodes that never existed.
func TestRealServerRemovesStoppedWatches(t *testing.T) {
	t.Parallel()
	srv := realzk.Standalone(t, realzk.Options{})
	cli := realClient(t, srv.Addr(), timeout(sessionTimeout))
	ctx := within(t, patience)
	for i := range 20 {
		_, _, w, err := cli.WatchExists(ctx, fmt.Sprint("/never", i))
		require.NoError(t, err)
		defer w.Stop()
	}
	_, _, list, err := cli.WatchChildren(ctx, "/")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return watchesOn(ctx, srv) == 21 }, patience, 100*time.Millisecond)
	for i := range 20 {
		_, _, w, err := cli.WatchExists(ctx, fmt.Sprint("/never", i))
		require.NoError(t, err)
		w.Stop()
	}
	list.Stop()
	require.Eventually(t, func() bool { return watchesOn(ctx, srv) == 20 }, patience, 100*time.Millisecond, "the others are still used")
}

// watchesOn returns the number of watches on a real server, or -1 if it does not answer.
func watchesOn(ctx context.Context, srv *realzk.Server) int {
	answer, err := srv.FourLetter(ctx, "mntr")
	found := regexp.MustCompile(`zk_watch_count\t(\d+)`).FindStringSubmatch(answer)
	if err != nil || found == nil {
		return -1
	}
	n, _ := strconv.Atoi(found[1])
	return n
}
