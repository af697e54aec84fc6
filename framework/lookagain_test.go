package framework_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// A watch is looked at again after ten session timeouts, 20 % more or less.
const (
	lookAgainMin = 8 * sessionTimeout
	lookAgainMax = 12*sessionTimeout + time.Second
)

// loseEvents drops the events on path from now on, and counts them.
func loseEvents(t *testing.T, s *zktest.Server, path string) (lost *int) {
	t.Helper()
	lost = new(int)
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage != zktest.Event || f.Path != path {
			return zktest.Pass
		}
		*lost++
		return zktest.Drop
	}))
	return lost
}

// watchers set a watch of each kind.
var watchers = map[string]func(ctx context.Context, cli *framework.Client, path string) (*framework.Watch, error){
	"data": func(ctx context.Context, cli *framework.Client, path string) (*framework.Watch, error) {
		_, w, err := cli.WatchData(ctx, path)
		return w, err
	},
	"exists": func(ctx context.Context, cli *framework.Client, path string) (*framework.Watch, error) {
		_, _, w, err := cli.WatchExists(ctx, path)
		return w, err
	},
	"children": func(ctx context.Context, cli *framework.Client, path string) (*framework.Watch, error) {
		_, _, w, err := cli.WatchChildren(ctx, path)
		return w, err
	},
}

// The events of all changes that a watch is for, lost on the way.
func TestWatchFiresAlthoughItsEventIsLost(t *testing.T) {
	set := func(s *zktest.Server) error { return s.Set("/node", []byte("new")) }
	remove := func(s *zktest.Server) error { return s.Delete("/node") }
	replace := func(s *zktest.Server) error {
		if err := s.Delete("/node"); err != nil {
			return err
		}
		_, err := s.Create("/node", nil, zktest.Persistent)
		return err
	}
	grow := func(s *zktest.Server) error {
		_, err := s.Create("/node/child", nil, zktest.Persistent)
		return err
	}
	create := func(s *zktest.Server) error {
		_, err := s.Create("/node", nil, zktest.Persistent)
		return err
	}
	for _, c := range []struct {
		kind, what string
		absent     bool
		change     func(*zktest.Server) error
		want       framework.EventType
	}{
		{"data", "set", false, set, framework.EventDataChanged},
		{"data", "deleted", false, remove, framework.EventDeleted},
		{"data", "replaced", false, replace, framework.EventDeleted},
		{"exists", "created", true, create, framework.EventCreated},
		{"exists", "set", false, set, framework.EventDataChanged},
		{"exists", "deleted", false, remove, framework.EventDeleted},
		{"exists", "replaced", false, replace, framework.EventDeleted},
		{"children", "a child", false, grow, framework.EventChildrenChanged},
		{"children", "deleted", false, remove, framework.EventDeleted},
		{"children", "replaced", false, replace, framework.EventDeleted},
	} {
		t.Run(c.kind+", "+c.what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				if !c.absent {
					mustCreate(t, s, "/node", "old")
				}
				cli := connected(t, s)
				w, err := watchers[c.kind](t.Context(), cli, "/node")
				require.NoError(t, err)
				set := time.Now()
				lost := loseEvents(t, s, "/node")
				require.NoError(t, c.change(s))
				ev := awaitEvent(t, w, lookAgainMax)
				assert.Equal(t, c.want, ev.Type)
				assert.Equal(t, 1, *lost, "the event came: the test tests nothing")
				assert.GreaterOrEqual(t, time.Since(set), lookAgainMin)
			})
		})
	}
}

// A watch without users misses its event. The next user of the path reads the next node, is not told that it was deleted, and
// learns of its real end.
func TestMissedEventIsNotDeliveredForTheNextNode(t *testing.T) {
	for kind, watch := range watchers {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node", "old")
				cli := connected(t, s)
				first, err := watch(t.Context(), cli, "/node")
				require.NoError(t, err)
				first.Stop()
				stays, err := watch(t.Context(), cli, "/node")
				require.NoError(t, err)
				forget := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Event {
						return zktest.Drop
					}
					return zktest.Pass
				})
				require.NoError(t, s.Delete("/node"))
				time.Sleep(time.Second)
				forget()
				mustCreate(t, s, "/node", "new")
				second, err := watch(t.Context(), cli, "/node")
				require.NoError(t, err)
				assert.Equal(t, framework.EventDeleted, awaitEvent(t, stays, time.Second).Type, "it has watched the former node")
				ev := awaitEvent(t, second, time.Second)
				assert.Contains(t, []framework.EventType{framework.EventDataChanged, framework.EventChildrenChanged}, ev.Type)
				third, err := watch(t.Context(), cli, "/node")
				require.NoError(t, err)
				time.Sleep(3 * lookAgainMax)
				assert.Empty(t, third.C, "nothing has happened to it")
				require.NoError(t, s.Delete("/node"))
				assert.Equal(t, framework.EventDeleted, awaitEvent(t, third, time.Second).Type)
			})
		})
	}
}

func awaitEvent(t *testing.T, w *framework.Watch, limit time.Duration) framework.Event {
	t.Helper()
	select {
	case ev := <-w.C:
		return ev
	case <-time.After(limit):
		require.FailNow(t, "the watch has not fired", "in %v", limit)
	}
	panic("unreachable")
}

// What the check finds is compared with what the watch was set on, and not with what a later user has read.
func TestWatchThatSeveralUseFiresForAllOfThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "old")
		cli := connected(t, s)
		_, early, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		loseEvents(t, s, "/node")
		require.NoError(t, s.Set("/node", []byte("new")))
		node, late, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		require.Equal(t, "new", string(node.Data))
		awaitEvent(t, early, lookAgainMax)
		awaitEvent(t, late, time.Second)
	})
}

// A watch without users stays on the server for a while, and may have got lost there when the next user comes.
func TestWatchThatWasLeftBehindIsCheckedForItsNextUser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "old")
		cli := connected(t, s)
		_, w, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		w.Stop()
		time.Sleep(sessionTimeout)
		loseEvents(t, s, "/node")
		require.NoError(t, s.Set("/node", []byte("new")))
		_, w, err = cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		awaitEvent(t, w, lookAgainMax)
	})
}

// One exists per path and ten session timeouts, however many kinds and users there are, and nothing without users.
func TestWhatTheChecksOfWatchesCost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		cli := connected(t, s)
		var all []*framework.Watch
		for range 3 {
			for _, kind := range []string{"data", "exists", "children"} {
				w, err := watchers[kind](t.Context(), cli, "/node")
				require.NoError(t, err)
				all = append(all, w)
			}
		}
		before := s.Counts()
		time.Sleep(1000 * sessionTimeout)
		spent := s.Counts().Sub(before)
		assert.InDelta(t, 100, spent.Requests[zktest.OpExists], 15)
		assert.Equal(t, spent.Requests[zktest.OpExists], spent.RoundTrips(), "something else than exists was sent: %v", spent.Requests)
		for _, w := range all {
			assert.Empty(t, w.C, "it fired although nothing has changed")
			w.Stop()
		}
		before = s.Counts()
		time.Sleep(1000 * sessionTimeout)
		spent = s.Counts().Sub(before)
		assert.EqualValues(t, 2, spent.Requests[zktest.OpRemoveWatches], "of the node, and of its children")
		assert.EqualValues(t, 2, spent.RoundTrips(), "%v", spent.Requests)
	})
}

// The checks of many watches do not come all at once.
func TestChecksOfManyWatchesAreSpread(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		for i := range 500 {
			_, _, _, err := cli.WatchExists(t.Context(), fmt.Sprintf("/absent%d", i))
			require.NoError(t, err)
		}
		all := s.Counts()
		time.Sleep(lookAgainMin - sessionTimeout)
		require.Zero(t, s.Counts().Sub(all).RoundTrips())
		for range 7 {
			before := s.Counts()
			time.Sleep(sessionTimeout)
			assert.Less(t, s.Counts().Sub(before).RoundTrips(), int64(250), "in one session timeout")
		}
		assert.EqualValues(t, 500, s.Counts().Sub(all).RoundTrips())
	})
}

// A check that falls into an outage, or is not answered, is made up for.
func TestCheckOfAWatchThatFailsIsRepeated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "old")
		cli := connected(t, s)
		_, w, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		loseEvents(t, s, "/node")
		require.NoError(t, s.Set("/node", []byte("new")))
		refused := 0
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpExists && refused < 2 {
				refused++
				return zktest.Cut
			}
			return zktest.Pass
		})()
		awaitEvent(t, w, lookAgainMax+4*sessionTimeout)
		assert.Equal(t, 2, refused)
	})
}

// A one-shot watch that a recursive one stands in for is checked like any other.
func TestWatchBelowATreeWatchFiresAlthoughItsEventIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "old")
		cli := connected(t, s)
		tree, err := sessionOf(t, cli).WatchTree(t.Context(), "/node")
		require.NoError(t, err)
		defer tree.Stop()
		_, w, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		loseEvents(t, s, "/node")
		require.NoError(t, s.Set("/node", []byte("new")))
		awaitEvent(t, w, lookAgainMax)
	})
}
