package node_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// By default a name that another session has is waited for.
func TestAnothersNodeIsWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		other := w.Connect("other")
		w.createFor(other, path, "theirs")
		cli := w.Connect("a")
		var waiting <-chan kept
		cost := w.cost(func() {
			waiting = keeping(t.Context(), cli, path, "mine")
			time.Sleep(10 * time.Minute)
		})
		assert.Equal(t, requests{zktest.OpCreate2: 1, zktest.OpGetData: 1}, unchecked(t, cost, 1, 10*time.Minute), "it waits on a watch")
		assert.Equal(t, "theirs", w.data(path))
		require.Empty(t, waiting)

		require.NoError(t, other.Close())
		at := time.Now()
		before := w.ClientCounts("a")
		r := <-waiting
		require.NoError(t, r.err)
		assert.Less(t, time.Since(at), 2*time.Millisecond, "at once")
		settle()
		assert.Equal(t, requests{zktest.OpCreate2: 1, zktest.OpGetChildren2: 1}, w.ClientCounts("a").Sub(before).Requests)
		assert.Equal(t, "mine", w.data(path))
		closed(t, r.k)
		assert.False(t, w.Exists(path))
	})
}

// A process that was restarted while its old session lives registers as soon as that ends.
func TestRestartOfAProcess(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		old := w.Connect("old")
		w.keep(old, path, "old")
		w.Silence("old") // the process was killed
		killed := time.Now()
		cli := w.Connect("new")
		k := w.keep(cli, path, "new")
		assert.Less(t, time.Since(killed), timeout+time.Second)
		assert.Equal(t, "new", w.data(path))
		time.Sleep(time.Minute)
		assert.Equal(t, w.session(cli), w.owner(path))
		closed(t, k)
	})
}

// With Replace it does not wait, readers see one or the other at any time, and the end of the old session takes nothing along.
func TestRestartOfAProcessWithReplace(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		old := w.Connect("old")
		w.keep(old, path, "old")
		w.Silence("old")
		ghost := w.owner(path)
		observed, stop := w.observe(path)
		cli := w.Connect("new")
		started := time.Now()
		k, err := node.Keep(t.Context(), cli, path, []byte("new"), node.Replace())
		require.NoError(t, err)
		assert.Less(t, time.Since(started), 10*time.Millisecond)
		assert.Equal(t, "new", w.data(path))
		assert.Contains(t, w.sessions(), ghost)
		time.Sleep(time.Minute)
		assert.NotContains(t, w.sessions(), ghost)
		assert.Equal(t, w.session(cli), w.owner(path))
		observed.never(t)
		stop()
		closed(t, k)
	})
}

// Of two living processes that want one name the newer has it; the older one waits and gets it back.
func TestTheNewestWins(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		ka := w.keep(a, path, "a", node.Replace())
		var kb *node.Keeper
		cost := w.cost(func() {
			kb = w.keep(b, path, "b", node.Replace())
			time.Sleep(time.Hour)
		})
		assert.Equal(t, "b", w.data(path))
		assert.EqualValues(t, 1, cost.Requests[zktest.OpMulti], "one replacement")
		checks := cost.Requests[zktest.OpExists]
		assert.LessOrEqual(t, cost.RoundTrips()-checks, int64(7))
		assert.LessOrEqual(t, checks, 2*int64(time.Hour/(8*timeout)), "checks of two watches")
		s := ka.Standing()
		assert.False(t, s.Stands)
		require.ErrorIs(t, s.Err, node.ErrTaken)
		assert.ErrorContains(t, s.Err, fmt.Sprintf("%#x", w.session(b)))
		assert.True(t, kb.Standing().Stands)

		w.expire(a)
		settle()
		assert.Equal(t, "b", w.data(path), "not even in its next session does the older one take it")
		closed(t, kb)
		standing(t, ka)
		assert.Equal(t, "a", w.data(path))
		closed(t, ka)
		assert.False(t, w.Exists(path))
	})
}

// Many start at once: the name ends up with one of them, and rests there.
func TestManyReplaceAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const n = 10
		var starts []<-chan kept
		before := w.Counts()
		for i := range n {
			name := fmt.Sprint("client ", i)
			starts = append(starts, keeping(t.Context(), w.Connect(name), path, name, node.Replace()))
		}
		var keepers []*node.Keeper
		for _, c := range starts {
			r := <-c
			require.NoError(t, r.err)
			keepers = append(keepers, r.k)
		}
		time.Sleep(5 * time.Minute)
		assert.LessOrEqual(t, w.Counts().Sub(before).Requests[zktest.OpMulti], int64(n))
		stand := 0
		for _, k := range keepers {
			if k.Standing().Stands {
				stand++
			}
		}
		assert.Equal(t, 1, stand)
	})
}

func TestKeepGivesUpOnATakenName(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		other := w.Connect("other")
		w.createFor(other, path, "theirs")
		cli := w.Connect("a")
		_, err := node.Keep(within(t, time.Minute), cli, path, []byte("mine"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, node.ErrTaken)
		assert.ErrorContains(t, err, path)
		settle()
		assert.Empty(t, cli.Recipes(), "nothing of it goes on")
		require.NoError(t, other.Close())
		time.Sleep(time.Minute)
		assert.False(t, w.Exists(path))
	})
}

// What is not ephemeral has no session that ends; it is somebody else's all the same.
func TestPersistentNodeAtThePath(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		w.Put(path, "theirs")
		waiting := keeping(t.Context(), cli, path, "mine")
		time.Sleep(time.Hour)
		require.Empty(t, waiting)
		require.NoError(t, w.Set(path, []byte("still theirs")))
		settle()
		require.NoError(t, w.Delete(path))
		r := <-waiting
		require.NoError(t, r.err)
		assert.Equal(t, "mine", w.data(path))
		closed(t, r.k)

		w.Put(path, "theirs")
		k := w.keep(cli, path, "mine", node.Replace())
		assert.Equal(t, w.session(cli), w.owner(path))
		closed(t, k)

		w.Put(path+"/child", "")
		_, err := node.Keep(t.Context(), cli, path, nil, node.Replace())
		require.ErrorIs(t, err, framework.ErrNotEmpty)
		assert.True(t, w.Exists(path+"/child"))
	})
}

// Two Keepers of one client are two: the second one waits.
func TestTwoKeepersOfOneClient(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		first := w.keep(cli, path, "first")
		waiting := keeping(t.Context(), cli, path, "second")
		time.Sleep(time.Minute)
		require.Empty(t, waiting)
		closed(t, first)
		r := <-waiting
		require.NoError(t, r.err)
		settle()
		assert.Equal(t, "second", w.data(path))
		closed(t, r.k)
		assert.False(t, w.Exists(path))
	})
}

// The ghost need not be the Keeper's own: no node of an earlier session of the client is anybody's.
func TestLeftoverOfAnEarlierKeeperIsReplaced(t *testing.T) {
	bubbleWith(t, zktest.Config{TickTime: 4 * time.Second}, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		w.createFor(cli, path, "ghost")
		ghost := w.ghost(cli)
		started := time.Now()
		k := w.keep(cli, path, "payload")
		assert.Less(t, time.Since(started), time.Second)
		assert.Contains(t, w.sessions(), ghost)
		assert.Equal(t, "payload", w.data(path))
		closed(t, k)
	})
}

// While the client had no session, somebody else took the name.
func TestNameTakenDuringAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "mine")
		heal := w.Silence("a")
		time.Sleep(2 * timeout)
		require.False(t, w.Exists(path))
		assert.False(t, k.Standing().Stands)
		require.ErrorIs(t, k.Standing().Err, framework.ErrSessionLost)
		other := w.Connect("other")
		w.createFor(other, path, "theirs")
		heal()
		w.WaitState(cli, framework.Connected)
		settle()
		assert.Equal(t, "theirs", w.data(path))
		require.ErrorIs(t, k.Standing().Err, node.ErrTaken)
		w.Outage()
		w.WaitState(cli, framework.Lost)
		require.NoError(t, k.Close(within(t, time.Millisecond)), "there is nothing to remove")
		assert.Equal(t, "theirs", w.data(path), "Close leaves it alone")
	})
}

// The node is gone, and another one in its place, before the Keeper has looked at it for the first time.
func TestReplacedBeforeTheFirstLook(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		other := w.Connect("other")
		w.createFor(other, path, "theirs")
		once := true
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpGetChildren2 && f.Path == path && once {
				once = false
				assert.NoError(t, w.Delete(path))
				_, err := w.CreateFor(w.session(other), path, []byte("again"), zktest.Ephemeral)
				assert.NoError(t, err)
			}
			return zktest.Pass
		})
		k := w.keep(w.Connect("a"), path, "mine", node.Replace())
		time.Sleep(time.Minute)
		require.False(t, once)
		require.ErrorIs(t, k.Standing().Err, node.ErrTaken)
		closed(t, k)
		assert.Equal(t, "again", w.data(path))
	})
}

// During an outage the node was deleted, and one that looks like it was created in the same session.
func TestReplacedInTheSameSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "mine")
		id := w.session(cli)
		over := w.Outage()
		require.NoError(t, w.Delete(path))
		_, err := w.CreateFor(id, path, []byte("theirs"), zktest.Ephemeral)
		require.NoError(t, err)
		over()
		w.WaitState(cli, framework.Reconnected)
		time.Sleep(time.Minute)
		require.ErrorIs(t, k.Standing().Err, node.ErrTaken)
		closed(t, k)
		assert.Equal(t, "theirs", w.data(path))
	})
}

// The answer to a replacement is lost, and it was not applied: the node that is there is not taken for the new one, although
// the same session has it.
func TestReplacementThatWasNotApplied(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		first := w.keep(cli, path, "first")
		_, before, err := w.Get(path)
		require.NoError(t, err)
		once := true
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpMulti && once {
				once = false
				return zktest.Cut
			}
			return zktest.Pass
		})
		second := w.keep(cli, path, "second", node.Replace())
		time.Sleep(time.Minute)
		_, after, err := w.Get(path)
		require.NoError(t, err)
		assert.NotEqual(t, before.Czxid, after.Czxid)
		assert.Equal(t, "second", w.data(path))
		require.ErrorIs(t, first.Standing().Err, node.ErrTaken)
		closed(t, first)
		assert.Equal(t, "second", w.data(path))
		closed(t, second)
	})
}

// Somebody takes the name in a transaction of their own.
func TestReplacedByOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "mine")
		time.Sleep(time.Minute)
		other := w.Connect("other")
		_, err := other.Multi(t.Context(), []framework.Op{
			framework.DeleteOp(path, framework.AnyVersion), framework.CreateOp(path, []byte("theirs"), framework.Ephemeral),
		})
		require.NoError(t, err)
		settle()
		require.ErrorIs(t, k.Standing().Err, node.ErrTaken)
		assert.Equal(t, "theirs", w.data(path))
		require.NoError(t, other.Delete(t.Context(), path, framework.AnyVersion))
		standing(t, k)
		assert.Equal(t, "mine", w.data(path))
		closed(t, k)
	})
}
