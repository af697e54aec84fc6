package node_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

func TestSet(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "one")
		data := []byte("two")
		cost := w.cost(func() {
			require.NoError(t, k.Set(t.Context(), data))
			assert.Equal(t, "two", w.data(path))
			copy(data, "xxx")
			settle()
		})
		assert.Equal(t, requests{zktest.OpSetData: 1}, cost.Requests)
		assert.Zero(t, cost.Events)
		w.expire(cli)
		standing(t, k)
		assert.Equal(t, "two", w.data(path), "also in the next session")
		require.NoError(t, k.Set(t.Context(), nil))
		got, _, err := w.Get(path)
		require.NoError(t, err)
		assert.Equal(t, []byte{}, got, "null data breaks readers in other languages")
		closed(t, k)
	})
}

// A Set that is asked for while the connection is away is done when it is back.
func TestSetOverAnOutage(t *testing.T) {
	for name, outage := range map[string]time.Duration{"same session": timeout / 2, "next session": 3 * timeout} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				k := w.keep(cli, path, "one")
				over := w.Outage()
				set := make(chan error, 1)
				go func() { set <- k.Set(t.Context(), []byte("two")) }()
				time.Sleep(outage)
				assert.Empty(t, set)
				over()
				require.NoError(t, <-set)
				assert.Equal(t, "two", w.data(path))
				closed(t, k)
			})
		})
	}
}

// What ctx cuts short is still wanted.
func TestSetGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "one")
		over := w.Outage()
		err := k.Set(within(t, time.Second), []byte("two"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, path)
		over()
		w.WaitState(cli, framework.Reconnected)
		settle()
		assert.Equal(t, "two", w.data(path))
		closed(t, k)
	})
}

// However many set at once, through cuts and expiries, the last one stands, and every call returns.
func TestTheLastSetWins(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "none")
		var calls sync.WaitGroup
		for i := range 200 {
			calls.Go(func() { assert.NoError(t, k.Set(t.Context(), fmt.Append(nil, i))) })
			switch {
			case i%40 == 20:
				w.ExpireSession(w.session(cli))
			case i%10 == 0:
				w.LoseReply(zktest.OpSetData, 1)
			}
			time.Sleep(time.Duration(i%3) * time.Millisecond)
		}
		require.NoError(t, k.Set(t.Context(), []byte("last")))
		assert.Equal(t, "last", w.data(path))
		calls.Wait()
		time.Sleep(time.Minute)
		assert.Equal(t, "last", w.data(path))
		closed(t, k)
	})
}

// The answer is lost, applied or not.
func TestSetWithALostAnswer(t *testing.T) {
	for name, stage := range map[string]zktest.Stage{"not applied": zktest.Request, "applied": zktest.Reply} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				k := w.keep(w.Connect("a"), path, "one")
				once := true
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == stage && f.Op == zktest.OpSetData && once {
						once = false
						return zktest.Cut
					}
					return zktest.Pass
				})
				require.NoError(t, k.Set(t.Context(), []byte("two")))
				assert.Equal(t, "two", w.data(path))
				require.NoError(t, k.Set(t.Context(), []byte("three")))
				assert.Equal(t, "three", w.data(path))
				closed(t, k)
			})
		})
	}
}

// A set that hangs in the network when its session ends reaches the server after the next session has put up its node, with the
// version that the old set asked for. What the Keeper was told last stands in the end.
func TestSetThatComesLate(t *testing.T) {
	bubbleWith(t, zktest.Config{TickTime: 8 * time.Second}, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "one")
		old := w.session(cli)
		first := w.Conns()[0].ID
		late := w.Blackhole(func(c zktest.ConnInfo) bool { return c.ID == first }, zktest.ToServer)
		heal := w.Silence("a")
		require.Error(t, k.Set(within(t, time.Second), []byte("late")))
		require.Error(t, k.Set(within(t, time.Second), []byte("last")))
		w.WaitState(cli, framework.Lost)
		heal()
		standing(t, k)
		settle()
		require.Contains(t, w.sessions(), old)
		require.Equal(t, "last", w.data(path))
		_, before, err := w.Get(path)
		require.NoError(t, err)
		late()
		settle()
		_, after, err := w.Get(path)
		require.NoError(t, err)
		require.Equal(t, before.Version+2, after.Version, "it did come, and was put right")
		assert.Equal(t, "last", w.data(path))
		closed(t, k)
	})
}

// What others write is left alone, costs nothing, and goes with the next Set or the next session.
func TestDataWrittenByOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "mine")
		cost := w.cost(func() {
			for range 3 {
				require.NoError(t, w.Set(path, []byte("theirs")))
				time.Sleep(time.Minute)
			}
		})
		assert.Empty(t, unchecked(t, cost, 1, 3*time.Minute))
		assert.Equal(t, "theirs", w.data(path))
		w.expire(cli)
		standing(t, k)
		assert.Equal(t, "mine", w.data(path))

		require.NoError(t, w.Set(path, []byte("theirs")))
		settle()
		require.NoError(t, k.Set(t.Context(), []byte("new")))
		assert.Equal(t, "new", w.data(path))
		closed(t, k)
	})
}

// The node was replaced by somebody else's, and the news is not there yet: the Set leaves it alone.
func TestSetLeavesAnothersNodeAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "one")
		require.NoError(t, k.Set(t.Context(), []byte("two")))
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Event && f.Conn.Client == "a" {
				return zktest.DelayBy(time.Second)
			}
			return zktest.Pass
		})
		require.NoError(t, w.Delete(path))
		w.createFor(w.Connect("other"), path, "theirs")
		require.ErrorIs(t, k.Set(within(t, time.Minute), []byte("three")), context.DeadlineExceeded)
		assert.Equal(t, "theirs", w.data(path))
		require.ErrorIs(t, k.Standing().Err, node.ErrTaken)
		require.NoError(t, w.Delete(path))
		standing(t, k)
		assert.Equal(t, "three", w.data(path))
		closed(t, k)
	})
}

// Data that cannot be written is the error of whoever asked for it. The node keeps what it had, in the next session too.
func TestSetThatIsRefused(t *testing.T) {
	huge := bytes.Repeat([]byte("x"), framework.DefaultMaxRequestSize)
	t.Run("too large", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			cli := w.Connect("a")
			k := w.keep(cli, path, "one")
			require.ErrorIs(t, k.Set(t.Context(), huge), framework.ErrTooLarge)
			assert.True(t, k.Standing().Stands)
			w.expire(cli)
			standing(t, k)
			assert.Equal(t, "one", w.data(path))
			require.NoError(t, k.Set(t.Context(), []byte("two")))
			closed(t, k)
		})
	})
	t.Run("too large for the next session", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			cli := w.Connect("a")
			k := w.keep(cli, path, "one")
			over := w.Outage()
			w.WaitState(cli, framework.Lost)
			set := make(chan error, 1)
			go func() { set <- k.Set(t.Context(), huge) }()
			settle()
			over()
			require.ErrorIs(t, <-set, framework.ErrTooLarge)
			standing(t, k)
			assert.Equal(t, "one", w.data(path))
			closed(t, k)
		})
	})
	t.Run("not allowed", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) {
			readOnly := []framework.ACL{{Scheme: "world", ID: "anyone", Perms: 1}}
			k := w.keep(w.Connect("a"), path, "one", node.WithACL(readOnly))
			require.ErrorIs(t, k.Set(t.Context(), []byte("two")), framework.ErrNoAuth)
			assert.Equal(t, "one", w.data(path))
			assert.True(t, k.Standing().Stands)
			closed(t, k)
		})
	})
}

func TestSetAgainstClose(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "one")
		over := w.Outage()
		set := make(chan error, 1)
		go func() { set <- k.Set(t.Context(), []byte("two")) }()
		settle()
		require.Error(t, k.Close(dead()))
		require.ErrorIs(t, <-set, node.ErrKeeperClosed, "it does not wait for the removal")
		over()
		closed(t, k)
	})
}
