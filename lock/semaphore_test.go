package lock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

const (
	pool      = "/pool"
	leases    = pool + "/leases"
	turns     = pool + "/locks"
	poolLimit = "/config/limit"
)

// taken is what a call of Acquire that runs beside the test has returned.
type taken struct {
	held *lock.Bundle
	err  error
	at   time.Time
}

// taking calls Acquire beside the test and returns when it waits. It runs in a bubble.
func taking(ctx context.Context, s *lock.Semaphore, n int) <-chan taken {
	c := make(chan taken, 1)
	go func() {
		held, err := s.Acquire(ctx, n)
		c <- taken{held, err, time.Now()}
	}()
	time.Sleep(20 * time.Millisecond)
	return c
}

// took is the Bundle that a waiting call has got.
func took(t *testing.T, c <-chan taken) *lock.Bundle {
	t.Helper()
	r := <-c
	require.NoError(t, r.err)
	return r.held
}

// permits takes some that are free.
func permits(t *testing.T, s *lock.Semaphore, n int) *lock.Bundle {
	t.Helper()
	held, err := s.Acquire(t.Context(), n)
	require.NoError(t, err)
	require.NoError(t, context.Cause(held.Context()))
	return held
}

func giveBack(t *testing.T, held ...*lock.Bundle) {
	t.Helper()
	for _, b := range held {
		require.NoError(t, b.Unlock(t.Context()))
	}
}

func TestSemaphoreLimits(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := lock.NewSemaphore(w.Connect("a"), pool, 3), lock.NewSemaphore(w.Connect("b"), pool, 3)
		one, two := permits(t, a, 1), permits(t, b, 2)
		assert.Len(t, one.Tokens(), 1)
		assert.Len(t, two.Paths(), 2)
		for i, p := range two.Paths() {
			assert.Regexp(t, "^"+leases+`/_c_.*-lease-\d{10}$`, p)
			_, stat, err := w.Get(p)
			require.NoError(t, err)
			assert.Equal(t, stat.Czxid<<8, two.Tokens()[i])
		}
		next := taking(t.Context(), a, 1)
		time.Sleep(time.Hour)
		assert.Empty(t, next)
		at := time.Now()
		giveBack(t, one)
		r := <-next
		require.NoError(t, r.err)
		assert.Less(t, r.at.Sub(at), 5*time.Millisecond)
		giveBack(t, two, r.held)
		assert.ErrorIs(t, context.Cause(two.Context()), lock.ErrReleased)
		assert.Empty(t, w.List(leases))
		assert.Empty(t, w.List(turns))
	})
}

// Whoever wants many is not starved by those who want one, and the queue is fair.
func TestSemaphoreIsFair(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := lock.NewSemaphore(w.Connect("a"), pool, 3)
		one, two, three := permits(t, s, 1), permits(t, s, 1), permits(t, s, 1)
		all := taking(t.Context(), lock.NewSemaphore(w.Connect("b"), pool, 3), 3)
		small := taking(t.Context(), s, 1)
		last := taking(t.Context(), lock.NewSemaphore(w.Connect("c"), pool, 3), 1)
		giveBack(t, one, two)
		time.Sleep(time.Hour)
		assert.Empty(t, all, "one is missing")
		assert.Empty(t, small, "two are free, but not for those who came later")
		_, err := s.TryAcquire(t.Context(), 1)
		assert.ErrorIs(t, err, lock.ErrLocked)
		giveBack(t, three)
		big := took(t, all)
		time.Sleep(time.Second)
		assert.Empty(t, small)
		giveBack(t, big)
		giveBack(t, took(t, small), took(t, last))
	})
}

func TestTryAcquire(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := lock.NewSemaphore(w.Connect("a"), pool, 2)
		held, err := s.TryAcquire(t.Context(), 2)
		require.NoError(t, err)
		before := w.Counts()
		_, err = s.TryAcquire(t.Context(), 1)
		assert.ErrorIs(t, err, lock.ErrLocked)
		assert.ErrorContains(t, err, pool)
		assert.Equal(t, requests{zktest.OpGetChildren2: 1}, w.Counts().Sub(before).Requests, "it only looks")
		giveBack(t, held)
	})
}

// Two that look at the same time both see room, and there is some for one of them only.
func TestAcquireAtTheSameTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const clients = 8
		giveBack(t, permits(t, lock.NewSemaphore(w.Connect("first"), pool, 2), 1))
		var all sync.WaitGroup
		var held atomic.Int32
		for i := range clients {
			s := lock.NewSemaphore(w.Connect(fmt.Sprint("client ", i)), pool, 2)
			all.Go(func() {
				for range 5 {
					b, err := s.Acquire(t.Context(), 1+i%2)
					if !assert.NoError(t, err) {
						return
					}
					assert.LessOrEqual(t, held.Add(1+int32(i)%2), int32(2))
					time.Sleep(time.Millisecond)
					held.Add(-1 - int32(i)%2)
					assert.NoError(t, b.Unlock(t.Context()))
				}
			})
		}
		all.Wait()
		assert.Empty(t, w.List(leases))
		assert.Empty(t, w.List(turns))
	})
}

func TestCostOfASemaphore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := lock.NewSemaphore(w.Connect("a"), pool, 3)
		giveBack(t, permits(t, s, 1))
		before, at := w.Counts(), time.Now()
		one := permits(t, s, 1)
		assert.Equal(t, requests{zktest.OpGetChildren2: 2, zktest.OpCreate2: 1}, w.Counts().Sub(before).Requests, "Curator needs five")
		assert.LessOrEqual(t, time.Since(at), 6*latency, "two round trips")
		before = w.Counts()
		giveBack(t, one)
		assert.Equal(t, requests{zktest.OpDelete: 1}, w.Counts().Sub(before).Requests)

		before, at = w.Counts(), time.Now()
		three := permits(t, s, 3)
		assert.Equal(t, requests{zktest.OpGetChildren2: 2, zktest.OpCreate2: 3}, w.Counts().Sub(before).Requests, "Curator needs fifteen")
		assert.LessOrEqual(t, time.Since(at), 9*latency, "three round trips")

		other := lock.NewSemaphore(w.Connect("b"), pool, 3)
		_, err := w.Create(turns, nil, zktest.Persistent)
		require.NoError(t, err)
		time.Sleep(time.Second) // a claim that lasts watches its node
		before = w.Counts()
		next := taking(t.Context(), other, 1)
		assert.Equal(t, requests{zktest.OpGetChildren2: 4, zktest.OpCreate2: 2, zktest.OpExists: 1}, w.Counts().Sub(before).Requests, "the first to wait")
		before = w.Counts()
		last := taking(t.Context(), other, 1)
		assert.Equal(t, requests{zktest.OpGetChildren2: 2, zktest.OpCreate2: 1, zktest.OpSetWatches: 1}, w.Counts().Sub(before).Requests, "the others")
		time.Sleep(time.Second) // a place that waits reads what it watches
		before = w.Counts()
		giveBack(t, three)
		giveBack(t, took(t, next), took(t, last))
		assert.Equal(t, requests{zktest.OpDelete: 3 + 2 + 2, zktest.OpGetChildren2: 2, zktest.OpCreate2: 1}, w.Counts().Sub(before).Requests,
			"of permits and turns; the pool, and the pool again")
	})
}

// Raising a shared limit wakes whoever can go at once (CURATOR-335, CURATOR-75); lowering it takes nothing away.
func TestSharedLimit(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := lock.NewSharedSemaphore(w.Connect("a"), pool, poolLimit)
		b := lock.NewSharedSemaphore(w.Connect("b"), pool, poolLimit)
		_, err := a.Acquire(t.Context(), 1)
		assert.ErrorIs(t, err, framework.ErrNoNode)
		assert.ErrorContains(t, err, poolLimit)
		require.NoError(t, a.SetLimit(t.Context(), 1))
		data, _, err := w.Get(poolLimit)
		require.NoError(t, err)
		assert.Equal(t, []byte{0, 0, 0, 1}, data, "as Curator's SharedCount")

		one := permits(t, a, 1)
		two, three := taking(t.Context(), b, 1), taking(t.Context(), b, 1)
		time.Sleep(time.Hour)
		assert.Empty(t, two)
		at := time.Now()
		require.NoError(t, w.Set(poolLimit, []byte{0, 0, 0, 3}))
		for _, c := range []<-chan taken{two, three} {
			r := <-c
			require.NoError(t, r.err)
			assert.Less(t, r.at.Sub(at), 10*time.Millisecond)
			defer giveBack(t, r.held)
		}
		require.NoError(t, a.SetLimit(t.Context(), 1))
		time.Sleep(time.Hour)
		assert.NoError(t, context.Cause(one.Context()))
		giveBack(t, one)
		_, err = a.TryAcquire(t.Context(), 1)
		assert.ErrorIs(t, err, lock.ErrLocked, "two still hold, and the limit is one")

		many := taking(t.Context(), a, 5)
		require.NoError(t, w.Set(poolLimit, []byte{0, 0, 0, 7}))
		giveBack(t, took(t, many))
	})
}

func TestSharedLimitThatIsNotANumber(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := lock.NewSharedSemaphore(w.Connect("a"), pool, poolLimit)
		require.NoError(t, s.SetLimit(t.Context(), 1))
		held := permits(t, s, 1)
		waiting := taking(t.Context(), s, 1)
		require.NoError(t, w.Set(poolLimit, []byte("three")))
		r := <-waiting
		assert.ErrorContains(t, r.err, poolLimit+": a count has 4 bytes and not 5")
		_, err := s.TryAcquire(t.Context(), 1)
		assert.ErrorContains(t, err, "4 bytes")
		require.NoError(t, w.Set(poolLimit, []byte{0xff, 0xff, 0xff, 0xfe}))
		_, err = s.TryAcquire(t.Context(), 1)
		assert.ErrorIs(t, err, lock.ErrLocked, "less than nothing")
		time.Sleep(time.Second)
		assert.Len(t, w.List(leases), 1)
		assert.Empty(t, w.List(turns))
		giveBack(t, held)
	})
}

func TestImpossiblePermits(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		fixed, shared := lock.NewSemaphore(cli, pool, 3), lock.NewSharedSemaphore(cli, pool, poolLimit)
		for _, f := range []func() error{
			func() error { _, err := fixed.Acquire(t.Context(), 4); return err },
			func() error { _, err := fixed.TryAcquire(t.Context(), 4); return err },
			func() error { _, err := fixed.Acquire(t.Context(), 0); return err },
			func() error { _, err := shared.TryAcquire(t.Context(), -1); return err },
			func() error { _, err := lock.NewSemaphore(cli, pool, 0).Acquire(t.Context(), 1); return err },
			func() error { return fixed.SetLimit(t.Context(), 5) },
			func() error { return shared.SetLimit(t.Context(), -1) },
		} {
			err := f()
			assert.ErrorIs(t, err, lock.ErrPermits)
			assert.ErrorContains(t, err, "semaphore "+pool)
		}
		_, err := lock.NewSharedSemaphore(cli, pool, "//").Acquire(t.Context(), 1)
		assert.ErrorIs(t, err, framework.ErrInvalidPath)
		_, err = lock.NewSemaphore(cli, "//", 1).Acquire(t.Context(), 1)
		assert.ErrorIs(t, err, framework.ErrInvalidPath)
	})
}

// A contender of Curator: it counts all nodes of the pool, its own too, and holds the turn while it waits.
func TestSemaphoreBesideCurator(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := lock.NewSemaphore(w.Connect("a"), pool, 2)
		giveBack(t, permits(t, s, 1))
		theirs, err := w.Create(leases+"/_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-lease-", nil, zktest.PersistentSequential)
		require.NoError(t, err)
		ours := permits(t, s, 1)
		first, second := taking(t.Context(), s, 1), taking(t.Context(), s, 1)
		assert.Len(t, w.List(leases), 3, "one waits in the pool")
		assert.Len(t, w.List(turns), 2, "and the other for its turn")
		require.NoError(t, w.Delete(theirs))
		got := took(t, first)
		assert.Empty(t, second)
		turn, err := w.Create(turns+"/_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-lock-", nil, zktest.PersistentSequential)
		require.NoError(t, err)
		third := taking(t.Context(), s, 1)
		giveBack(t, got, ours)
		giveBack(t, took(t, second))
		time.Sleep(time.Second)
		assert.Empty(t, third, "it is theirs")
		require.NoError(t, w.Delete(turn))
		giveBack(t, took(t, third))
		_, err = w.Create(leases+"/x", nil, zktest.Persistent)
		require.NoError(t, err)
		giveBack(t, permits(t, s, 2))
		foreign, err := w.Create(leases+"/0f8b3c1e5d0a4a539d5c2f3f0a7f1e11", nil, zktest.Persistent)
		require.NoError(t, err)
		_, err = s.TryAcquire(t.Context(), 2)
		assert.ErrorIs(t, err, lock.ErrLocked, "it is named as a lease of kazoo's")
		both := taking(t.Context(), s, 2)
		time.Sleep(time.Second)
		assert.Empty(t, both)
		require.NoError(t, w.Delete(foreign))
		giveBack(t, took(t, both))
	})
}

// Whatever ends an attempt between the lease and the grant, no lease stays. All of it happens in a bubble.
func TestNoLeaseStays(t *testing.T) {
	cause := errors.New("changed its mind")
	for name, c := range map[string]struct {
		opts []lock.Option
		end  func(w *world, cli *framework.Client, cancel context.CancelCauseFunc)
		want error
	}{
		"cancelled":  {nil, func(_ *world, _ *framework.Client, cancel context.CancelCauseFunc) { cancel(cause) }, cause},
		"wait limit": {[]lock.Option{lock.WaitLimit(time.Minute)}, func(*world, *framework.Client, context.CancelCauseFunc) {}, lock.ErrWaitLimit},
		"cut off and cancelled": {nil, func(w *world, _ *framework.Client, cancel context.CancelCauseFunc) {
			w.blip("b", 2*time.Second)
			time.Sleep(time.Second)
			cancel(cause)
		}, cause},
		"session lost": {[]lock.Option{lock.StopOnLost()}, func(w *world, cli *framework.Client, _ context.CancelCauseFunc) {
			w.ExpireSession(w.session(cli))
		}, framework.ErrSessionLost},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				held := permits(t, lock.NewSemaphore(w.Connect("a"), pool, 2), 1)
				cli := w.Connect("b")
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				waiting := taking(ctx, lock.NewSemaphore(cli, pool, 2, c.opts...), 2)
				behind := taking(t.Context(), lock.NewSemaphore(w.Connect("c"), pool, 2), 1)
				c.end(w, cli, cancel)
				err := (<-waiting).err
				assert.ErrorIs(t, err, c.want)
				if name == "wait limit" {
					assert.ErrorContains(t, err, "waited for room among the first 2 of 3")
				}
				giveBack(t, took(t, behind))
				time.Sleep(2 * timeout)
				assert.Len(t, w.List(leases), 1)
				assert.Empty(t, w.List(turns))
				giveBack(t, held)
			})
		})
	}
}
