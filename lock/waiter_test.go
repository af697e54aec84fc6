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

// Whoever leaves the queue takes its node along, and who stood behind it moves up. Each case is a bubble.
func TestWaiterThatLeaves(t *testing.T) {
	cause := errors.New("changed its mind")
	for name, c := range map[string]struct {
		opts  []lock.Option
		leave func(w *world, cancel context.CancelCauseFunc)
		want  error
	}{
		"cancelled":  {nil, func(_ *world, cancel context.CancelCauseFunc) { cancel(cause) }, cause},
		"timed out":  {nil, func(*world, context.CancelCauseFunc) { time.Sleep(time.Minute) }, context.DeadlineExceeded},
		"wait limit": {[]lock.Option{lock.WaitLimit(time.Second)}, func(*world, context.CancelCauseFunc) {}, lock.ErrWaitLimit},
		"cut off and cancelled": {nil, func(w *world, cancel context.CancelCauseFunc) {
			heal := w.Silence("b")
			time.Sleep(time.Second)
			cancel(cause)
			time.Sleep(time.Second)
			heal()
		}, cause},
		"cancelled and cut off": {nil, func(w *world, cancel context.CancelCauseFunc) {
			cancel(cause)
			w.cut("b")
		}, cause},
		"cancelled and its session lost": {nil, func(w *world, cancel context.CancelCauseFunc) {
			w.Silence("b")
			cancel(cause)
		}, cause},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				held := locked(t, lock.New(w.Connect("a"), path))
				timed, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				ctx, cancel := context.WithCancelCause(timed)
				defer cancel(nil)
				leaver := w.queued(ctx, lock.New(w.Connect("b"), path, c.opts...), 2)
				behind := w.queued(t.Context(), lock.New(w.Connect("c"), path), 3)
				c.leave(w, cancel)
				r := <-leaver
				assert.Nil(t, r.held)
				assert.ErrorIs(t, r.err, c.want)
				assert.ErrorContains(t, r.err, path)
				time.Sleep(2 * timeout)
				assert.Len(t, w.List(path), 2)
				assert.Empty(t, behind)
				require.NoError(t, held.Unlock(t.Context()))
				at := time.Now()
				require.NoError(t, (<-behind).err)
				assert.Less(t, time.Since(at), 10*time.Millisecond, "no wake-up is lost")
			})
		})
	}
}

// A crowd of one client gives up at once. It makes way soon, so that the lock is not without a holder meanwhile.
func TestWaitersThatLeaveTogether(t *testing.T) {
	bubbleWith(t, zktest.Config{Latency: 5 * time.Millisecond}, func(t *testing.T, w *world) {
		const crowd = 200
		held := locked(t, lock.New(w.Connect("a"), path))
		m := lock.New(w.Connect("b"), path)
		ctx, cancel := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		for range crowd {
			calls.Go(func() { _, _ = m.Lock(ctx) })
		}
		for len(w.List(path)) <= crowd {
			time.Sleep(time.Millisecond)
		}
		behind := w.queued(t.Context(), lock.New(w.Connect("c"), path), crowd+2)
		cancel()
		at := time.Now()
		calls.Wait()
		assert.Zero(t, time.Since(at))
		require.NoError(t, held.Unlock(t.Context()))
		require.NoError(t, (<-behind).err)
		t.Logf("%d waiters had made way after %v (10ms a round trip)", crowd, time.Since(at))
		assert.Less(t, time.Since(at), time.Second)
	})
}

func TestWaitLimit(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := lock.New(w.Connect("a"), path), lock.New(w.Connect("b"), path, lock.WaitLimit(3*time.Second))
		held := locked(t, a)
		for range 2 { // each call has the whole limit
			at := time.Now()
			_, err := b.Lock(t.Context())
			assert.ErrorIs(t, err, lock.ErrWaitLimit)
			assert.ErrorContains(t, err, "3s")
			assert.ErrorContains(t, err, "waited behind "+held.Path())
			assert.Equal(t, 3*time.Second, time.Since(at))
		}
		require.NoError(t, held.Unlock(t.Context()))
		held = locked(t, b)
		time.Sleep(time.Minute)
		alive(t, held) // the limit is on waiting
	})
}

// The limit runs while there is no connection, too.
func TestWaitLimitDuringAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		w.Stop()
		time.Sleep(time.Second)
		at := time.Now()
		_, err := lock.New(cli, path, lock.WaitLimit(time.Second)).Lock(t.Context())
		assert.ErrorIs(t, err, lock.ErrWaitLimit)
		assert.ErrorIs(t, err, framework.ErrNotConnected)
		assert.Equal(t, time.Second, time.Since(at))
	})
}

// ctx ends at any moment around the grant: there is a Held or a clean error, and never a node without one of them.
func TestContextEndsAroundTheGrant(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := lock.New(w.Connect("a"), path), lock.New(w.Connect("b"), path)
		granted, refused := 0, 0
		for i := range 120 {
			held := locked(t, a)
			ctx, cancel := context.WithCancel(t.Context())
			waiting := w.queued(ctx, b, 2)
			time.AfterFunc(time.Duration(i)*10*time.Microsecond, cancel)
			require.NoError(t, held.Unlock(t.Context()))
			r := <-waiting
			if r.err == nil {
				granted++
				alive(t, r.held)
				require.NoError(t, r.held.Unlock(t.Context()))
			} else {
				refused++
				assert.ErrorIs(t, r.err, context.Canceled)
			}
			cancel()
			time.Sleep(10 * time.Millisecond)
			require.Empty(t, w.List(path), "%d microseconds", 10*i)
		}
		assert.Greater(t, granted, 20)
		assert.Greater(t, refused, 20)
	})
}

// Waiters keep their places while the connection is away.
func TestWaiterKeepsItsPlaceOverAReconnect(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		b := w.queued(t.Context(), lock.New(w.Connect("b"), path), 2)
		c := w.queued(t.Context(), lock.New(w.Connect("c"), path), 3)
		before := w.List(path)
		for range 5 {
			w.cut("b")
			w.cut("c")
			time.Sleep(timeout / 2)
		}
		assert.Equal(t, before, w.List(path))
		require.NoError(t, held.Unlock(t.Context()))
		r := <-b
		require.NoError(t, r.err)
		assert.Empty(t, c)
		require.NoError(t, r.held.Unlock(t.Context()))
		require.NoError(t, (<-c).err)
	})
}

// The predecessor goes while the waiter has no connection: it learns of it when it is back.
func TestWakeUpDuringAnOutageIsNotLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		b := w.queued(t.Context(), lock.New(w.Connect("b"), path), 2)
		heal := w.Silence("b")
		require.NoError(t, held.Unlock(t.Context()))
		time.Sleep(timeout / 2)
		assert.Empty(t, b)
		heal()
		require.NoError(t, (<-b).err)
		assert.Len(t, w.List(path), 1)
	})
}

// A child that no contender has made is ignored, whatever its name contains. A node of another recipe is, too.
func TestForeignChildren(t *testing.T) {
	for _, name := range []string{
		"_c_x", "_c_", "config", "latch-0000000000", "__READ__0000000000", "lease-0000000000", "lock", "0000000001", "__party__0000000000", "_c_x-lock",
		"lock-", "lock-1", "_c_x-lock-y", "lock-00000000000", "x__lock__12", "lock-orders", "block-7", "clock-skew", "block-0000000000",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) { excludes(t, w, name) })
		})
	}
}

// excludes holds a lock to its word beside a foreign child. It runs in a bubble.
func excludes(t *testing.T, w *world, foreign string) {
	t.Helper()
	m := lock.New(w.Connect("a"), path)
	held := locked(t, m)
	_, err := w.Create(path+"/"+foreign, nil, zktest.Persistent)
	require.NoError(t, err)
	_, err = m.TryLock(t.Context())
	assert.ErrorIs(t, err, lock.ErrLocked)
	waiting := start(t.Context(), m)
	time.Sleep(time.Second)
	assert.Empty(t, waiting)
	require.NoError(t, held.Unlock(t.Context()))
	r := <-waiting
	require.NoError(t, r.err)
	require.NoError(t, r.held.Unlock(t.Context()))
	assert.Equal(t, []string{foreign}, w.List(path))
}

// The names of Curator, zk.Lock and kazoo stand in the same queue.
func TestNamesOfOthersAreWaitedFor(t *testing.T) {
	for _, name := range []string{
		"_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-lock-", "_c_0f8b3c1e5d0a4a539d5c2f3f0a7f1e11-lock-", "0f8b3c1e5d0a4a539d5c2f3f0a7f1e11__lock__", "lock-",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				require.NoError(t, locked(t, lock.New(cli, path)).Unlock(t.Context()))
				other, err := w.Create(path+"/"+name, nil, zktest.PersistentSequential)
				require.NoError(t, err)
				waiting := start(t.Context(), lock.New(cli, path))
				time.Sleep(time.Second)
				assert.Empty(t, waiting)
				require.NoError(t, w.Delete(other))
				synctest.Wait()
				require.NoError(t, (<-waiting).err)
			})
		})
	}
}
