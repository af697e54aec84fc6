package lock_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// Packets vanish in silence: the holder gives up before the servers let anybody else in.
func TestSilenceEndsTheHolderFirst(t *testing.T) {
	policies := map[string][]lock.Option{"cancel": nil, "hold": {lock.Hold(0)}}
	directions := map[string]zktest.Direction{"both": zktest.Both, "to server": zktest.ToServer, "to client": zktest.ToClient}
	for policy, opts := range policies {
		for way, direction := range directions {
			t.Run(policy+"/"+way, func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					held := locked(t, lock.New(w.Connect("a"), path, opts...))
					waiting := w.queued(t.Context(), lock.New(w.Connect("b"), path), 2)
					time.Sleep(5 * timeout)
					silent := time.Now()
					w.Blackhole(zktest.ClientConns("a"), direction)

					cause := waitOver(t, held, 2*timeout)
					over := time.Now()
					assert.Empty(t, waiting, "somebody else holds already")
					if policy == "hold" {
						assert.ErrorIs(t, cause, framework.ErrUntrusted)
						assert.LessOrEqual(t, over, silent.Add(timeout*3/4))
						assert.Greater(t, over, silent.Add(timeout*3/4-timeout/3), "a ping every third of the timeout")
					}
					next := <-waiting
					require.NoError(t, next.err)
					assert.Greater(t, next.at, over.Add(timeout/4-time.Second))
					assert.Greater(t, next.held.Token(), held.Token())
				})
			})
		}
	}
}

// Without Hold a broken connection ends a Held at once, with Hold only if it lasts.
func TestHoldSurvivesABriefDisconnection(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		kept, given := locked(t, lock.New(cli, "/locks/kept", lock.Hold(0))), locked(t, lock.New(cli, "/locks/given"))
		session := w.session(cli)
		w.cut("a")
		assert.ErrorIs(t, waitOver(t, given, time.Second), framework.ErrSuspended)
		require.NoError(t, cli.WaitConnected(t.Context()))
		assert.Equal(t, session, w.session(cli))
		time.Sleep(5 * timeout)
		alive(t, kept)
		_, err := kept.Set(t.Context(), "/locks", nil, framework.AnyVersion)
		assert.NoError(t, err)
		require.NoError(t, kept.Unlock(t.Context()))
	})
}

func TestGraceBoundsHold(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const grace = timeout / 5
		cli := w.Connect("a")
		short, long := locked(t, lock.New(cli, "/locks/short", lock.Hold(grace))), locked(t, lock.New(cli, "/locks/long", lock.Hold(timeout)))
		w.Refuse()
		w.cut("a")
		at := time.Now()
		cause := waitOver(t, short, timeout)
		assert.ErrorIs(t, cause, framework.ErrSuspended)
		assert.ErrorContains(t, cause, "grace of 2s")
		assert.InDelta(t, grace, time.Since(at), float64(time.Millisecond))
		assert.ErrorIs(t, waitOver(t, long, timeout), framework.ErrUntrusted, "trust bounds any grace")
		assert.LessOrEqual(t, time.Since(at), timeout*3/4)
	})
}

// A blip that is shorter than the grace leaves no clock ticking.
func TestGraceStartsOverWithEveryDisconnection(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		held := locked(t, lock.New(cli, path, lock.Hold(timeout/2)))
		for range 10 {
			w.Refuse()
			w.cut("a")
			time.Sleep(timeout / 8)
			require.NoError(t, w.Accept())
			require.NoError(t, cli.WaitConnected(t.Context()))
			time.Sleep(timeout / 8)
			alive(t, held)
		}
	})
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, err := lock.New(w.Connect("a"), path, lock.Hold(-time.Second)).Lock(t.Context())
		assert.ErrorContains(t, err, "Grace must not be negative")
		assert.ErrorContains(t, err, path)
	})
}

func TestPolicies(t *testing.T) {
	m := lock.New(nil, path)
	assert.Equal(t, framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Stop}, m.Policy())
	assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}, m.WaitPolicy())
	m = lock.New(nil, path, lock.Hold(time.Second), lock.StopOnLost())
	assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop, Grace: time.Second}, m.Policy())
	assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop}, m.WaitPolicy())
}

// The process of the holder stands still, and its packets with it, until long after its session has ended. What it sends
// when it wakes up is refused by the servers, and a resource that compares tokens refuses it as well.
func TestHolderThatWakesUpTooLate(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, err := w.Create("/account", nil, zktest.Persistent)
		require.NoError(t, err)
		stale := locked(t, lock.New(w.Connect("a"), path))
		waiting := w.queued(t.Context(), lock.New(w.Connect("b"), path), 2)
		heal := w.Silence("a")
		next := <-waiting
		require.NoError(t, next.err)
		heal()

		assert.Less(t, stale.Token(), next.held.Token())
		_, err = stale.Set(t.Context(), "/account", []byte("stale"), framework.AnyVersion)
		assert.ErrorIs(t, err, lock.ErrNotHeld)
		_, err = w.Connect("c").Multi(t.Context(), []framework.Op{stale.Check(), framework.SetOp("/account", []byte("stale"), framework.AnyVersion)})
		var refused *framework.MultiError
		require.ErrorAs(t, err, &refused, "the servers alone refuse it, whoever asks")
		assert.Zero(t, refused.Index)
		_, err = next.held.Set(t.Context(), "/account", []byte("fresh"), framework.AnyVersion)
		assert.NoError(t, err)
		data, _, err := w.Get("/account")
		require.NoError(t, err)
		assert.Equal(t, "fresh", string(data))
	})
}

func TestDeletedNodeEndsTheHeldAtOnce(t *testing.T) {
	for name, age := range map[string]time.Duration{"just locked": 0, "before its watch": 15 * time.Millisecond, "later": time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				held := locked(t, lock.New(w.Connect("a"), path))
				waiting := start(t.Context(), lock.New(w.Connect("b"), path))
				time.Sleep(age)
				require.NoError(t, w.Delete(held.Path()))
				at := time.Now()
				cause := waitOver(t, held, time.Second)
				assert.ErrorIs(t, cause, lock.ErrDeleted)
				assert.ErrorContains(t, cause, held.Path())
				assert.Less(t, time.Since(at), 25*time.Millisecond)
				next := <-waiting
				require.NoError(t, next.err)
				assert.ErrorIs(t, held.Unlock(t.Context()), lock.ErrDeleted)
				time.Sleep(time.Second)
				alive(t, next.held)
			})
		})
	}
}

// Whoever unlocks before the deletion was seen is told by the servers' answer.
func TestUnlockFindsTheNodeDeleted(t *testing.T) {
	for name, opts := range map[string][]lock.Option{"plain": nil, "shared": {lock.Shared()}, "handover": {lock.LocalHandover(3)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				m := lock.New(w.Connect("a"), path, opts...)
				held := locked(t, m)
				require.NoError(t, w.Delete(held.Path()))
				err := held.Unlock(t.Context())
				assert.ErrorIs(t, err, lock.ErrDeleted)
				assert.ErrorContains(t, err, held.Path())
				err = lock.Do(t.Context(), m, func(_ context.Context, held *lock.Held) error { return w.Delete(held.Path()) })
				assert.ErrorIs(t, err, lock.ErrLost)
				assert.ErrorIs(t, err, lock.ErrDeleted)
				time.Sleep(time.Second)
				assert.Empty(t, w.List(path))
			})
		})
	}
}

// The watch on the node is in place again after a reconnect, and after an event that was no deletion.
func TestDeletedNodeIsNoticedAfterADisconnectionAndAfterAWrite(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path, lock.Hold(0)))
		time.Sleep(time.Second)
		require.NoError(t, w.Set(held.Path(), []byte("graffiti")))
		time.Sleep(time.Second)
		alive(t, held)
		w.Refuse()
		w.cut("a")
		require.NoError(t, w.Delete(held.Path()))
		time.Sleep(time.Second)
		alive(t, held) // nobody could tell it
		require.NoError(t, w.Accept())
		assert.ErrorIs(t, waitOver(t, held, timeout), lock.ErrDeleted)
	})
}

func TestDeletedWaiterQueuesAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		b := w.queued(t.Context(), lock.New(w.Connect("b"), path), 2)
		node := w.newest()
		c := w.queued(t.Context(), lock.New(w.Connect("c"), path), 3)
		require.NoError(t, w.Delete(node))
		time.Sleep(time.Second)
		require.NoError(t, held.Unlock(t.Context()))
		next := <-c
		require.NoError(t, next.err, "it has moved up")
		time.Sleep(time.Second)
		assert.Empty(t, b)
		assert.Len(t, w.List(path), 2)
		require.NoError(t, next.held.Unlock(t.Context()))
		require.NoError(t, (<-b).err, "it costs the place and not the wish")
	})
}

// newest is the path of the node at the end of the queue.
func (w *world) newest() string {
	newest, czxid := "", int64(0)
	for p, n := range w.Dump() {
		if n.Mode == zktest.Ephemeral && n.Stat.Czxid > czxid {
			newest, czxid = p, n.Stat.Czxid
		}
	}
	return newest
}

func TestKilledSessionEndsTheHeldAndTheMutexCanBeLockedAgain(t *testing.T) {
	for name, opts := range map[string][]lock.Option{"cancel": nil, "hold": {lock.Hold(0)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				m := lock.New(cli, path, opts...)
				held := locked(t, m)
				waiting := w.queued(t.Context(), lock.New(w.Connect("b"), path), 2)
				session := w.session(cli)
				w.ExpireSession(session)
				waitOver(t, held, 5*time.Second) // as soon as it is told
				next := <-waiting
				require.NoError(t, next.err)
				assert.Error(t, held.Unlock(t.Context()))
				alive(t, next.held)

				again := w.queued(t.Context(), m, 2)
				require.NoError(t, next.held.Unlock(t.Context()))
				r := <-again
				require.NoError(t, r.err)
				assert.NotEqual(t, session, w.session(cli))
				assert.Greater(t, r.held.Token(), next.held.Token())
				require.NoError(t, r.held.Unlock(t.Context()))
				assert.Empty(t, w.List(path))
			})
		})
	}
}

// A waiter whose session is lost queues again in the next one. It must not take the node of the dead session for its own,
// even if that one comes first in the queue before the servers have removed it.
func TestWaiterDoesNotWinWithTheNodeOfADeadSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		cli := w.Connect("b")
		waiting := w.queued(t.Context(), lock.New(cli, path), 2)
		first := w.session(cli)
		heal := w.Silence("b")
		states := cli.States(t.Context())
		for ch := range states {
			if ch.State == framework.Lost {
				break
			}
		}
		names := w.List(path)
		require.Len(t, names, 2, "to the servers the session still lives")
		require.NoError(t, held.Unlock(t.Context()))
		time.Sleep(time.Millisecond)
		names = w.List(path)
		require.Len(t, names, 1, "and is first in the queue")
		assert.Empty(t, waiting)
		_, stat, err := w.Get(path + "/" + names[0])
		require.NoError(t, err)
		assert.Equal(t, first, stat.EphemeralOwner)
		heal()

		r := <-waiting
		require.NoError(t, r.err)
		assert.NotContains(t, r.held.Path(), names[0])
		_, stat, err = w.Get(r.held.Path())
		require.NoError(t, err)
		assert.Equal(t, w.session(cli), stat.EphemeralOwner)
		assert.NotEqual(t, first, stat.EphemeralOwner)
	})
}

func TestStopOnLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		cli := w.Connect("b")
		stops := w.queued(t.Context(), lock.New(cli, path, lock.StopOnLost()), 2)
		goesOn := w.queued(t.Context(), lock.New(cli, path), 3)
		w.cut("b")
		time.Sleep(timeout)
		assert.Empty(t, stops, "a broken connection is no lost session")
		w.ExpireSession(w.session(cli))
		r := <-stops
		assert.ErrorIs(t, r.err, framework.ErrSessionLost)
		assert.Nil(t, r.held)
		time.Sleep(timeout)
		assert.Empty(t, goesOn)
		require.NoError(t, held.Unlock(t.Context()))
		require.NoError(t, (<-goesOn).err)
		assert.Len(t, w.List(path), 1)
	})
}

// A holder that is slow to stop is not overtaken while its session lives.
func TestNodeStaysUntilUnlock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		waiting := w.queued(t.Context(), lock.New(w.Connect("b"), path), 2)
		w.cut("a")
		require.ErrorIs(t, waitOver(t, held, time.Second), framework.ErrSuspended)
		time.Sleep(10 * timeout)
		assert.Empty(t, waiting)
		assert.Error(t, held.Unlock(context.Background()))
		require.NoError(t, (<-waiting).err)
	})
}
