package barrier_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// member is a Double on a client of its own, which is named as it is.
func (w *world) member(name string, members int, opts ...barrier.DoubleOption) (*barrier.Double, *framework.Client) {
	cli := w.Connect(name)
	return barrier.NewDouble(cli, path, members, opts...), cli
}

// party is n members of a barrier for n.
func (w *world) party(n int) (list []*barrier.Double) {
	for i := range n {
		d, _ := w.member(fmt.Sprint(i), n)
		list = append(list, d)
	}
	return list
}

func TestMembersEnterAndLeaveTogether(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const n = 4
		party := w.party(n)
		var entering []*call
		for i, d := range party {
			assert.False(t, w.Exists(ready))
			entering = append(entering, enter(t.Context(), t, d))
			if i < n-1 {
				entering[i].waits()
				assert.Len(t, w.List(path), i+1)
			}
		}
		for _, c := range entering {
			c.ok()
			require.NoError(t, context.Cause(c.in.Context()))
			assert.True(t, strings.HasPrefix(c.in.Path(), path+"/_c_"), c.in.Path())
			assert.True(t, w.Exists(c.in.Path()))
		}
		assert.Len(t, w.List(path), n+1)

		var leaving []*call
		for i, c := range entering {
			require.NoError(t, context.Cause(c.in.Context()))
			leaving = append(leaving, leave(t.Context(), t, c.in))
			if i < n-1 {
				leaving[i].waits()
			}
		}
		for _, c := range leaving {
			c.ok()
		}
		assert.Empty(t, w.List(path))
		for _, c := range entering {
			assert.ErrorIs(t, context.Cause(c.in.Context()), barrier.ErrLeft)
			assert.NoError(t, c.in.Leave(t.Context()), "again")
		}
	})
}

// A member is data of nobody's: empty, and an ephemeral node; the sign is persistent.
func TestNodesOfADouble(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		d, cli := w.member("a", 1, barrier.WithID("pod 7"))
		in := entered(t, d)[0]
		assert.Regexp(t, `^`+path+`/_c_[-0-9a-f]{36}-pod 7$`, in.Path())
		dump := w.Dump()
		assert.Equal(t, zktest.Container, dump[path].Mode)
		for p, owner := range map[string]int64{in.Path(): cli.State().SessionID, ready: 0} {
			assert.Equal(t, owner, dump[p].Stat.EphemeralOwner, p)
			assert.NotNil(t, dump[p].Data, p)
			assert.Empty(t, dump[p].Data, p)
		}
		left(t, in)
	})
}

func TestCostOfADouble(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(path, "")
		a, _ := w.member("a", 2)
		b, _ := w.member("b", 2)
		late, _ := w.member("late", 2)
		ops := func(name string, before zktest.Counts) map[zktest.Op]int64 {
			return w.ClientCounts(name).Sub(before).Requests
		}
		beforeA, beforeB, beforeLate := w.ClientCounts("a"), w.ClientCounts("b"), w.ClientCounts("late")
		waiting := enter(t.Context(), t, a).waits()
		inB := entered(t, b)[0]
		waiting.ok()
		assert.Equal(t, map[zktest.Op]int64{zktest.OpExists: 3, zktest.OpCreate2: 1, zktest.OpGetChildren2: 1}, ops("a", beforeA))
		assert.Equal(t, map[zktest.Op]int64{zktest.OpExists: 2, zktest.OpCreate2: 2, zktest.OpGetChildren2: 1}, ops("b", beforeB))
		assert.EqualValues(t, 1, w.ClientCounts("a").Sub(beforeA).Events)
		inLate := entered(t, late)[0]
		assert.Equal(t, map[zktest.Op]int64{zktest.OpExists: 3, zktest.OpCreate2: 1, zktest.OpGetChildren2: 1, zktest.OpMulti: 1}, ops("late", beforeLate))
		left(t, waiting.in, inB, inLate)
	})
}

func TestCostOfLeaving(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(path, "")
		const n = 5
		party := w.party(n)
		ins := entered(t, party...)
		lowest := 0
		for i, in := range ins {
			if in.Path() < ins[lowest].Path() {
				lowest = i
			}
		}
		var before [n]zktest.Counts
		for i := range n {
			before[i] = w.ClientCounts(fmt.Sprint(i))
		}
		first := leave(t.Context(), t, ins[lowest]).waits()
		for i, in := range ins {
			if i != lowest {
				leave(t.Context(), t, in)
				time.Sleep(100 * time.Millisecond)
			}
		}
		first.ok()
		time.Sleep(100 * time.Millisecond)
		for i := range n {
			cost := w.ClientCounts(fmt.Sprint(i)).Sub(before[i])
			if i == lowest {
				assert.EqualValues(t, 1, cost.Requests[zktest.OpMulti])
				assert.LessOrEqual(t, cost.RoundTrips(), int64(2+2*(n-1)))
				continue
			}
			assert.Equal(t, map[zktest.Op]int64{zktest.OpDelete: 1, zktest.OpGetData: 1, zktest.OpGetChildren2: 2}, cost.Requests)
			assert.LessOrEqual(t, cost.Events, int64(2), "the lowest's end, and the sign's, which was watched in Enter")
		}
		assert.Empty(t, w.List(path))
	})
}

// Whoever comes while the barrier is open is let in, and waited for.
func TestLateMember(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ins := entered(t, w.party(2)...)
		d, _ := w.member("late", 2)
		late := entered(t, d)[0]
		first := leave(t.Context(), t, ins[0]).waits()
		second := leave(t.Context(), t, ins[1]).waits()
		left(t, late)
		first.ok()
		second.ok()
		assert.Empty(t, w.List(path))
	})
}

// A sign without members is what a crash has left. It lets nobody in, and does not keep the next round from beginning.
func TestSignOfACrashedRound(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(ready, "")
		_, old, err := w.Get(ready)
		require.NoError(t, err)
		party := w.party(3)
		first, second := enter(t.Context(), t, party[0]).waits(), enter(t.Context(), t, party[1]).waits()
		last := enter(t.Context(), t, party[2])
		for _, c := range []*call{first, second, last} {
			c.ok()
		}
		_, now, err := w.Get(ready)
		require.NoError(t, err)
		assert.Greater(t, now.Czxid, old.Czxid)
		left(t, first.in, second.in, last.in)
		assert.Empty(t, w.List(path))
	})
}

// The same, when somebody cleans it up: that is an event, and opens nothing.
func TestSignOfACrashedRoundIsRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(ready, "")
		party := w.party(2)
		first := enter(t.Context(), t, party[0]).waits()
		require.NoError(t, w.Delete(ready))
		first.waits()
		second := enter(t.Context(), t, party[1]).ok()
		left(t, first.ok().in, second.in)
		assert.Empty(t, w.List(path))
	})
}

// What opened a round that was over before this member joined does not let it in, though it saw the event.
func TestOpenedAndOverBeforeJoining(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(path, "")
		d, _ := w.member("a", 2)
		other := w.Connect("other").State().SessionID
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Conn.Client == "a" && f.Stage == zktest.Request && f.Op == zktest.OpCreate2 {
				_, _ = w.CreateFor(other, path+"/0e4bbf9574324b419a4905259a7202c5", nil, zktest.Ephemeral)
				_, _ = w.Create(ready, nil, zktest.Persistent)
				_, _ = w.Delete(path+"/0e4bbf9574324b419a4905259a7202c5"), w.Delete(ready)
			}
			return zktest.Pass
		})
		c := enter(t.Context(), t, d).waits()
		second, _ := w.member("b", 2)
		left(t, entered(t, second)[0], c.ok().in)
	})
}

// Nobody is missed who was there when it opened, however soon the others are through: as kazoo does, which takes the
// sign away as soon as its first member leaves.
func TestOpenedAndOverAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		d, _ := w.member("a", 2)
		c := enter(t.Context(), t, d).waits()
		w.Put(ready, "")
		require.NoError(t, w.Delete(ready))
		left(t, c.ok().in)
	})
}

func TestMemberThatDiesBeforeTheBarrierIsComplete(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		party := w.party(3)
		d, _ := w.member("mortal", 3)
		first := enter(t.Context(), t, party[0]).waits()
		dead := enter(t.Context(), t, d).waits()
		w.LoseSession("mortal")
		require.ErrorIs(t, dead.result(), framework.ErrSessionLost)
		assert.Nil(t, dead.in)
		second := enter(t.Context(), t, party[1]).waits()
		first.waits()
		third := enter(t.Context(), t, party[2]).ok()
		left(t, first.ok().in, second.ok().in, third.in)
		assert.Empty(t, w.List(path))
	})
}

func TestEnterIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		d, cli := w.member("a", 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		at := time.Now()
		c := enter(ctx, t, d).waits()
		require.ErrorIs(t, c.result(), context.DeadlineExceeded)
		assert.Equal(t, time.Second, c.at.Sub(at))
		assert.ErrorContains(t, c.err, path)
		assert.Nil(t, c.in)
		time.Sleep(10 * time.Millisecond)
		assert.Empty(t, w.List(path))

		c = enter(t.Context(), t, d).waits()
		require.Equal(t, d.Policy(), cli.Recipes()[0].Policy)
		require.NoError(t, cli.Close())
		require.ErrorIs(t, c.result(), framework.ErrClosed)
		assert.Empty(t, w.List(path))
	})
}

// Given up while the create is under way: its answer is waited for, for T/8 at most, and whatever becomes of it no node stays.
func TestEnterIsGivenUpWithTheCreateUnanswered(t *testing.T) {
	for _, stage := range []zktest.Stage{zktest.Request, zktest.Reply} {
		t.Run(stage.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.Put(path, "")
				d, _ := w.member("a", 2)
				done := false
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if !done && f.Stage == stage && f.Op == zktest.OpCreate2 {
						done = true
						return zktest.DelayBy(2 * time.Second)
					}
					return zktest.Pass
				})
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				at := time.Now()
				_, err := d.Enter(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, 50*time.Millisecond+timeout/8, time.Since(at))
				time.Sleep(5 * time.Second)
				assert.Empty(t, w.List(path))
			})
		})
	}
}

func TestArgumentsOfADouble(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		before := w.Counts()
		for name, d := range map[string]*barrier.Double{
			"members": barrier.NewDouble(cli, path, 0),
			`"a/b"`:   barrier.NewDouble(cli, path, 1, barrier.WithID("a/b")),
			`""`:      barrier.NewDouble(cli, path, 1, barrier.WithID("")),
			"U+0001":  barrier.NewDouble(cli, path, 1, barrier.WithID("\x01")),
			"/a//b":   barrier.NewDouble(cli, "/a//b", 1),
		} {
			_, err := d.Enter(t.Context())
			assert.ErrorContains(t, err, name)
			assert.ErrorContains(t, err, "double barrier "+map[bool]string{true: "/a//b", false: path}[name == "/a//b"])
		}
		assert.Zero(t, w.Counts().Sub(before).RoundTrips())
	})
}
