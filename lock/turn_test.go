package lock_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// inLine is a lock that is held, with one more who waits for it here.
type inLine struct {
	*world
	m       *lock.Mutex
	held    *lock.Held
	waiting <-chan result
}

// lines starts it, with a node /x to write.
func lines(t *testing.T, f func(t *testing.T, l *inLine), opts ...lock.Option) {
	t.Helper()
	bubble(t, func(t *testing.T, w *world) {
		_, err := w.Create("/x", nil, zktest.Persistent)
		require.NoError(t, err)
		m := lock.New(w.Connect("a"), path, append(opts, lock.LocalHandover(5))...)
		l := &inLine{world: w, m: m, held: locked(t, m)}
		l.waiting = start(t.Context(), m)
		f(t, l)
	})
}

// pass unlocks and returns who is next.
func (l *inLine) pass() *lock.Held {
	l.t.Helper()
	require.NoError(l.t, l.held.Unlock(l.t.Context()))
	r := <-l.waiting
	require.NoError(l.t, r.err)
	return r.held
}

// value is what stands in /x.
func (l *inLine) value() string {
	data, _, err := l.Get("/x")
	require.NoError(l.t, err)
	return string(data)
}

// The node still stands, but the turn is over: the write is refused without asking.
func TestTurnThatIsOverWritesNothing(t *testing.T) {
	lines(t, func(t *testing.T, l *inLine) {
		_, err := l.held.Set(t.Context(), "/x", []byte("first"), framework.AnyVersion)
		require.NoError(t, err)
		next := l.pass()
		require.Equal(t, l.held.Path(), next.Path(), "a write that was answered does not keep the claim from being handed on")
		before := l.Counts()
		_, err = l.held.Set(t.Context(), "/x", []byte("late"), framework.AnyVersion)
		require.ErrorIs(t, err, lock.ErrNotHeld)
		require.ErrorIs(t, err, lock.ErrReleased)
		assert.Zero(t, l.Counts().Sub(before).RoundTrips())
		_, err = next.Set(t.Context(), "/x", []byte("second"), framework.AnyVersion)
		require.NoError(t, err)
		assert.Equal(t, "second", l.value())
	})
}

// A refused write is over as well.
func TestRefusedWriteOfATurn(t *testing.T) {
	lines(t, func(t *testing.T, l *inLine) {
		_, err := l.held.Set(t.Context(), "/nobody", nil, framework.AnyVersion)
		require.ErrorIs(t, err, framework.ErrNoNode)
		_, err = l.held.Set(t.Context(), "//", nil, framework.AnyVersion)
		require.ErrorIs(t, err, framework.ErrInvalidPath)
		assert.Equal(t, l.held.Path(), l.pass().Path())
	})
}

// In a bubble, a write that is still on its way when its turn ends is refused by the servers, or comes before the next turn: the claim is
// not handed on.
func TestWriteOnItsWayAtTheEndOfATurn(t *testing.T) {
	lines(t, func(t *testing.T, l *inLine) {
		var sent atomic.Bool
		l.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpMulti && sent.CompareAndSwap(false, true) {
				return zktest.Cut // it is repeated when the client is connected again
			}
			return zktest.Pass
		})
		wrote := make(chan error, 1)
		go func() {
			_, err := l.held.Multi(t.Context(), []framework.Op{framework.SetOp("/x", []byte("late"), framework.AnyVersion)}, framework.Idempotent)
			wrote <- err
		}()
		for !sent.Load() {
			time.Sleep(100 * time.Microsecond)
		}
		next := l.pass()
		assert.NotEqual(t, l.held.Path(), next.Path(), "another claim")
		err := <-wrote
		data, stat, _ := l.Get("/x")
		t.Logf("%q: %v", data, err)
		assert.Equal(t, err == nil, string(data) == "late")
		assert.Less(t, stat.Mzxid, next.Token()>>8, "before the next one began, or never")
		_, err = next.Set(t.Context(), "/x", []byte("second"), framework.AnyVersion)
		require.NoError(t, err)
	}, lock.Hold(0))
}

// The caller has left its write, which the network holds up. Others wait for the lock in another process.
func TestWriteThatWasLeftInATurn(t *testing.T) {
	for name, opts := range map[string][]framework.WriteOption{"once": nil, "idempotent": {framework.Idempotent}} {
		t.Run(name, func(t *testing.T) {
			lines(t, func(t *testing.T, l *inLine) {
				remove := l.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Reply && f.Op == zktest.OpMulti {
						return zktest.DelayBy(time.Second)
					}
					return zktest.Pass
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				_, err := l.held.Multi(ctx, []framework.Op{framework.SetOp("/x", []byte("late"), framework.AnyVersion)}, opts...)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				remove()
				next := l.pass()
				assert.NotEqual(t, l.held.Path(), next.Path())
				assert.Greater(t, next.Token(), l.held.Token())
			})
		})
	}
}

// A check that is asked for when the turn is over is none of the next one's node, though that is the same.
func TestCheckOfATurnThatIsOver(t *testing.T) {
	lines(t, func(t *testing.T, l *inLine) {
		next := l.pass()
		require.Equal(t, l.held.Path(), next.Path(), "handed on")
		for _, checks := range [][]framework.Op{{l.held.Check()}, l.held.Checks()} {
			_, err := l.Connect("b").Multi(t.Context(), append(checks, framework.SetOp("/x", []byte("late"), framework.AnyVersion)))
			assert.ErrorIs(t, err, framework.ErrNoNode)
		}
		assert.Empty(t, l.value())
		_, err := next.Set(t.Context(), "/x", []byte("next"), framework.AnyVersion)
		assert.NoError(t, err)
	})
}

// A check that was given away may come at any time.
func TestCheckThatWasGivenAway(t *testing.T) {
	for name, check := range map[string]func(*lock.Held) framework.Op{
		"one": (*lock.Held).Check, "all": func(h *lock.Held) framework.Op { return h.Checks()[0] },
	} {
		t.Run(name, func(t *testing.T) {
			lines(t, func(t *testing.T, l *inLine) {
				op := check(l.held)
				next := l.pass()
				_, err := l.Connect("b").Multi(t.Context(), []framework.Op{op, framework.SetOp("/x", []byte("late"), framework.AnyVersion)})
				require.ErrorIs(t, err, framework.ErrNoNode)
				alive(t, next)
			})
		})
	}
}

// In a bubble, who is asked to let go does not hand on to its own kind.
func TestRevokedClaimIsNotHandedOn(t *testing.T) {
	asked := make(chan lock.Holding, 10)
	lines(t, func(t *testing.T, l *inLine) {
		time.Sleep(time.Second)
		other := lock.New(l.Connect("b"), path)
		waiting := l.queued(t.Context(), other, 2)
		list, err := other.Contenders(t.Context())
		require.NoError(t, err)
		require.NoError(t, other.Revoke(t.Context(), list[0]))
		<-l.held.Revoked()
		assert.Same(t, l.held, <-asked)
		require.NoError(t, l.held.Unlock(t.Context()))
		r := <-waiting
		require.NoError(t, r.err)
		assert.Empty(t, l.waiting)
		require.NoError(t, r.held.Unlock(t.Context()))
		next := <-l.waiting
		require.NoError(t, next.err)
		assert.Empty(t, next.held.Revoked())
		assert.Empty(t, asked, "another claim")
	}, lock.OnRevoke(func(h lock.Holding) { asked <- h }))
}

// Only the one who holds is told. In a bubble.
func TestRevocationOfALaterTurn(t *testing.T) {
	asked := make(chan lock.Holding, 10)
	lines(t, func(t *testing.T, l *inLine) {
		next := l.pass()
		time.Sleep(time.Second)
		list, err := l.m.Contenders(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.m.Revoke(t.Context(), list[0]))
		<-next.Revoked()
		assert.Same(t, next, <-asked)
		time.Sleep(time.Second)
		assert.Empty(t, asked)
		select {
		case <-l.held.Revoked():
			t.Error("it was not asked")
		default:
		}
	}, lock.OnRevoke(func(h lock.Holding) { asked <- h }))
}

func TestTurnThatPanics(t *testing.T) {
	lines(t, func(t *testing.T, l *inLine) {
		next := l.pass()
		waiting := start(t.Context(), l.m)
		assert.PanicsWithValue(t, "boom", func() {
			defer func() { assert.NoError(t, next.Unlock(t.Context())) }()
			panic("boom")
		})
		r := <-waiting
		require.NoError(t, r.err)
		require.NoError(t, r.held.Unlock(t.Context()))
		assert.PanicsWithValue(t, "boom", func() {
			_ = lock.Do(t.Context(), l.m, func(context.Context, *lock.Held) error { panic("boom") })
		})
		assert.Empty(t, l.List(path))
	})
}

// In a bubble.
func TestTryLockWithALine(t *testing.T) {
	lines(t, func(t *testing.T, l *inLine) {
		before := l.Counts()
		_, err := l.m.TryLock(t.Context())
		require.ErrorIs(t, err, lock.ErrLocked)
		assert.ErrorContains(t, err, path)
		assert.Zero(t, l.Counts().Sub(before).RoundTrips(), "it is known here")
		require.NoError(t, l.pass().Unlock(t.Context()))

		held, err := l.m.TryLock(t.Context())
		require.NoError(t, err)
		waiting := start(t.Context(), l.m)
		require.NoError(t, held.Unlock(t.Context()))
		r := <-waiting
		require.NoError(t, r.err)
		assert.Equal(t, held.Path(), r.held.Path(), "what was tried is handed on, too")
		require.NoError(t, r.held.Unlock(t.Context()))

		other := locked(t, lock.New(l.Connect("b"), path))
		tried := make(chan error, 1)
		go func() {
			_, err := l.m.TryLock(t.Context())
			tried <- err
		}()
		synctest.Wait()
		waiting = start(t.Context(), l.m)
		require.ErrorIs(t, <-tried, lock.ErrLocked)
		time.Sleep(time.Second)
		assert.Len(t, l.List(path), 2, "who came meanwhile queues")
		require.NoError(t, other.Unlock(t.Context()))
		r = <-waiting
		require.NoError(t, r.err)
		require.NoError(t, r.held.Unlock(t.Context()))

		got := make(chan error, 1)
		go func() {
			_, err := l.m.TryLock(t.Context())
			got <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		waiting = start(ctx, l.m)
		cancel()
		require.ErrorIs(t, (<-waiting).err, context.Canceled)
		require.NoError(t, <-got, "who leaves the line does not end what another one tries")
	})
}

// A Lock that is called while another one of this process is under way comes after it, also when that one fails.
func TestTryLockComesAfterThoseInLine(t *testing.T) {
	lines(t, func(t *testing.T, l *inLine) {
		require.NoError(t, l.pass().Unlock(t.Context()))
		other := locked(t, lock.New(l.Connect("b"), path))
		waiting := start(t.Context(), l.m)
		_, err := l.m.TryLock(t.Context())
		require.ErrorIs(t, err, lock.ErrLocked)
		require.NoError(t, other.Unlock(t.Context()))
		require.NoError(t, (<-waiting).err)
	})
}

func TestOptionsThatDoNotFit(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		handover, shared, limit := lock.LocalHandover(5), lock.Shared(), lock.WaitLimit(-1)
		mutex := func(o lock.Option) error { _, err := lock.New(cli, path, o).Lock(t.Context()); return err }
		try := func(o lock.Option) error { _, err := lock.New(cli, path, o).TryLock(t.Context()); return err }
		write := func(o lock.Option) error { _, err := lock.NewRW(cli, path, o).Lock(t.Context()); return err }
		read := func(o lock.Option) error { _, err := lock.NewRW(cli, path, o).TryRLock(t.Context()); return err }
		multi := func(o lock.Option) error {
			_, err := lock.NewMulti(cli, []string{path}, o).Lock(t.Context())
			return err
		}
		permit := func(o lock.Option) error {
			_, err := lock.NewSemaphore(cli, path, 2, o).Acquire(t.Context(), 1)
			return err
		}
		before := w.Counts()
		for i, err := range []error{
			write(handover), read(handover), multi(handover), permit(handover), permit(shared),
			mutex(lock.LocalHandover(-1)), mutex(lock.LocalHandover(256)), try(lock.LocalHandover(256)),
			mutex(limit), try(limit), write(limit), multi(limit), permit(limit),
		} {
			require.ErrorIs(t, err, lock.ErrOption, "%d", i)
			assert.ErrorContains(t, err, path)
		}
		assert.Zero(t, w.Counts().Sub(before).RoundTrips())
		require.NoError(t, mutex(lock.LocalHandover(255)))
	})
}
