package framework_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

var threeNodes = []string{"/a", "/b", "/c"}

// watchThree creates /a and /c, and watches them together with /b, which does not exist.
func watchThree(t *testing.T, s *zktest.Server, cli *framework.Client) (a, c *framework.Watch) {
	t.Helper()
	for _, path := range []string{"/a", "/c"} {
		if !s.Exists(path) {
			_, err := s.Create(path, nil, zktest.Persistent)
			require.NoError(t, err)
		}
	}
	require.NoError(t, cli.Sync(t.Context(), "/a")) // the client has seen their transactions then
	w, _, err := recipekit.WatchNodes(t.Context(), sessionOf(t, cli), threeNodes)
	require.NoError(t, err)
	require.Len(t, w, 3)
	require.NotNil(t, w[0])
	assert.Nil(t, w[1], "/b does not exist")
	require.NotNil(t, w[2])
	return w[0], w[2]
}

// event returns the event of a watch, in a bubble; the zero Event if there is none.
func event(w *framework.Watch) framework.Event {
	synctest.Wait()
	select {
	case ev := <-w.C:
		return ev
	default:
		return framework.Event{}
	}
}

func TestWatchNodesSetsAllWatchesWithOneRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		before := s.Counts()
		a, c := watchThree(t, s, cli)
		assert.Equal(t, map[zktest.Op]int64{zktest.OpSync: 1, zktest.OpSetWatches: 1}, s.Counts().Sub(before).Requests)
		assert.Zero(t, event(a))
		require.NoError(t, s.Delete("/a"))
		require.NoError(t, s.Set("/c", []byte("changed")))
		time.Sleep(time.Second)
		assert.Equal(t, framework.Event{Type: framework.EventDeleted, Path: "/a"}, event(a))
		assert.Equal(t, framework.Event{Type: framework.EventDataChanged, Path: "/c"}, event(c))
	})
}

// What changes while the request is on the way is reported at once.
func TestWatchNodesReportsChangesMadeBeforeTheWatchIsSet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		var changed atomic.Bool
		s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpSetWatches && changed.CompareAndSwap(false, true) {
				assert.NoError(t, s.Set("/c", []byte("changed")))
			}
			return zktest.Pass
		})
		a, c := watchThree(t, s, cli)
		assert.Zero(t, event(a))
		assert.Equal(t, framework.EventDataChanged, event(c).Type)
	})
}

func TestWatchNodesSurvivesAReconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		a, c := watchThree(t, s, cli)
		s.Refuse()
		s.Cut(zktest.AllConns())
		require.NoError(t, s.Delete("/a"))
		require.NoError(t, s.Accept())
		time.Sleep(sessionTimeout / 2)
		assert.Equal(t, framework.EventDeleted, event(a).Type)
		assert.Zero(t, event(c))
		require.NoError(t, s.Delete("/c"))
		time.Sleep(time.Second)
		assert.Equal(t, framework.EventDeleted, event(c).Type)
	})
}

// All that is known of a node is the time up to which it had not changed, which is enough to notice a lost event.
func TestWatchNodesNoticesLostEvents(t *testing.T) {
	changes := map[string]struct {
		change func(s *zktest.Server) error
		want   framework.EventType
	}{
		"deleted": {func(s *zktest.Server) error { return s.Delete("/a") }, framework.EventDeleted},
		"set":     {func(s *zktest.Server) error { return s.Set("/a", []byte("changed")) }, framework.EventDataChanged},
		"created again": {func(s *zktest.Server) error {
			if err := s.Delete("/a"); err != nil {
				return err
			}
			_, err := s.Create("/a", nil, zktest.Persistent)
			return err
		}, framework.EventDeleted},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s)
				a, other := watchThree(t, s, cli)
				lost := s.Inject(zktest.Rule{Stage: zktest.Event, Path: "/a"}, zktest.Drop)
				require.NoError(t, c.change(s))
				time.Sleep(lookAgainMax)
				assert.NotZero(t, lost.Fired())
				assert.Equal(t, c.want, event(a).Type)
				assert.Zero(t, event(other))
			})
		})
	}
}

// A server that refuses setWatches is asked for each node instead, for an hour.
func TestWatchNodesFallsBackToReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		refused := s.Inject(zktest.Rule{Op: zktest.OpSetWatches}, zktest.AnswerWith(zktest.ErrBadArguments))
		a, c := watchThree(t, s, cli)
		assert.Equal(t, 1, refused.Fired())
		require.NoError(t, s.Delete("/a"))
		require.NoError(t, s.Delete("/c"))
		time.Sleep(time.Second)
		assert.Equal(t, framework.EventDeleted, event(a).Type)
		assert.Equal(t, framework.EventDeleted, event(c).Type)
		watchThree(t, s, cli)
		assert.Equal(t, 1, refused.Fired(), "within the hour")
	})
}

// A caller that leaves before the answer leaves no user behind, and the next one gets its watches.
func TestWatchNodesThatIsCanceledLeavesNothingBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		slow := s.Inject(zktest.Rule{Stage: zktest.Reply, Op: zktest.OpSetWatches}, zktest.DelayBy(time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, _, err := recipekit.WatchNodes(ctx, sessionOf(t, cli), threeNodes)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		slow.Remove()
		a, _ := watchThree(t, s, cli)
		time.Sleep(2 * time.Second)
		require.NoError(t, s.Delete("/a"))
		time.Sleep(time.Second)
		assert.Equal(t, framework.EventDeleted, event(a).Type)
	})
}
