package lock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

func TestDo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m, rw := lock.New(w.Connect("a"), path), lock.NewRW(w.Connect("b"), "/rw")
		failure := errors.New("failure")
		for _, l := range []lock.Locker{m, rw, rw.RLocker()} {
			for _, want := range []error{nil, failure} {
				var during *lock.Held
				err := lock.Do(t.Context(), l, func(ctx context.Context, held *lock.Held) error {
					during = held
					alive(t, held)
					return errors.Join(want, ctx.Err())
				})
				assert.Equal(t, want != nil, errors.Is(err, failure))
				assert.NotErrorIs(t, err, lock.ErrLost)
				assert.ErrorIs(t, context.Cause(during.Context()), lock.ErrReleased)
			}
		}
		assert.Empty(t, w.List(path))
		assert.Empty(t, w.List("/rw"))

		_ = lock.Do(t.Context(), rw.RLocker(), func(context.Context, *lock.Held) error {
			_, err := rw.TryRLock(t.Context())
			assert.NoError(t, err, "readers share")
			return nil
		})
	})
}

func TestDoWhenTheLockIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		failure := errors.New("failure")
		err := lock.Do(t.Context(), lock.New(w.Connect("a"), path), func(ctx context.Context, _ *lock.Held) error {
			w.cut("a")
			<-ctx.Done()
			assert.ErrorIs(t, context.Cause(ctx), framework.ErrSuspended)
			return failure
		})
		assert.ErrorIs(t, err, lock.ErrLost)
		assert.ErrorIs(t, err, framework.ErrSuspended)
		assert.ErrorIs(t, err, failure)
		assert.ErrorContains(t, err, path)
		assert.Empty(t, w.List(path))

		err = lock.Do(t.Context(), lock.New(w.Connect("b"), path), func(_ context.Context, held *lock.Held) error {
			require.NoError(t, w.Delete(held.Path()))
			time.Sleep(time.Second)
			return nil
		})
		assert.ErrorIs(t, err, lock.ErrLost, "also when the function has not noticed")
		assert.ErrorIs(t, err, lock.ErrDeleted)
	})
}

func TestDoWhoseContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path)
		cause := errors.New("had enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		err := lock.Do(ctx, m, func(ctx context.Context, held *lock.Held) error {
			cancel(cause)
			<-ctx.Done()
			alive(t, held) // it is held until the function returns
			return context.Cause(ctx)
		})
		assert.ErrorIs(t, err, cause)
		assert.NotErrorIs(t, err, lock.ErrLost)
		assert.Empty(t, w.List(path))
		err = lock.Do(ctx, m, func(context.Context, *lock.Held) error {
			t.Error("called without the lock")
			return nil
		})
		assert.ErrorIs(t, err, cause)
	})
}

func TestDoThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path)
		assert.PanicsWithValue(t, "boom", func() {
			_ = lock.Do(t.Context(), m, func(context.Context, *lock.Held) error { panic("boom") })
		})
		assert.Empty(t, w.List(path))
	})
}

// The servers do not answer: Do returns all the same and says so, and the lock goes later.
func TestDoDuringAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path, lock.Hold(0))
		at := time.Now()
		err := lock.Do(t.Context(), m, func(context.Context, *lock.Held) error {
			w.blip("a", timeout/2)
			return nil
		})
		assert.ErrorIs(t, err, framework.ErrReleasing)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotErrorIs(t, err, lock.ErrLost)
		assert.Equal(t, timeout/4, time.Since(at).Truncate(time.Second/10))
		time.Sleep(timeout)
		assert.Empty(t, w.List(path))
	})
}

func TestDoNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		assert.ErrorContains(t, lock.Do(t.Context(), lock.New(w.Connect("a"), path), nil), "nil")
		assert.Empty(t, w.List(path))
	})
}

var errWork = errors.New("the work has failed")

func TestDoWithPermitsAndWithSeveralLocks(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		permits, locks := lock.NewSemaphore(cli, "/permits", 2), lock.NewMulti(cli, []string{"/x", "/y"})
		for name, do := range map[string]func(ctx context.Context, f func(context.Context, *lock.Bundle) error) error{
			"permits": func(ctx context.Context, f func(context.Context, *lock.Bundle) error) error {
				return permits.Do(ctx, 2, f)
			},
			"locks": locks.Do,
		} {
			var inside *lock.Bundle
			require.NoError(t, do(t.Context(), func(ctx context.Context, b *lock.Bundle) error {
				inside = b
				assert.Len(t, b.Tokens(), 2, name)
				return ctx.Err()
			}), name)
			assert.ErrorIs(t, context.Cause(inside.Context()), lock.ErrReleased, name)
			assert.ErrorIs(t, do(t.Context(), func(context.Context, *lock.Bundle) error { return errWork }), errWork, name)
			ctx, cancel := context.WithCancel(t.Context())
			assert.ErrorIs(t, do(ctx, func(work context.Context, _ *lock.Bundle) error {
				cancel()
				<-work.Done()
				return context.Cause(work)
			}), context.Canceled, name)
			require.ErrorIs(t, do(t.Context(), func(work context.Context, _ *lock.Bundle) error {
				w.ExpireSession(cli.State().SessionID)
				<-work.Done()
				return nil
			}), lock.ErrLost, name)
			require.Error(t, do(t.Context(), nil), name)
		}
	})
}

func TestBindEndsWithTheLockAndWithTheCaller(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path)
		held := locked(t, m)
		ctx, cancel := context.WithCancelCause(t.Context())
		work, stop := held.Bind(ctx)
		require.NoError(t, work.Err())
		cancel(errWork)
		<-work.Done()
		assert.ErrorIs(t, context.Cause(work), errWork)
		require.NoError(t, held.Context().Err())
		stop()
		work, stop = held.Bind(t.Context())
		require.NoError(t, held.Unlock(t.Context()))
		<-work.Done()
		assert.ErrorIs(t, context.Cause(work), lock.ErrReleased)
		stop()
	})
}

func TestContendersSayWhichOneIsMine(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := lock.New(w.Connect("a"), path), lock.New(w.Connect("b"), path)
		held := locked(t, a)
		waiting := start(t.Context(), b)
		time.Sleep(time.Second)
		mine := func(m *lock.Mutex) (mine []bool) {
			list, err := m.Contenders(t.Context())
			require.NoError(t, err)
			for _, c := range list {
				mine = append(mine, c.Mine)
			}
			return mine
		}
		assert.Equal(t, []bool{true, false}, mine(a))
		assert.Equal(t, []bool{false, true}, mine(b))
		require.NoError(t, held.Unlock(t.Context()))
		require.NoError(t, (<-waiting).held.Unlock(t.Context()))
	})
}

func TestProgressCountsTheContendersAhead(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path))
		var queue []<-chan result
		for _, name := range []string{"b", "c", "d"} {
			queue = append(queue, start(t.Context(), lock.New(w.Connect(name), path)))
			time.Sleep(10 * time.Millisecond)
		}
		var ahead []int
		queue = append(queue, start(t.Context(), lock.New(w.Connect("e"), path, lock.Progress(func(n int) {
			ahead = append(ahead, n)
			panic("which costs nothing")
		}))))
		time.Sleep(time.Second)
		for _, next := range queue {
			require.NoError(t, held.Unlock(t.Context()))
			held = (<-next).held
			time.Sleep(time.Second)
		}
		require.NoError(t, held.Unlock(t.Context()))
		assert.Equal(t, 4, ahead[0])
		assert.IsDecreasing(t, ahead)
		assert.Contains(t, ahead, 1)
	})
}
