package barrier_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// What a Double declares is what it does: it outlasts SUSPENDED, and ends with LOST.
func TestInsideThroughADisconnectionAndALoss(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		require.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop}, w.party(1)[0].Policy())
		a, cli := w.member("a", 2)
		b, _ := w.member("b", 2)
		ins := entered(t, a, b)
		w.Blip("a", func() { assert.Equal(t, framework.Suspended, cli.State().State) })
		require.NoError(t, cli.WaitConnected(t.Context()))
		require.NoError(t, context.Cause(ins[0].Context()))
		assert.True(t, w.Exists(ins[0].Path()))

		leaving := leave(t.Context(), t, ins[1]).waits()
		w.LoseSession("a")
		assert.ErrorIs(t, context.Cause(ins[0].Context()), framework.ErrSessionLost)
		leaving.ok()
		before := w.Counts()
		err := ins[0].Leave(t.Context())
		require.ErrorIs(t, err, framework.ErrSessionLost)
		assert.ErrorContains(t, err, ins[0].Path())
		assert.Zero(t, w.Counts().Sub(before).RoundTrips())
		assert.Empty(t, w.List(path))
		left(t, entered(t, a, b)...)
	})
}

func TestEnterThroughABriefDisconnection(t *testing.T) {
	for name, meanwhile := range map[string]bool{"nothing happens": false, "it is opened": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				a, cli := w.member("a", 2)
				b, _ := w.member("b", 2)
				first := enter(t.Context(), t, a).waits()
				var second *call
				w.Blip("a", func() {
					if meanwhile {
						second = enter(t.Context(), t, b).ok()
						second = leave(t.Context(), t, second.in).waits()
					}
				})
				require.NoError(t, cli.WaitConnected(t.Context()))
				if !meanwhile {
					first.waits()
					second = enter(t.Context(), t, b).ok()
					second = leave(t.Context(), t, second.in)
				}
				left(t, first.ok().in)
				second.ok()
				assert.EqualValues(t, 1, cli.State().Epoch)
				assert.Empty(t, w.List(path))
			})
		})
	}
}

// The servers keep a dead session's node for a while. It must not count beside the one that the same member has now.
func TestMemberCountsOnceAcrossItsSessions(t *testing.T) {
	for name, opts := range map[string][]barrier.DoubleOption{
		"the same Double": nil,
		"the same WithID": {barrier.WithID("worker 3")},
	} {
		t.Run(name, func(t *testing.T) {
			// Sessions end late.
			bubbleWith(t, zktest.Config{TickTime: 40 * time.Second, MinSessionTimeout: time.Second}, func(t *testing.T, w *world) {
				a, cli := w.member("a", 2, opts...)
				first := enter(t.Context(), t, a).waits()
				held := w.holdDeletes()
				heal := w.Silence("a")
				require.ErrorIs(t, first.result(), framework.ErrSessionLost)
				heal()
				require.NoError(t, cli.WaitConnected(t.Context()))
				if opts != nil {
					a, _ = w.member("restarted", 2, opts...)
				}
				again := enter(t.Context(), t, a).waits()
				require.Len(t, w.List(path), 2, "the ghost is still there")
				b, _ := w.member("b", 2)
				second := enter(t.Context(), t, b).ok()
				held()
				left(t, again.ok().in, second.in)
				assert.Empty(t, w.List(path))
			})
		})
	}
}

// holdDeletes makes the servers lose deletes, and with the result the connections they came on, so that they are repeated.
func (w *world) holdDeletes() (lose func()) {
	stop := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request && f.Op == zktest.OpDelete {
			return zktest.Drop
		}
		return zktest.Pass
	})
	return func() {
		stop()
		w.Cut(zktest.AllConns())
	}
}

// Nor does one whose removal is still under way.
func TestMemberCountsOnceWithARemovalUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, _ := w.member("a", 2)
		held := w.holdDeletes()
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := a.Enter(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		c := enter(t.Context(), t, a).waits()
		require.Len(t, w.List(path), 3)
		b, _ := w.member("b", 2)
		second := enter(t.Context(), t, b).ok()
		held()
		left(t, c.ok().in, second.in)
		assert.Empty(t, w.List(path))
	})
}

func TestMemberThatDiesInside(t *testing.T) {
	for _, dying := range []string{"lowest", "highest"} {
		t.Run(dying, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				const n = 3
				party := w.party(n)
				ins := entered(t, party...)
				victim := 0
				for i := range ins {
					if (ins[i].Path() < ins[victim].Path()) == (dying == "lowest") {
						victim = i
					}
				}
				var leaving []*call
				for i := range ins {
					if i != victim {
						leaving = append(leaving, leave(t.Context(), t, ins[i]).waits())
					}
				}
				w.LoseSession(fmt.Sprint(victim))
				for _, c := range leaving {
					c.ok()
				}
				time.Sleep(10 * time.Millisecond)
				// A member without a node cannot tell one sign from the next, so it does not remove any.
				assert.Equal(t, dying == "lowest", w.Exists(ready))
				left(t, entered(t, party...)...)
				assert.Empty(t, w.List(path))
			})
		})
	}
}

func TestLeaveIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ins := entered(t, w.party(3)...)
		for i := range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			at := time.Now()
			c := leave(ctx, t, ins[i]).waits()
			require.ErrorIs(t, c.result(), context.DeadlineExceeded)
			assert.Equal(t, time.Second, c.at.Sub(at))
			time.Sleep(10 * time.Millisecond)
			assert.False(t, w.Exists(ins[i].Path()))
			assert.ErrorIs(t, ins[i].Leave(t.Context()), context.DeadlineExceeded, "the same again")
		}
		left(t, ins[2])
		assert.Empty(t, w.List(path))
	})
}

// With a ctx that is over already, too.
func TestLeaveWithoutWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ins := entered(t, w.party(2)...)
		now, cancel := context.WithCancel(t.Context())
		cancel()
		at := time.Now()
		require.ErrorIs(t, ins[0].Leave(now), context.Canceled)
		assert.Zero(t, time.Since(at))
		left(t, ins[1])
		assert.Empty(t, w.List(path))
	})
}

func TestSecondLeaveWaitsForTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ins := entered(t, w.party(2)...)
		first := leave(t.Context(), t, ins[0]).waits()
		second := leave(t.Context(), t, ins[0]).waits()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, ins[0].Leave(ctx), context.DeadlineExceeded)
		left(t, ins[1])
		first.ok()
		second.ok()
	})
}

// Leave does not wait for a session to come when its own is over.
func TestLeaveWhenTheSessionIsLostAndNoOtherComes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ins := entered(t, w.party(2)...)
		w.Refuse()
		w.Cut(zktest.AllConns())
		time.Sleep(time.Second)
		at := time.Now()
		require.ErrorIs(t, ins[0].Leave(t.Context()), framework.ErrSessionLost)
		assert.LessOrEqual(t, time.Since(at), timeout)
		require.NoError(t, w.Accept())
	})
}

func TestCloseInside(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, cli := w.member("a", 2)
		b, _ := w.member("b", 2)
		ins := entered(t, a, b)
		c := leave(t.Context(), t, ins[0]).waits()
		require.NoError(t, cli.Close())
		require.ErrorIs(t, c.result(), framework.ErrClosed)
		left(t, ins[1])
		assert.Empty(t, w.List(path))
	})
}

func TestNodeIsDeletedByOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ins := entered(t, w.party(2)...)
		require.NoError(t, w.Delete(ins[0].Path()))
		left(t, ins[1])
		err := ins[0].Leave(t.Context())
		require.ErrorIs(t, err, barrier.ErrDeleted)
		assert.ErrorContains(t, err, ins[0].Path())
		assert.Empty(t, w.List(path))
	})
}

// Deleted between the create and the list: Enter must not count on it.
func TestNodeIsDeletedByOthersInEnter(t *testing.T) {
	for name, all := range map[string]bool{"the node": false, "the directory": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Request && f.Op == zktest.OpGetChildren2 {
						for _, name := range w.List(path) {
							_ = w.Delete(path + "/" + name)
						}
						if all {
							_ = w.Delete(path)
						}
					}
					return zktest.Pass
				})
				_, err := w.party(1)[0].Enter(t.Context())
				require.ErrorIs(t, err, barrier.ErrDeleted)
				assert.Empty(t, w.List(path))
			})
		})
	}
}
