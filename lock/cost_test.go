package lock_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// latency is the mean one-way delay of the network in these tests. No message takes more than one and a half of it.
const latency = 200 * time.Microsecond

// requests is what something has cost, by opcode.
type requests = map[zktest.Op]int64

// prepared makes the directory of the lock, which the first lock of all pays for.
func (w *world) prepared(m *lock.Mutex) {
	w.t.Helper()
	require.NoError(w.t, locked(w.t, m).Unlock(w.t.Context()))
}

func TestCostOfAnUncontendedLock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path)
		w.prepared(m)
		before, at := w.Counts(), time.Now()
		held := locked(t, m)
		lockCost, lockTime := w.Counts().Sub(before), time.Since(at)
		assert.Equal(t, requests{zktest.OpCreate2: 1, zktest.OpGetChildren2: 1}, lockCost.Requests)
		assert.LessOrEqual(t, lockTime, 3*latency+time.Microsecond, "one round trip for both")

		before, at = w.Counts(), time.Now()
		require.NoError(t, held.Unlock(t.Context()))
		unlockCost, unlockTime := w.Counts().Sub(before), time.Since(at)
		assert.Equal(t, requests{zktest.OpDelete: 1}, unlockCost.Requests)
		assert.LessOrEqual(t, unlockTime, 3*latency)
		assert.Zero(t, lockCost.Watches+lockCost.Events+unlockCost.Watches+unlockCost.Events)
		t.Logf("lock: %v in %v; unlock: %v in %v (one way: %v)", lockCost.Requests, lockTime, unlockCost.Requests, unlockTime, latency)
	})
}

// The list is asked for without waiting for the answer to the create.
func TestCreateAndListArePipelined(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path)
		w.prepared(m)
		at := map[string]time.Time{}
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			at[fmt.Sprint(f.Stage, " ", f.Op)] = time.Now()
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 {
				return zktest.DelayBy(time.Second)
			}
			return zktest.Pass
		})
		locked(t, m)
		granted := time.Now()
		assert.LessOrEqual(t, at["request getChildren2"].Sub(at["request create2"]), latency, "sent at the same instant")
		assert.GreaterOrEqual(t, granted.Sub(at["reply create2"]), time.Second, "when its answer was still to come")
		assert.Less(t, granted.Sub(at["reply create2"]), time.Second+2*latency)
	})
}

func TestCostOfTheFirstLockOfAll(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		before := w.Counts()
		held := locked(t, lock.New(w.Connect("a"), "/a/b/c/d"))
		cost := w.Counts().Sub(before)
		assert.Equal(t, requests{
			zktest.OpConnect: 1, zktest.OpCreate2: 2, zktest.OpGetChildren2: 2, zktest.OpCreateContainer: 7,
		}, cost.Requests, "four missing directories, each tried from the bottom up")
		alive(t, held)
	})
}

func TestCostOfAHandOver(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := lock.New(w.Connect("a"), path), lock.New(w.Connect("b"), path)
		w.prepared(a)
		held := locked(t, a)
		before := w.Counts()
		waiting := start(t.Context(), b)
		time.Sleep(5 * time.Millisecond)
		cost := w.Counts().Sub(before)
		assert.Equal(t, requests{zktest.OpCreate2: 1, zktest.OpGetChildren2: 1, zktest.OpSetWatches: 1}, cost.Requests, "a waiter")
		assert.EqualValues(t, 2, cost.Watches, "on the holder's node and its own")

		before = w.Counts()
		at := time.Now()
		require.NoError(t, held.Unlock(t.Context()))
		r := <-waiting
		require.NoError(t, r.err)
		cost = w.Counts().Sub(before)
		assert.Equal(t, requests{zktest.OpDelete: 1}, cost.Requests)
		assert.EqualValues(t, 1, cost.Events)
		assert.Zero(t, cost.Watches)
		assert.LessOrEqual(t, r.at.Sub(at), 3*latency, "there, and the event back")
		t.Logf("hand-over: %v and %d event in %v (one way: %v)", cost.Requests, cost.Events, r.at.Sub(at), latency)
		require.NoError(t, r.held.Unlock(t.Context()))
	})
}

// A claim that lasts watches its node, once. The watch is checked about every ten session timeouts.
func TestCostOfHoldingLong(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path)
		w.prepared(m)
		held := locked(t, m)
		before := w.Counts()
		time.Sleep(time.Hour)
		cost := w.Counts().Sub(before)
		checks := cost.Requests[zktest.OpExists]
		assert.EqualValues(t, 1, cost.RoundTrips()-checks)
		assert.LessOrEqual(t, checks, int64(time.Hour/(8*timeout)), "checks of the watch")
		assert.EqualValues(t, 1, cost.Watches)
		alive(t, held)
	})
}

// However many wait, a release wakes the next one, and the two that come closer to their turn.
func TestOneReleaseWakesOneOfAThousand(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const waiters = 1000
		w.prepared(lock.New(w.Connect("holder"), path))
		var clients []*framework.Client
		for i := range 10 {
			clients = append(clients, w.Connect(fmt.Sprint("client ", i)))
		}
		held := locked(t, lock.New(clients[0], path))
		ctx, cancel := context.WithCancel(t.Context())
		granted := make(chan *lock.Held, waiters)
		var calls sync.WaitGroup
		for i := range waiters {
			calls.Go(func() {
				if held, err := lock.New(clients[i%len(clients)], path).Lock(ctx); err == nil {
					granted <- held
				}
			})
		}
		for len(w.List(path)) <= waiters {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)

		before := w.Counts()
		require.NoError(t, held.Unlock(t.Context()))
		next := <-granted
		time.Sleep(10 * time.Millisecond)
		cost := w.Counts().Sub(before)
		assert.EqualValues(t, 1, cost.Requests[zktest.OpDelete])
		assert.LessOrEqual(t, cost.Requests[zktest.OpSetWatches], int64(1), "the place of the next holder's client that waits behind it begins to watch")
		assert.LessOrEqual(t, cost.Requests[zktest.OpGetChildren2], int64(2), "and may list first, as may the one after the next")
		assert.LessOrEqual(t, cost.Events, int64(3), "to the next, to the one after it, and to the old holder, which watched its own node")
		assert.Empty(t, granted)
		t.Logf("one release among %d waiters: %v, %d events", waiters, cost.Requests, cost.Events)

		at := time.Now()
		cancel()
		calls.Wait()
		assert.Zero(t, time.Since(at), "all of them leave at once")
		for len(w.List(path)) > 1 {
			time.Sleep(time.Millisecond)
		}
		t.Logf("%d cancelled waiters were out of the queue after %v (one way: %v)", waiters-1, time.Since(at), latency)
		alive(t, next)
	})
}
