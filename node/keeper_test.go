package node_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

func TestKeep(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		started := time.Now()
		k, err := node.Keep(t.Context(), cli, path, []byte("payload"))
		require.NoError(t, err)
		assert.Equal(t, "payload", w.data(path))
		assert.Equal(t, w.session(cli), w.owner(path))
		assert.Equal(t, zktest.Container, w.Dump()["/services/orders"].Mode)
		s := k.Standing()
		assert.Equal(t, node.Standing{Stands: true, Since: s.Since, Path: path, Session: w.session(cli)}, s)
		assert.WithinDuration(t, started, s.Since, 20*time.Millisecond)
		assert.Equal(t, path, k.Path())
		require.NoError(t, k.WaitStanding(t.Context()))
		require.NoError(t, k.Err())
		select {
		case <-k.Done():
			t.Fatal("it has ended")
		default:
		}

		time.Sleep(10 * timeout)
		closed(t, k)
		assert.False(t, w.Exists(path))
		<-k.Done()
		assert.False(t, k.Standing().Stands)
		require.ErrorIs(t, k.Standing().Err, node.ErrKeeperClosed)
		require.ErrorIs(t, k.WaitStanding(t.Context()), node.ErrKeeperClosed)
		require.ErrorIs(t, k.Set(t.Context(), nil), node.ErrKeeperClosed)
		closed(t, k)
	})
}

func TestPolicy(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "")
		assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}, k.Policy())
		live := cli.Recipes()
		require.Len(t, live, 1)
		assert.Equal(t, "node", live[0].Name)
		assert.Equal(t, path, live[0].Path)
		assert.Equal(t, k.Policy(), live[0].Policy)
		assert.Equal(t, framework.Status{State: "standing", Since: live[0].Status.Since}, live[0].Status)
		closed(t, k)
		assert.Empty(t, cli.Recipes())
	})
}

// While it does not stand, those who look at the client's recipes are told why.
func TestReport(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(w.Connect("b"), path, "")
		waiting := keeping(t.Context(), cli, path, "")
		began := time.Now()
		time.Sleep(time.Second)
		status := cli.Recipes()[0].Status
		assert.Equal(t, "not standing", status.State)
		require.ErrorIs(t, status.Err, node.ErrTaken)
		assert.WithinDuration(t, began, status.Since, 100*time.Millisecond)
		closed(t, k)
		mine := <-waiting
		require.NoError(t, mine.err)
		assert.Equal(t, "standing", cli.Recipes()[0].Status.State)
		closed(t, mine.k)

		members := node.WatchMembers(t.Context(), cli, "/group")
		<-members
		settle()
		assert.Equal(t, "following", cli.Recipes()[0].Status.State)
	})
}

// A registration costs nothing while nothing happens, and nothing over a blip; nobody who watches it is told anything.
func TestBriefDisconnectionKeepsTheSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "payload")
		_, before, err := w.Get(path)
		require.NoError(t, err)
		watcher := w.Connect("watcher")
		_, data, err := watcher.WatchData(t.Context(), path)
		require.NoError(t, err)
		_, _, children, err := watcher.WatchChildren(t.Context(), "/services/orders")
		require.NoError(t, err)

		cost := w.cost(func() {
			for range 5 {
				w.Cut(zktest.ClientConns("a"))
				w.WaitState(cli, framework.Reconnected)
				time.Sleep(timeout / 2)
			}
			over := w.Outage()
			time.Sleep(timeout / 2)
			assert.Equal(t, framework.Suspended, cli.State().State)
			assert.True(t, k.Standing().Stands)
			over()
			w.WaitState(cli, framework.Reconnected)
			time.Sleep(time.Hour)
		})
		delete(cost.Requests, zktest.OpSetWatches) // the driver's, one per connection
		assert.Empty(t, unchecked(t, cost, 3, 70*time.Minute))
		assert.Zero(t, cost.Events)
		assert.Empty(t, data.C)
		assert.Empty(t, children.C)
		_, after, err := w.Get(path)
		require.NoError(t, err)
		assert.Equal(t, before, after)
		assert.EqualValues(t, 1, cli.State().Epoch)
		closed(t, k)
	})
}

// The session is gone at the servers, and so is the node: it comes back in the next one.
func TestNewSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "payload")
		first := k.Standing().Session
		time.Sleep(time.Minute)
		ended := time.Now()
		cost := w.cost(func() {
			w.expire(cli)
			s := standing(t, k)
			assert.NotEqual(t, first, s.Session)
			assert.Equal(t, w.session(cli), s.Session)
			assert.False(t, s.Since.Before(ended))
			settle()
		})
		assert.Equal(t, requests{zktest.OpCreate2: 1, zktest.OpGetChildren2: 1}, cost.Requests)
		assert.Equal(t, "payload", w.data(path))
		assert.Equal(t, w.session(cli), w.owner(path))
		closed(t, k)
		assert.Empty(t, w.List("/services/orders"))
	})
}

// The servers still have the dead session when the new one begins: one transaction replaces its node.
func TestLeftoverIsReplacedInOneTransaction(t *testing.T) {
	bubbleWith(t, zktest.Config{TickTime: 4 * time.Second}, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "payload")
		watcher := w.Connect("watcher", func(c *framework.Config) { c.SessionTimeout = time.Hour })
		_, _, children, err := watcher.WatchChildren(t.Context(), "/services/orders")
		require.NoError(t, err)
		observed, stop := w.observe(path)
		before := w.Counts()
		ghost := w.ghost(cli)
		s := standing(t, k)
		settle()
		cost := w.Counts().Sub(before)
		assert.NotEqual(t, ghost, s.Session)
		assert.Equal(t, s.Session, w.owner(path))
		assert.Equal(t, "payload", w.data(path))
		assert.EqualValues(t, 1, cost.Requests[zktest.OpMulti])
		assert.EqualValues(t, 1, cost.Requests[zktest.OpCreate2])
		assert.EqualValues(t, 1, cost.Requests[zktest.OpGetData])
		assert.EqualValues(t, 1, cost.Requests[zktest.OpGetChildren2])
		assert.Contains(t, w.sessions(), ghost, "the ghost's session was there until after")
		ev := <-children.C
		assert.Equal(t, framework.EventChildrenChanged, ev.Type)

		time.Sleep(time.Minute)
		assert.NotContains(t, w.sessions(), ghost)
		observed.never(t)
		stop()
		assert.Equal(t, s.Session, w.owner(path), "the end of the old session does not take it along")
		closed(t, k)
	})
}

// ghost makes a client lose its session by its own clock while the server still has it, with the time of a tick to spare, and
// lets it connect again. It returns the old session's id. It runs in a bubble.
func (w *world) ghost(cli *framework.Client) int64 {
	w.t.Helper()
	id := w.session(cli)
	heal := w.Silence("a")
	w.WaitState(cli, framework.Lost)
	require.Contains(w.t, w.sessions(), id, "the server has been faster")
	heal()
	return id
}

// sessions lists the sessions that the server has.
func (w *world) sessions() []int64 {
	var ids []int64
	for _, s := range w.Sessions() {
		ids = append(ids, s.ID)
	}
	return ids
}

// A kept node that is deleted from outside is restored.
func TestDeletedByOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "payload")
		time.Sleep(time.Minute)
		cost := w.cost(func() {
			require.NoError(t, w.Delete(path))
			at := time.Now()
			for !w.Exists(path) {
				time.Sleep(100 * time.Microsecond)
			}
			assert.Less(t, time.Since(at), 2*time.Millisecond, "at once")
			settle()
		})
		assert.Equal(t, requests{zktest.OpCreate2: 1, zktest.OpGetChildren2: 1}, cost.Requests)
		assert.Equal(t, "payload", w.data(path))
		assert.True(t, k.Standing().Stands)
		closed(t, k)
	})
}

// Somebody who deletes it as soon as it is there does not make the Keeper spin.
func TestDeletedAgainAndAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "payload")
		stop := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 && f.Err == 0 {
				assert.NoError(t, w.Delete(path))
			}
			return zktest.Pass
		})
		cost := w.cost(func() {
			require.NoError(t, w.Delete(path))
			time.Sleep(10 * time.Minute)
		})
		assert.Less(t, cost.Writes(), int64(60))
		assert.Greater(t, cost.Writes(), int64(10))
		stop()
		time.Sleep(time.Minute)
		assert.True(t, standing(t, k).Stands)
		assert.True(t, w.Exists(path))
		closed(t, k)
	})
}

// The whole directory is gone, as when servers remove empty containers.
func TestParentsRemoved(t *testing.T) {
	bubbleWith(t, zktest.Config{ContainerCheckInterval: time.Second}, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "payload")
		heal := w.Silence("a")
		time.Sleep(3 * timeout)
		require.False(t, w.Exists("/services"), "the containers were removed")
		heal()
		standing(t, k)
		assert.Equal(t, "payload", w.data(path))
		closed(t, k)
	})
}
