package contend_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/zktest"
)

// strict is a queue in which no place is passed on.
var strict = func() contend.Queue {
	q := queue
	q.Strict = true
	return q
}()

// line is a queue with a holder and some who wait, each with a client of its own.
type line struct {
	*world
	held    *contend.Claim
	granted chan *contend.Claim
}

// queued lets clients named after the letters of names queue, in that order. The first holds. It runs in a bubble.
func (w *world) queued(q contend.Queue, names string) *line {
	w.t.Helper()
	l := &line{world: w, granted: make(chan *contend.Claim, len(names))}
	for i, name := range names {
		_, s := w.client(string(name))
		if i == 0 {
			held, err := q.Acquire(w.t.Context(), s, hold)
			require.NoError(w.t, err)
			l.held = held
			continue
		}
		go func() {
			claim, err := q.Acquire(w.t.Context(), s, hold)
			if assert.NoError(w.t, err) {
				l.granted <- claim
			}
		}()
		time.Sleep(100 * time.Millisecond)
	}
	return l
}

// nth is the name of a place's node.
func (l *line) nth(i int) string {
	order, _ := strict.Dialect.Arrange(l.nodes())
	return order[i].Full
}

// pass has the holder release, and returns what that cost the clients. It runs in a bubble.
func (l *line) pass() zktest.Counts {
	l.t.Helper()
	before := l.Counts()
	require.NoError(l.t, l.held.Release(l.t.Context()))
	l.held = <-l.granted
	time.Sleep(100 * time.Millisecond) // for those who list ahead of their turn
	return l.Counts().Sub(before)
}

// A waiter lists the queue ahead of its turn, when the second node ahead goes. The event of the last one grants it, and costs no request.
func TestTurnsAreKnownAhead(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.queued(strict, "abcdef")
		for turn, lists := range []int64{0, 1, 1, 1, 0} { // the first two waiters saw everybody ahead when they joined
			cost := l.pass()
			want := map[zktest.Op]int64{zktest.OpDelete: 1, zktest.OpGetData: 1} // the guard of the claim, after 20 ms, reads
			if lists > 0 {
				want[zktest.OpGetChildren2] = lists
			}
			assert.Equal(t, want, cost.Requests, "turn %d", turn)
		}
		require.NoError(t, l.held.Release(t.Context()))
		assert.Empty(t, w.nodes())
	})
}

// A waiter whose node is deleted by somebody else is not granted anything when the one ahead goes.
func TestTurnOfAWaiterWhoseNodeWasDeleted(t *testing.T) {
	for range 8 {
		bubble(t, func(t *testing.T, w *world) {
			l := w.queued(strict, "abc")
			first, second, third := l.nth(0), l.nth(1), l.nth(2)
			_, admin := w.client("admin")
			_, err := admin.Multi(t.Context(), []framework.Op{ // the waiter hears of both at once
				framework.DeleteOp(strict.Dir+"/"+second, framework.AnyVersion), framework.DeleteOp(strict.Dir+"/"+first, framework.AnyVersion),
			})
			require.NoError(t, err)
			claim := <-l.granted
			assert.Equal(t, strict.Dir+"/"+third, claim.Path())
			time.Sleep(10 * time.Second)
			assert.Empty(t, l.granted)
			require.NoError(t, claim.Release(t.Context()))
			require.NoError(t, (<-l.granted).Release(t.Context()))
		})
	}
}

// The event of the own node counts although that of the last one ahead is at hand, too: it is the earlier one of the two.
func TestOwnNodeGoesBeforeTheLastAhead(t *testing.T) {
	for range 8 { // in half of which it is the other one that is looked at first
		bubble(t, func(t *testing.T, w *world) {
			l := w.queued(strict, "abc")
			path := func(i int) string { return strict.Dir + "/" + l.nth(i) }
			first, second, own := path(0), path(1), path(2)
			_, admin := w.client("admin")
			var deleted atomic.Bool
			w.OnFrame(func(f zktest.Frame) zktest.Verdict { // both events come while the first node is watched again
				if f.Stage == zktest.Request && f.Op == zktest.OpGetData && f.Path == first && f.Conn.Client == "c" && deleted.CompareAndSwap(false, true) {
					assert.NoError(t, w.Delete(first))
					assert.NoError(t, w.Delete(own))
					assert.NoError(t, w.Delete(second))
				}
				return zktest.Pass
			})
			_, err := admin.Set(t.Context(), first, []byte("changed"), framework.AnyVersion)
			require.NoError(t, err)
			time.Sleep(time.Second)
			require.True(t, deleted.Load())
			for len(l.granted) > 0 {
				claim := <-l.granted
				assert.NotEqual(t, own, claim.Path())
				if claim.Path() != second { // which was granted when the first one went
					assert.NoError(t, claim.Release(t.Context()))
				}
			}
		})
	}
}

// A claim whose node was gone when it was granted, or goes right after that, ends at once.
func TestNodeOfANewClaimIsWatched(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.queued(strict, "ab")
		first, second := l.nth(0), l.nth(1)
		require.NoError(t, w.Delete(strict.Dir+"/"+first))
		claim := <-l.granted
		at := time.Now()
		require.NoError(t, w.Delete(strict.Dir+"/"+second))
		<-claim.Context().Done()
		assert.ErrorIs(t, context.Cause(claim.Context()), contend.ErrDeleted)
		assert.Less(t, time.Since(at), 10*time.Millisecond)
	})
}

// Those ahead may go in any order.
func TestPlaceAheadThatGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.queued(strict, "abcd")
		require.NoError(t, w.Delete(strict.Dir+"/"+l.nth(2)))
		time.Sleep(time.Second)
		require.NoError(t, w.Delete(strict.Dir+"/"+l.nth(1)))
		time.Sleep(time.Second)
		assert.Empty(t, l.granted)
		for range 4 - 1 {
			l.pass()
		}
		require.NoError(t, l.held.Release(t.Context()))
	})
}

// While the connection was away, events have no order: the queue is listed.
func TestTurnThatComesWhileTheConnectionIsAway(t *testing.T) {
	for name, deleted := range map[string]bool{"own node stands": false, "own node deleted": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				l := w.queued(strict, "ab")
				first, second := l.nth(0), l.nth(1)
				heal := w.Blackhole(zktest.ClientConns("b"), zktest.Both)
				w.Cut(zktest.ClientConns("b"))
				time.Sleep(time.Millisecond)
				if deleted {
					require.NoError(t, w.Delete(strict.Dir+"/"+second))
					_, s := w.client("z")
					go func() {
						claim, err := strict.Acquire(t.Context(), s, hold)
						if assert.NoError(t, err) {
							l.granted <- claim
						}
					}()
					time.Sleep(time.Second)
				}
				require.NoError(t, w.Delete(strict.Dir+"/"+first))
				before := w.ClientCounts("b").Requests[zktest.OpGetChildren2]
				heal()
				claim := <-l.granted
				if deleted {
					assert.NotContains(t, claim.Path(), second)
				} else {
					assert.Equal(t, before+1, w.ClientCounts("b").Requests[zktest.OpGetChildren2])
				}
				require.NoError(t, claim.Release(t.Context()))
				if deleted { // and queues again
					require.NoError(t, (<-l.granted).Release(t.Context()))
				}
			})
		})
	}
}

// Events that are caught up with on another connection come in any order: that of the last one ahead says nothing of the own node, whose
// event is still to come, and the queue is listed.
func TestEventsOfAnotherConnectionHaveNoOrder(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.queued(strict, "ab")
		first, own := strict.Dir+"/"+l.nth(0), strict.Dir+"/"+l.nth(1)
		heal := w.Blackhole(zktest.ClientConns("b"), zktest.Both)
		w.Cut(zktest.ClientConns("b"))
		time.Sleep(time.Millisecond)
		require.NoError(t, w.Delete(own))
		require.NoError(t, w.Delete(first))
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Event && f.Conn.Client == "b" && f.Path == own {
				return zktest.Drop
			}
			return zktest.Pass
		})
		heal()
		claim := <-l.granted
		assert.NotEqual(t, own, claim.Path())
		require.NoError(t, claim.Release(t.Context()))
	})
}

// An event that was lost is noticed by looking, which says nothing of the order: the queue is listed.
func TestTurnThatIsNoticedByLooking(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.queued(strict, "ab")
		var lost atomic.Bool
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Event && f.Conn.Client == "b" && lost.CompareAndSwap(false, true) {
				return zktest.Drop
			}
			return zktest.Pass
		})
		before := w.ClientCounts("b").Requests[zktest.OpGetChildren2]
		require.NoError(t, l.held.Release(t.Context()))
		claim := <-l.granted
		assert.True(t, lost.Load())
		assert.Equal(t, before+1, w.ClientCounts("b").Requests[zktest.OpGetChildren2])
		require.NoError(t, claim.Release(context.Background()))
	})
}

// A place that goes between the list and its watch is no reason for a second list.
func TestPlaceThatGoesBeforeItIsWatched(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, a := w.client("a")
		held, err := strict.Acquire(t.Context(), a, hold)
		require.NoError(t, err)
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpSetWatches && f.Path == held.Path() {
				assert.NoError(t, w.Delete(held.Path()))
			}
			return zktest.Pass
		})
		_, b := w.client("b")
		claim, err := strict.Acquire(t.Context(), b, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop})
		require.NoError(t, err)
		assert.EqualValues(t, 1, w.ClientCounts("b").Requests[zktest.OpGetChildren2])
		require.NoError(t, claim.Release(t.Context()))
	})
}

// The two nodes that a waiter is about to watch go before it does. It watches what is left ahead, however long the queue behind it is.
func TestTheTwoNearestGoBeforeTheyAreWatched(t *testing.T) {
	for children := range 3 {
		bubble(t, func(t *testing.T, w *world) {
			l := w.queued(strict, "abc")
			second, third := l.nth(1), l.nth(2)
			for i := range 20 * children { // which makes a list dear
				_, err := w.Create(fmt.Sprintf("%s/other-%d", strict.Dir, i), nil, zktest.Persistent)
				require.NoError(t, err)
			}
			var gone atomic.Bool
			w.OnFrame(func(f zktest.Frame) zktest.Verdict {
				if f.Stage == zktest.Request && f.Op == zktest.OpSetWatches && f.Conn.Client == "d" && gone.CompareAndSwap(false, true) {
					assert.NoError(t, w.Delete(strict.Dir+"/"+third))
					assert.NoError(t, w.Delete(strict.Dir+"/"+second))
				}
				return zktest.Pass
			})
			_, s := w.client("d")
			granted := make(chan *contend.Claim, 1)
			go func() {
				claim, err := strict.Acquire(t.Context(), s, hold)
				if assert.NoError(t, err) {
					granted <- claim
				}
			}()
			time.Sleep(time.Second)
			require.True(t, gone.Load())
			require.NoError(t, l.held.Release(t.Context()))
			time.Sleep(time.Second)
			if assert.Len(t, granted, 1, "%d other children", 20*children) {
				require.NoError(t, (<-granted).Release(t.Context()))
				for range 2 { // the other two have queued again
					require.NoError(t, (<-l.granted).Release(t.Context()))
				}
			}
		})
	}
}

// A server sets a watch on a node whatever its ACL says. So a place that waits reads the nodes that it watches after a while.
func TestPlaceReadsWhatItWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, a := w.client("a")
		held, err := strict.Acquire(t.Context(), a, hold)
		require.NoError(t, err)
		_, b := w.client("b")
		time.Sleep(time.Second) // until the claim has read its own node
		before := w.Counts()
		granted := make(chan *contend.Claim, 1)
		go func() {
			claim, err := strict.Acquire(t.Context(), b, hold)
			assert.NoError(t, err)
			granted <- claim
		}()
		time.Sleep(10 * time.Millisecond)
		want := map[zktest.Op]int64{zktest.OpCreate2: 1, zktest.OpGetChildren2: 1, zktest.OpSetWatches: 1}
		assert.Equal(t, want, w.Counts().Sub(before).Requests)
		time.Sleep(time.Second)
		want[zktest.OpGetData] = 2
		assert.Equal(t, want, w.Counts().Sub(before).Requests, "the node ahead and the own one, once")
		require.NoError(t, held.Release(t.Context()))
		require.NoError(t, (<-granted).Release(t.Context()))
	})
}
