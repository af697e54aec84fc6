package barrier_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/zktest"
)

// foreign puts up a member's node as Curator does, which uses the same name again in the next round. The session is that of
// a client which does nothing else.
func (w *world) foreign(session int64, name string) {
	w.t.Helper()
	_, err := w.CreateFor(session, path+"/"+name, []byte("127.0.0.1"), zktest.Ephemeral)
	require.NoError(w.t, err)
}

// again has a foreign member leave and join once more, at once.
func (w *world) again(session int64, name string) {
	w.t.Helper()
	require.NoError(w.t, w.Delete(path+"/"+name))
	w.foreign(session, name)
}

func TestForeignMembersCount(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		d, _ := w.member("a", 3)
		c := enter(t.Context(), t, d).waits()
		session := w.Connect("foreign").State().SessionID
		w.foreign(session, "0e4bbf95-7432-4b41-9a49-05259a7202c5")
		w.foreign(session, "0e4bbf9574324b419a4905259a7202c5")
		c.waits() // it is for the last one who joins to open the barrier
		_, err := w.Create(ready, []byte("127.0.0.1"), zktest.Persistent)
		require.NoError(t, err)
		c.ok()
		second, _ := w.member("b", 3)
		entered(t, second)
	})
}

// A member that has left and joined the next round has left this one, though its node is there, under the same name.
func TestForeignMemberOfTheNextRound(t *testing.T) {
	for name, away := range map[string]bool{"seen": false, "missed": true} {
		for _, member := range []string{"0e4bbf95-7432-4b41-9a49-05259a7202c5", "fe4bbf9574324b419a4905259a7202c5"} {
			t.Run(name+" "+member, func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					d, _ := w.member("a", 1)
					in := entered(t, d)[0]
					session := w.Connect("foreign").State().SessionID
					w.foreign(session, member)
					c := leave(t.Context(), t, in).waits()
					if away {
						w.Blip("a", func() { w.again(session, member) })
					} else {
						w.again(session, member)
					}
					c.ok()
					assert.False(t, w.Exists(in.Path()))
				})
			})
		}
	}
}

// The same, between the list and the look.
func TestForeignMemberIsQuick(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		d, _ := w.member("a", 1)
		in := entered(t, d)[0]
		session := w.Connect("foreign").State().SessionID
		w.foreign(session, "0e4bbf95-7432-4b41-9a49-05259a7202c5")
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpGetData {
				w.again(session, "0e4bbf95-7432-4b41-9a49-05259a7202c5")
			}
			return zktest.Pass
		})
		left(t, in)
	})
}

// kazoo removes the sign when its first member leaves, at any time.
func TestForeignMemberRemovesTheSign(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ins := entered(t, w.party(1)...)
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpMulti {
				_ = w.Delete(ready)
			}
			return zktest.Pass
		})
		left(t, ins[0])
		assert.Empty(t, w.List(path))

		ins = entered(t, w.party(2)...)
		require.NoError(t, w.Delete(ready))
		left(t, ins...)
		assert.Empty(t, w.List(path))
	})
}

// The leftover is replaced by a transaction whose answer is lost, or which comes too late.
func TestReplacementOfALeftoverSign(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(ready, "")
		w.LoseReply(zktest.OpMulti, 1)
		ins := entered(t, w.party(2)...)
		w.LoseReply(zktest.OpMulti, 1)
		left(t, ins...)
		assert.Empty(t, w.List(path))

		w.Put(ready, "")
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpMulti {
				_ = w.Delete(ready)
			}
			return zktest.Pass
		})
		left(t, entered(t, w.party(2)...)...)
		assert.Empty(t, w.List(path))
	})
}

// Nobody waits in Leave for a node that it has left behind itself.
func TestLeaveBesideTheMembersOwnLeftover(t *testing.T) {
	bubbleWith(t, zktest.Config{TickTime: 40 * time.Second, MinSessionTimeout: time.Second}, func(t *testing.T, w *world) {
		d, cli := w.member("a", 1, barrier.WithID("worker"))
		in := entered(t, d)[0]
		heal := w.Silence("a")
		<-in.Context().Done()
		heal()
		require.NoError(t, cli.WaitConnected(t.Context()))
		again := entered(t, d)[0]
		require.Len(t, w.List(path), 3)
		at := time.Now()
		left(t, again)
		assert.Less(t, time.Since(at), time.Second)
		assert.True(t, w.Exists(in.Path()))
	})
}
