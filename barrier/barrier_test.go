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

func wait(ctx context.Context, t *testing.T, b *barrier.Barrier) *call {
	return start(t, func(*call) error { return b.Wait(ctx) })
}

func TestWaitAtAnOpenBarrier(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := barrier.New(w.Connect("a"), path)
		before := w.Counts()
		require.NoError(t, b.Wait(t.Context()))
		cost := w.Counts().Sub(before)
		assert.Equal(t, map[zktest.Op]int64{zktest.OpSync: 1, zktest.OpGetData: 1}, cost.Requests)
		assert.Zero(t, cost.Watches, "on a node that is not there none is left")
	})
}

func TestRemoveLetsEverybodyGo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := barrier.New(w.Connect("setter"), path)
		before := w.Counts()
		require.NoError(t, b.Set(t.Context()))
		cost := w.Counts().Sub(before)
		assert.EqualValues(t, 2, cost.Requests[zktest.OpCreate2], "the second when the parent was there")
		require.NoError(t, b.Set(t.Context()), "twice")
		data, stat, err := w.Get(path)
		require.NoError(t, err)
		assert.NotNil(t, data)
		assert.Empty(t, data)
		assert.Zero(t, stat.EphemeralOwner)

		before = w.Counts()
		const clients, each = 3, 2
		var calls []*call
		for i := range clients {
			cli := w.Connect(fmt.Sprint(i))
			for range each {
				calls = append(calls, wait(t.Context(), t, barrier.New(cli, path)).waits())
			}
		}
		cost = w.Counts().Sub(before)
		assert.EqualValues(t, clients*each*2, cost.RoundTrips())
		assert.EqualValues(t, clients, cost.Watches, "one for all in one process")
		before = w.Counts()
		require.NoError(t, b.Remove(t.Context()))
		for _, c := range calls {
			c.ok()
		}
		cost = w.Counts().Sub(before)
		assert.EqualValues(t, 1, cost.RoundTrips(), "the removal")
		assert.EqualValues(t, clients, cost.Events)
		require.NoError(t, b.Remove(t.Context()), "twice")
	})
}

// A removal counts even if the barrier is set again before anybody could look.
func TestRemovedAndSetAgainAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(path, "")
		c := wait(t.Context(), t, barrier.New(w.Connect("a"), path)).waits()
		require.NoError(t, w.Delete(path))
		w.Put(path, "")
		c.ok()
		assert.True(t, w.Exists(path))
	})
}

func TestRemovedAndSetAgainWhileAway(t *testing.T) {
	for name, c := range map[string]struct {
		lost, removed, want bool
	}{
		"the session lives":                {false, true, true},
		"the session is lost":              {true, true, true},
		"not removed, the session lives":   {false, false, false},
		"not removed, the session is lost": {true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.Put(path, "")
				cli := w.Connect("a")
				session := cli.State().SessionID
				waiting := wait(t.Context(), t, barrier.New(cli, path)).waits()
				w.Blip("a", func() {
					if c.lost {
						w.ExpireSession(session)
					}
					if c.removed {
						require.NoError(t, w.Delete(path))
						w.Put(path, "")
					}
					require.NoError(t, w.Set(path, []byte("changed")))
				})
				require.NoError(t, cli.WaitConnected(t.Context()))
				if c.want {
					waiting.ok()
				} else {
					waiting.waits()
					require.NoError(t, w.Delete(path))
					waiting.ok()
				}
				assert.Equal(t, c.lost, cli.State().Epoch == 2)
			})
		})
	}
}

// Somebody who writes to the node lets nobody go.
func TestChangeOfDataDoesNotOpenTheBarrier(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(path, "")
		c := wait(t.Context(), t, barrier.New(w.Connect("a"), path)).waits()
		for range 3 {
			require.NoError(t, w.Set(path, []byte("127.0.0.1")))
			c.waits()
		}
		require.NoError(t, w.Delete(path))
		c.ok()
	})
}

// A server that has not seen the barrier set yet must not let anybody through: the first look is behind a sync, in each session.
func TestEverySessionBeginsWithASync(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(path, "")
		cli := w.Connect("a")
		before := w.Counts()
		c := wait(t.Context(), t, barrier.New(cli, path)).waits()
		w.LoseSession("a")
		c.waits()
		assert.EqualValues(t, 2, w.Counts().Sub(before).Requests[zktest.OpSync])
		require.NoError(t, w.Delete(path))
		c.ok()
	})
}

func TestEndOfAWait(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(path, "")
		cli := w.Connect("a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		at := time.Now()
		c := wait(ctx, t, barrier.New(cli, path)).waits()
		require.ErrorIs(t, c.result(), context.DeadlineExceeded)
		assert.Equal(t, time.Minute, c.at.Sub(at))
		assert.ErrorContains(t, c.err, path)

		c = wait(t.Context(), t, barrier.New(cli, path)).waits()
		require.Len(t, cli.Recipes(), 1)
		assert.Equal(t, path, cli.Recipes()[0].Path)
		assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}, cli.Recipes()[0].Policy)
		assert.Equal(t, barrier.New(cli, path).Policy(), cli.Recipes()[0].Policy)
		require.NoError(t, cli.Close())
		require.ErrorIs(t, c.result(), framework.ErrClosed)
	})
}

func TestWaitHonoursItsDeadlineWhileTheServerHangs(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(path, "")
		cli := w.Connect("a")
		defer w.Silence("a")()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		at := time.Now()
		require.ErrorIs(t, barrier.New(cli, path).Wait(ctx), context.DeadlineExceeded)
		assert.Equal(t, 50*time.Millisecond, time.Since(at))
	})
}

func TestInvalidPath(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := barrier.New(w.Connect("a"), "/a//b")
		for _, err := range []error{b.Set(t.Context()), b.Remove(t.Context()), b.Wait(t.Context())} {
			assert.ErrorIs(t, err, framework.ErrInvalidPath)
			assert.ErrorContains(t, err, "/a//b")
		}
	})
}

// A barrier is one state, whoever wanted it: with a lost answer it is looked at.
func TestSetAndRemoveWithALostAnswer(t *testing.T) {
	for _, stage := range []zktest.Stage{zktest.Request, zktest.Reply} {
		t.Run(stage.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				b := barrier.New(w.Connect("a"), "/b")
				cut := 0
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == stage && f.Path == "/b" && (f.Op == zktest.OpCreate2 || f.Op == zktest.OpDelete) && cut%2 == 0 {
						cut++
						return zktest.Cut
					}
					return zktest.Pass
				})
				require.NoError(t, b.Set(t.Context()))
				assert.True(t, w.Exists("/b"))
				require.Equal(t, 1, cut)
				cut++
				require.NoError(t, b.Remove(t.Context()))
				assert.False(t, w.Exists("/b"))
				require.Equal(t, 3, cut)
			})
		})
	}
}

func TestRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		owner := w.Connect("owner", func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("me:s3cr3t")}}
		})
		_, err := owner.Create(t.Context(), "/mine", nil, framework.WithACL(framework.CreatorACL()))
		require.NoError(t, err)
		_, err = owner.Create(t.Context(), "/mine/b", nil, framework.WithACL(framework.CreatorACL()))
		require.NoError(t, err)
		cli := w.Connect("a")
		assert.ErrorIs(t, barrier.New(cli, "/mine/c").Set(t.Context()), framework.ErrNoAuth)
		assert.ErrorIs(t, barrier.New(cli, "/mine/b").Remove(t.Context()), framework.ErrNoAuth)
		assert.ErrorIs(t, barrier.New(cli, "/mine/b").Wait(t.Context()), framework.ErrNoAuth)
		_, err = barrier.NewDouble(cli, "/mine/d", 1).Enter(t.Context())
		assert.ErrorIs(t, err, framework.ErrNoAuth)
	})
}
