package lock_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

func TestLockExcludesAndPassesOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := lock.New(w.Connect("a"), path), lock.New(w.Connect("b"), path)
		first := locked(t, a)
		waiting := w.queued(t.Context(), b, 2)
		time.Sleep(time.Hour)
		alive(t, first)
		assert.Empty(t, waiting)

		require.NoError(t, first.Unlock(t.Context()))
		assert.ErrorIs(t, context.Cause(first.Context()), lock.ErrReleased)
		second := <-waiting
		require.NoError(t, second.err)
		assert.Greater(t, second.held.Token(), first.Token())
		alive(t, second.held)
		require.NoError(t, second.held.Unlock(t.Context()))
		assert.Empty(t, w.List(path))
	})
}

func TestLockIsFair(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const waiters = 20
		held := locked(t, lock.New(w.Connect("holder"), path))
		order := make(chan int, waiters)
		clients := []*framework.Client{w.Connect("x"), w.Connect("y"), w.Connect("z")}
		var done sync.WaitGroup
		for i := range waiters {
			c := w.queued(t.Context(), lock.New(clients[i%len(clients)], path), i+2)
			done.Go(func() {
				r := <-c
				order <- i
				_ = r.held.Unlock(context.Background())
			})
		}
		require.NoError(t, held.Unlock(t.Context()))
		for i := range waiters {
			assert.Equal(t, i, <-order)
		}
		done.Wait()
	})
}

func TestTokensGrowEvenIfTheDirectoryIsRecreated(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path)
		var last int64
		for round := range 3 {
			for range 2 {
				held := locked(t, m)
				assert.Greater(t, held.Token(), last)
				_, stat, err := w.Get(held.Path())
				require.NoError(t, err)
				assert.Equal(t, stat.Czxid<<8, held.Token())
				last = held.Token()
				require.NoError(t, held.Unlock(t.Context()))
			}
			require.NoError(t, w.Delete(path), "round %d", round) // as the servers do with an empty container
		}
	})
}

func TestUnlockIsIdempotent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		before := w.Counts()
		results := make(chan error, 10)
		for range cap(results) {
			go func() { results <- held.Unlock(context.Background()) }()
		}
		for range cap(results) {
			assert.NoError(t, <-results)
		}
		assert.NoError(t, held.Unlock(t.Context()))
		assert.EqualValues(t, 1, w.Counts().Sub(before).RoundTrips())
	})
}

func TestFurtherUnlockLeavesWhenItsContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		heal := w.Silence("a")
		first := make(chan error, 1)
		go func() { first <- held.Unlock(context.Background()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, held.Unlock(ctx), context.DeadlineExceeded)
		heal()
		assert.NoError(t, <-first)
		assert.NoError(t, held.Unlock(ctx))
	})
}

func TestUnlockWithDeadContext(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		waiting := w.queued(t.Context(), lock.New(w.Connect("b"), path), 2)
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		at := time.Now()
		err := held.Unlock(dead)
		assert.Zero(t, time.Since(at))
		assert.ErrorIs(t, err, context.Canceled)
		assert.ErrorContains(t, err, "background")
		assert.ErrorIs(t, context.Cause(held.Context()), lock.ErrReleased)
		next := <-waiting
		require.NoError(t, next.err)
		assert.Less(t, time.Since(at), 10*time.Millisecond)
	})
}

// Unlock while the servers are away: the node goes when they are back, or with its session.
func TestUnlockDuringAnOutage(t *testing.T) {
	for name, outage := range map[string]time.Duration{"short": timeout / 2, "longer than the session": 2 * timeout} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				held := locked(t, lock.New(w.Connect("a"), path, lock.Hold(0)))
				waiting := w.queued(t.Context(), lock.New(w.Connect("b"), path), 2)
				heal := w.Silence("a")
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				assert.ErrorIs(t, held.Unlock(ctx), context.DeadlineExceeded)
				time.Sleep(outage)
				heal()
				require.NoError(t, (<-waiting).err)
				time.Sleep(timeout)
				assert.Len(t, w.List(path), 1)
			})
		})
	}
}

// The session ends before the servers have answered: nobody can tell whether the lock was held until then.
func TestUnlockWhoseSessionIsLostMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		w.Silence("a")
		at := time.Now()
		err := held.Unlock(t.Context())
		assert.ErrorIs(t, err, framework.ErrSessionLost)
		assert.NotErrorIs(t, err, framework.ErrReleasing)
		assert.LessOrEqual(t, time.Since(at), timeout)
	})
}

func TestUnlockAfterLossReturnsTheCause(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		w.cut("a")
		assert.ErrorIs(t, waitOver(t, held, time.Second), framework.ErrSuspended)
		err := held.Unlock(t.Context())
		assert.ErrorIs(t, err, framework.ErrSuspended)
		assert.ErrorContains(t, err, held.Path())
		assert.NotErrorIs(t, err, lock.ErrReleased)
		assert.Equal(t, err, held.Unlock(t.Context()))
		assert.Empty(t, w.List(path), "the node goes all the same")
	})
}

func TestTryLock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := lock.New(w.Connect("a"), path), lock.New(w.Connect("b"), path)
		held, err := a.TryLock(t.Context())
		require.NoError(t, err)
		before := w.Counts()
		_, err = b.TryLock(t.Context())
		assert.ErrorIs(t, err, lock.ErrLocked)
		assert.ErrorContains(t, err, path)
		assert.Equal(t, map[zktest.Op]int64{zktest.OpGetChildren2: 1}, w.Counts().Sub(before).Requests, "it only looks")
		require.NoError(t, held.Unlock(t.Context()))
		held, err = b.TryLock(t.Context())
		require.NoError(t, err)
		alive(t, held)
	})
}

// Two that look at the same time both see nobody. One of them wins, and the other leaves.
func TestTryLockAtTheSameTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		results := make(chan result, 2)
		for _, name := range []string{"a", "b"} {
			m := lock.New(w.Connect(name), path)
			go func() {
				held, err := m.TryLock(t.Context())
				results <- result{held: held, err: err}
			}()
		}
		one, other := <-results, <-results
		if one.err == nil {
			one, other = other, one
		}
		assert.ErrorIs(t, one.err, lock.ErrLocked)
		require.NoError(t, other.err)
		time.Sleep(time.Second)
		assert.Len(t, w.List(path), 1)
	})
}

func TestTryLockWaitsForAConnectionOnly(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		w.Stop()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		at := time.Now()
		_, err := lock.New(cli, path).TryLock(ctx)
		assert.ErrorIs(t, err, framework.ErrNotConnected)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(at))
	})
}

func TestLockOnInvalidPaths(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for _, bad := range []string{"", "//", "/a/", "/a//b", "/a/../b", "/a\x00b", "a/"} {
			_, err := lock.New(cli, bad).Lock(t.Context())
			assert.ErrorIs(t, err, framework.ErrInvalidPath, "%q", bad)
			_, err = lock.New(cli, bad).TryLock(t.Context())
			assert.ErrorIs(t, err, framework.ErrInvalidPath, "%q", bad)
		}
		for _, good := range []string{"/", "/a", "a/b", "/a/b/c/d/e"} {
			held := locked(t, lock.New(cli, good))
			alive(t, held)
			again := start(t.Context(), lock.New(cli, good))
			time.Sleep(time.Second)
			assert.Empty(t, again, "%q", good)
			require.NoError(t, held.Unlock(t.Context()))
			r := <-again
			require.NoError(t, r.err)
			require.NoError(t, r.held.Unlock(t.Context()))
		}
	})
}

func TestLockInANamespace(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a", func(c *framework.Config) { c.ConnectString += "/root" })
		space, err := cli.Namespace("team")
		require.NoError(t, err)
		held := locked(t, lock.New(space, "locks/x"))
		assert.Len(t, w.List("/root/team/locks/x"), 1)
		assert.Regexp(t, `^/locks/x/_c_.*-lock-0000000000$`, held.Path())
		_, err = held.Set(t.Context(), "/locks", []byte("v"), framework.AnyVersion)
		assert.NoError(t, err)
		_, err = lock.New(w.Connect("b"), "/root/team/locks/x").TryLock(t.Context())
		assert.ErrorIs(t, err, lock.ErrLocked)
	})
}

type valueKey struct{}

func TestHeldContextOutlivesTheCallAndKeepsItsValues(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), valueKey{}, "kept"), time.Minute)
		held, err := lock.New(w.Connect("a"), path, lock.WaitLimit(time.Second)).Lock(ctx)
		require.NoError(t, err)
		cancel()
		time.Sleep(time.Hour)
		alive(t, held)
		assert.Equal(t, "kept", held.Context().Value(valueKey{}))
		_, has := held.Context().Deadline()
		assert.False(t, has)
	})
}

func TestTrustedUntilMovesWithEveryAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		held := locked(t, lock.New(cli, path))
		for range 5 {
			at := time.Now()
			_, _, err := cli.Exists(t.Context(), "/")
			require.NoError(t, err)
			assert.Equal(t, at.Add(timeout*3/4), held.TrustedUntil())
			time.Sleep(time.Second)
		}
	})
}

// A context that has ended already gives no lock and leaves nothing behind.
func TestLockWithDeadContext(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path)
		cause := errors.New("had enough")
		dead, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		for _, f := range []func(context.Context) (*lock.Held, error){m.Lock, m.TryLock} {
			held, err := f(dead)
			assert.Nil(t, held)
			assert.ErrorIs(t, err, cause)
		}
		time.Sleep(time.Second)
		assert.Empty(t, w.List(path))
	})
}

func TestLockOnAClosedClient(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		held := locked(t, lock.New(cli, path))
		waiting := w.queued(t.Context(), lock.New(cli, path), 2)
		require.NoError(t, cli.Close())
		assert.ErrorIs(t, context.Cause(held.Context()), framework.ErrClosed)
		assert.ErrorIs(t, (<-waiting).err, framework.ErrClosed)
		assert.Empty(t, w.List(path))
		assert.ErrorIs(t, held.Unlock(t.Context()), framework.ErrClosed)
		_, err := lock.New(cli, path).Lock(t.Context())
		assert.ErrorIs(t, err, framework.ErrClosed)
		assert.ErrorContains(t, err, path)
	})
}
