package node_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// gone fails the test if a node appears, or does not go within d, and stays away. It runs in a bubble.
func (w *world) gone(path string, d time.Duration) {
	w.t.Helper()
	deadline := time.Now().Add(d)
	for w.Exists(path) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	require.False(w.t, w.Exists(path), "still there after %v", d)
	time.Sleep(10 * timeout)
	require.False(w.t, w.Exists(path), "there again")
}

// dead is a context that has ended.
func dead() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestCloseCostsOneReadAndOneDelete(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "")
		cost := w.cost(func() { closed(t, k) })
		assert.Equal(t, requests{zktest.OpExists: 1, zktest.OpDelete: 1}, cost.Requests)
	})
}

// Closed while the connection is away, within the session: the node goes as soon as the servers are back.
func TestCloseWhileSuspended(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "")
		over := w.Outage()
		err := k.Close(within(t, time.Second))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorIs(t, err, framework.ErrReleasing)
		require.NoError(t, k.Err(), "it has not ended yet")
		require.ErrorIs(t, k.Set(t.Context(), nil), node.ErrKeeperClosed)
		over()
		w.WaitState(cli, framework.Reconnected)
		w.gone(path, 10*time.Millisecond)
		closed(t, k)
		assert.EqualValues(t, 1, cli.State().Epoch)
	})
}

// A Keep that has given up does not know what became of its create. In the next session another Keeper of the client makes the
// node: that one is left alone.
func TestWhatAFormerSessionHasBegunDoesNotRemoveTheNextKeepersNode(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		session := w.session(cli)
		w.parents(path)
		forget := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpCreate2 && f.Path == path {
				return zktest.Cut
			}
			return zktest.Pass
		})
		w.Refuse()
		_, err := node.Keep(within(t, time.Second), cli, path, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		forget()
		w.WaitState(cli, framework.Lost)
		w.ExpireSession(session)
		kept := make(chan *node.Keeper, 1)
		go func() {
			k, err := node.Keep(t.Context(), cli, path, []byte("next"))
			assert.NoError(t, err)
			kept <- k
		}()
		synctest.Wait()
		require.NoError(t, w.Accept())
		k := <-kept
		_, stat, err := w.Get(path)
		require.NoError(t, err)
		time.Sleep(timeout)
		_, now, err := w.Get(path)
		require.NoError(t, err)
		assert.Equal(t, stat.Czxid, now.Czxid, "it was removed, and put back")
		closed(t, k)
	})
}

// The same, and the session is lost by the clock: the ghost goes in the next one.
func TestCloseWhileLost(t *testing.T) {
	for name, whileLost := range map[string]bool{"closed while lost": true, "closed while suspended": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				k := w.keep(cli, path, "")
				over := w.Outage()
				if whileLost {
					w.WaitState(cli, framework.Lost)
				}
				require.Error(t, k.Close(dead()))
				w.WaitState(cli, framework.Lost)
				time.Sleep(time.Minute)
				over()
				w.WaitState(cli, framework.Connected)
				w.gone(path, 10*time.Millisecond)
				closed(t, k)
				assert.Empty(t, cli.Recipes())
			})
		})
	}
}

// Rebuilding is cut short: the new session has begun and the node is not there yet.
func TestCloseDuringTheRebuild(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "")
		closing := make(chan error, 1)
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpCreate2 {
				go func() { closing <- k.Close(context.Background()) }()
				return zktest.DelayBy(time.Second)
			}
			return zktest.Pass
		})
		require.True(t, w.ExpireSession(w.session(cli)))
		require.NoError(t, <-closing)
		w.gone(path, 0)
	})
}

// The first create is on its way when ctx ends: applied or not, it leaves nothing.
func TestKeepGivenUpDuringTheCreate(t *testing.T) {
	for name, stage := range map[string]zktest.Stage{"before": zktest.Request, "after": zktest.Reply} {
		t.Run("the create is held up "+name+" it is applied", func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				w.parents(path)
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == stage && f.Op == zktest.OpCreate2 {
						return zktest.DelayBy(time.Second)
					}
					return zktest.Pass
				})
				_, err := node.Keep(within(t, 100*time.Millisecond), cli, path, nil)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				w.gone(path, time.Second)
				assert.Positive(t, w.Counts().Requests[zktest.OpCreate2])
				assert.Empty(t, cli.Recipes())
			})
		})
	}
}

// The connection breaks under the create, and comes back when ctx has ended.
func TestKeepGivenUpWhileTheOutcomeIsUnknown(t *testing.T) {
	for _, mode := range []framework.Mode{framework.Ephemeral, framework.EphemeralSequential} {
		bubble(t, func(t *testing.T, w *world) {
			cli := w.Connect("a")
			w.parents(path)
			remove := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
				if f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 {
					w.Refuse()
					return zktest.Cut
				}
				return zktest.Pass
			})
			_, err := node.Keep(within(t, time.Second), cli, path, nil, node.WithMode(mode))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, framework.ErrNotConnected)
			require.Len(t, w.List("/services/orders"), 1)
			remove()
			require.NoError(t, w.Accept())
			w.WaitState(cli, framework.Reconnected)
			settle()
			assert.Empty(t, w.List("/services/orders"))
			assert.Empty(t, cli.Recipes())
			assert.EqualValues(t, 1, w.Counts().Requests[zktest.OpDelete])
		})
	}
}

// What is at the path when the outcome is unknown need not be the Keeper's: another session's node, or one of the same session
// that is older.
func TestKeepGivenUpLeavesOthersAlone(t *testing.T) {
	for name, same := range map[string]bool{"another session": false, "the same session": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli, owner := w.Connect("a"), w.Connect("other")
				w.parents(path)
				if same {
					owner = cli
					w.keep(cli, path, "theirs")
				}
				id := w.session(owner)
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage != zktest.Request || f.Op != zktest.OpCreate2 {
						return zktest.Pass
					}
					if !w.Exists(path) {
						_, err := w.CreateFor(id, path, []byte("theirs"), zktest.Ephemeral)
						assert.NoError(t, err)
					}
					return zktest.DelayBy(time.Second)
				})
				_, err := node.Keep(within(t, 100*time.Millisecond), cli, path, nil)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				time.Sleep(time.Minute)
				assert.Equal(t, "theirs", w.data(path))
				assert.Zero(t, w.Counts().Requests[zktest.OpDelete])
			})
		})
	}
}

// There has never been a connection.
func TestKeepGivenUpBeforeTheFirstSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		over := w.Outage()
		cli, err := framework.New(w.Config("a"))
		require.NoError(t, err)
		defer cli.Close()
		_, err = node.Keep(within(t, time.Minute), cli, path, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, framework.ErrNotConnected)
		synctest.Wait()
		assert.Empty(t, cli.Recipes(), "nothing waits for a connection")
		over()
		require.NoError(t, cli.WaitConnected(t.Context()))
		settle()
		assert.False(t, w.Exists(path))
	})
}

// What waits at the gate when Close comes is never sent.
func TestCloseBeforeTheCreateIsSent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "")
		require.NoError(t, w.Delete(path)) // so soon that the Keeper pauses before it creates the node again
		settle()
		over := w.Outage()
		time.Sleep(time.Second)
		require.Equal(t, framework.Suspended, cli.State().State)
		require.False(t, k.Standing().Stands)
		observed := 0
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Op == zktest.OpCreate2 {
				observed++
			}
			return zktest.Pass
		})
		require.NoError(t, k.Close(within(t, time.Millisecond)), "there is nothing to remove")
		over()
		w.WaitState(cli, framework.Reconnected)
		time.Sleep(time.Minute)
		assert.Zero(t, observed)
		assert.False(t, w.Exists(path))
	})
}

func TestCloseFromManyGoroutines(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "")
		cost := w.cost(func() {
			var calls sync.WaitGroup
			for range 20 {
				calls.Go(func() { assert.NoError(t, k.Close(t.Context())) })
			}
			calls.Wait()
		})
		assert.EqualValues(t, 1, cost.Writes())
		assert.False(t, w.Exists(path))
		require.NoError(t, k.Close(dead()), "it is done")
	})
}

// Between the loss of the name and the news of it, somebody else's node is at the path. Close asks first.
func TestCloseLeavesAnothersNodeAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "mine")
		other := w.Connect("other")
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Event && f.Conn.Client == "a" {
				return zktest.Drop
			}
			return zktest.Pass
		})
		require.NoError(t, w.Delete(path))
		w.createFor(other, path, "theirs")
		closed(t, k)
		assert.Equal(t, "theirs", w.data(path))
	})
}

// Data that was written between the look and the delete does not save the node.
func TestCloseOfANodeThatOthersWriteTo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "mine")
		writes := 0
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpDelete && writes < 3 {
				writes++
				assert.NoError(t, w.Set(path, []byte("theirs")))
			}
			return zktest.Pass
		})
		closed(t, k)
		assert.Equal(t, 3, writes)
		assert.False(t, w.Exists(path))
	})
}

func TestCloseThatIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "mine")
		_, err := w.Connect("admin").SetACL(t.Context(), "/services/orders", []framework.ACL{{Scheme: "world", ID: "anyone", Perms: 1}}, framework.AnyVersion)
		require.NoError(t, err)
		err = k.Close(t.Context())
		require.ErrorIs(t, err, framework.ErrNoAuth)
		assert.ErrorContains(t, err, path)
		require.ErrorIs(t, k.Err(), node.ErrKeeperClosed)
		require.ErrorIs(t, k.Close(t.Context()), framework.ErrNoAuth)
		require.NoError(t, cli.Close())
		assert.False(t, w.Exists(path), "the end of the session takes it along")
	})
}

func TestClientCloses(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "mine")
		p := w.keep(cli, "/static", "mine", node.WithMode(framework.Persistent))
		require.NoError(t, cli.Close())
		assert.False(t, w.Exists(path))
		assert.True(t, w.Exists("/static"))
		for _, k := range []*node.Keeper{k, p} {
			<-k.Done()
			require.ErrorIs(t, k.Err(), framework.ErrClosed)
			require.ErrorIs(t, k.Standing().Err, framework.ErrClosed)
			require.ErrorIs(t, k.Set(t.Context(), nil), framework.ErrClosed)
			require.ErrorIs(t, k.WaitStanding(t.Context()), framework.ErrClosed)
		}
		require.NoError(t, k.Close(t.Context()))
		require.ErrorIs(t, p.Close(t.Context()), framework.ErrClosed, "its node is still there")
		_, err := node.Keep(t.Context(), cli, path, nil)
		require.ErrorIs(t, err, framework.ErrClosed)
	})
}

// The client is closed while a Keeper still has its node to remove.
func TestClientClosesDuringARemoval(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "mine")
		over := w.Outage()
		require.Error(t, k.Close(dead()))
		require.NoError(t, cli.Close())
		<-k.Done()
		require.NoError(t, k.Close(t.Context()))
		over()
		w.gone(path, 2*timeout)
	})
}
