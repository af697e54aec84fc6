package barrier_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// named is a Double whose nodes' names begin with a rank.
func (w *world) named(name string, rank byte, members int, opts ...barrier.DoubleOption) *barrier.Double {
	cli := w.Connect(name, func(cfg *framework.Config) { cfg.Random = ranked{rank, rand.NewChaCha8(sha256.Sum256([]byte(name)))} })
	return barrier.NewDouble(cli, path, members, opts...)
}

// X dies in Enter and is counted on. Started again, it comes late for the round, or for the next one if none of the others has
// a node any more. In no order of the names do X and the others wait for each other.
func TestMemberRestartedLateForItsRound(t *testing.T) {
	for _, ranks := range permutations([]byte{1, 2, 3}) {
		t.Run(fmt.Sprint(ranks), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				x0 := w.named("x", ranks[0], 3, barrier.WithID("x"))
				y, z := w.named("y", ranks[1], 3), w.named("z", ranks[2], 3)
				enter(t.Context(), t, x0).waits()
				w.Silence("x")
				iny, inz := enter(t.Context(), t, y), enter(t.Context(), t, z)
				lefty, leftz := leave(t.Context(), t, iny.ok().in), leave(t.Context(), t, inz.ok().in)
				x := enter(t.Context(), t, w.named("x again", 4, 3, barrier.WithID("x")))
				time.Sleep(timeout + time.Second) // the old session of X ends
				if late := x.done; ranks[0] == 1 {
					lefty.ok()
					leftz.ok()
					x.waits()
				} else {
					<-late
					lefty.waits()
					leftz.waits()
					left(t, x.ok().in)
					lefty.ok()
					leftz.ok()
					x = enter(t.Context(), t, w.named("x third", 4, 3, barrier.WithID("x"))).waits()
				}
				iny = enter(t.Context(), t, y).waits()
				inz = enter(t.Context(), t, z)
				left(t, iny.ok().in, inz.ok().in, x.ok().in)
				assert.Empty(t, w.List(path))
			})
		})
	}
}

// L, the lowest, dies inside. A has left, and its last request is slow. Meanwhile the next round has begun: nobody removes its
// sign, and so C, which is slow to look, still learns that it was opened.
func TestNextRoundKeepsItsSign(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l, a := w.named("l", 1, 2), w.named("a", 2, 2)
		ins := entered(t, l, a)
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Conn.Client == "a" && f.Stage == zktest.Request && f.Path == ready {
				return zktest.DelayBy(50 * time.Millisecond)
			}
			return zktest.Pass
		})
		leaving := leave(t.Context(), t, ins[1]).waits()
		_, stat, err := w.Get(ins[0].Path())
		require.NoError(t, err)
		require.True(t, w.ExpireSession(stat.EphemeralOwner))
		time.Sleep(2 * time.Millisecond) // A knows, and has sent what it has to
		c, d := w.named("c", 3, 2), w.named("d", 4, 2)
		inc := enter(t.Context(), t, c)
		time.Sleep(5 * time.Millisecond)
		slow := w.Delay(zktest.ClientConns("c"), 100*time.Millisecond)
		ind := enter(t.Context(), t, d).ok()
		leavingD := leave(t.Context(), t, ind.in)
		time.Sleep(time.Second)
		slow()
		leaving.ok()
		left(t, inc.ok().in)
		leavingD.ok()
	})
}

// Somebody deletes the node of a member that waits. The others do not count on it any more, so it must know.
func TestWaitingMemberWhoseNodeIsDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, _ := w.member("a", 2)
		waiting := enter(t.Context(), t, a).waits()
		require.NoError(t, w.Delete(path+"/"+w.List(path)[0]))
		require.ErrorIs(t, waiting.waitsLess(), barrier.ErrDeleted)
		again := enter(t.Context(), t, a).waits()
		b, _ := w.member("b", 2)
		second := enter(t.Context(), t, b).ok()
		left(t, again.ok().in, second.in)
		assert.Empty(t, w.List(path))
	})
}

// waitsLess is the result of a call that returns within a while, in a bubble.
func (c *call) waitsLess() error {
	c.t.Helper()
	select {
	case <-c.done:
	case <-time.After(time.Second):
		c.t.Fatal("the call has not returned")
	}
	return c.err
}

// A waiting member's node that somebody else writes to is still its node.
func TestWaitingMemberWhoseNodeIsWritten(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, _ := w.member("a", 2)
		b, cli := w.member("b", 2)
		waiting := enter(t.Context(), t, a).waits()
		own := path + "/" + w.List(path)[0]
		_, err := cli.Set(t.Context(), own, []byte("x"), framework.AnyVersion)
		require.NoError(t, err)
		waiting.waits()
		second := enter(t.Context(), t, b).ok()
		left(t, waiting.ok().in, second.in)
	})
}

// The session ends: that is what a waiting member is told, though its node has gone first.
func TestWaitingMemberWhoseSessionEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, _ := w.member("a", 2)
		waiting := enter(t.Context(), t, a).waits()
		w.LoseSession("a")
		require.ErrorIs(t, waiting.result(), framework.ErrSessionLost)
	})
}

// A late member joins at the moment at which the last one leaves: either it is in the round, and is waited for, or in the next.
func TestLateMemberAtTheEndOfTheRound(t *testing.T) {
	for _, op := range []zktest.Op{zktest.OpCreate2, zktest.OpGetChildren2, zktest.OpExists, zktest.OpMulti} {
		for n := range 3 {
			t.Run(fmt.Sprint(op, n), func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) { w.lateAtTheEnd(t, op, n) })
			})
		}
	}
}

// lateAtTheEnd has the last member of a round leave while the n-th request of a kind of a late member is under way. It runs in
// a bubble.
func (w *world) lateAtTheEnd(t *testing.T, op zktest.Op, n int) {
	a, _ := w.member("a", 2)
	b, _ := w.member("b", 2)
	c, _ := w.member("c", 2)
	ins := entered(t, a, b)
	first := leave(t.Context(), t, ins[0]).waits()
	now := make(chan *call, 1)
	w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Conn.Client == "c" && f.Stage == zktest.Request && f.Op == op {
			if n--; n == -1 {
				now <- leave(t.Context(), t, ins[1])
				return zktest.DelayBy(20 * time.Millisecond)
			}
		}
		return zktest.Pass
	})
	late := enter(t.Context(), t, c)
	time.Sleep(time.Second)
	var second *call
	select {
	case second = <-now:
	default:
		second = leave(t.Context(), t, ins[1])
	}
	select {
	case <-late.done: // in the round
		require.NoError(t, late.err)
		first.waits()
		second.waits()
		left(t, late.in)
		first.ok()
		second.ok()
	default:
		first.ok()
		second.ok()
		late.waits()
		next := enter(t.Context(), t, a).ok()
		left(t, next.in, late.ok().in)
	}
	assert.Empty(t, w.List(path))
}

// Two see the sign of a round that has crashed, and both find all members there: one of them replaces it, and only once.
func TestSignIsReplacedOnce(t *testing.T) {
	for version := range 3 {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.Put(ready, "")
				cli := w.Connect("admin")
				for range version {
					_, err := cli.Set(t.Context(), ready, nil, framework.AnyVersion)
					require.NoError(t, err)
				}
				before := w.Counts()
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Request && f.Op == zktest.OpMulti {
						return zktest.DelayBy(50 * time.Millisecond) // until both have sent theirs
					}
					return zktest.Pass
				})
				a, b := enter(t.Context(), t, w.party(2)[0]), enter(t.Context(), t, barrier.NewDouble(cli, path, 2))
				left(t, a.ok().in, b.ok().in)
				assert.Greater(t, w.Counts().Sub(before).Requests[zktest.OpMulti], int64(2))
				assert.Empty(t, w.List(path))
			})
		})
	}
}

// Children that members have not made count neither in Enter nor in Leave.
func TestForeignChildrenAreNotMembers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for _, name := range []string{"config", "lock-0000000001", "_c_x", "0e4bbf95"} {
			w.raiseBeside(name)
		}
		party := w.party(2)
		first := enter(t.Context(), t, party[0]).waits()
		second := enter(t.Context(), t, party[1]).ok()
		left(t, first.ok().in, second.in)
		assert.Len(t, w.List(path), 4)
	})
}

// raiseBeside creates a child of the barrier's directory.
func (w *world) raiseBeside(name string) {
	w.t.Helper()
	if !w.Exists(path) {
		w.Put(path, "")
	}
	_, err := w.Create(path+"/"+name, nil, zktest.Persistent)
	require.NoError(w.t, err)
}

// Enter that is given up in the middle of anything leaves no node, and no watch that somebody waits for.
func TestEnterGivenUpAtAnyRequest(t *testing.T) {
	for n := range 6 {
		bubble(t, func(t *testing.T, w *world) {
			w.Put(ready, "") // left behind
			party := w.party(2)
			other := enter(t.Context(), t, party[1]).waits()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			seen := 0
			calm := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
				if f.Conn.Client == "0" && f.Stage == zktest.Request {
					if seen++; seen == n+1 {
						cancel()
					}
				}
				return zktest.Pass
			})
			_, err := party[0].Enter(ctx)
			calm()
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
			time.Sleep(time.Second)
			if err != nil {
				third := enter(t.Context(), t, party[0]).ok()
				left(t, third.in, other.ok().in)
				assert.Empty(t, w.List(path))
			}
		})
	}
}
