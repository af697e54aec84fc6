package lock_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

var pair = []string{"/locks/b", "/locks/a"}

// locking locks all beside the test.
func locking(ctx context.Context, m *lock.Multi) <-chan taken {
	c := make(chan taken, 1)
	go func() {
		held, err := m.Lock(ctx)
		c <- taken{held, err, time.Now()}
	}()
	return c
}

func lockedAll(t *testing.T, m *lock.Multi) *lock.Bundle {
	t.Helper()
	held, err := m.Lock(t.Context())
	require.NoError(t, err)
	return held
}

func TestMultiExcludesOnEveryPath(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		all := lock.NewMulti(cli, append(pair, "locks/a"))
		held := lockedAll(t, all)
		require.Len(t, held.Paths(), 2, "a path that is given twice counts once")
		assert.Regexp(t, "^/locks/a/.*-lock-0000000000$", held.Paths()[0], "in the order of the paths")
		for _, path := range pair {
			_, err := lock.New(cli, path).TryLock(t.Context())
			assert.ErrorIs(t, err, lock.ErrLocked)
		}
		var order []string
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpDelete {
				order = append(order, f.Path)
			}
			return zktest.Pass
		})
		giveBack(t, held)
		assert.Equal(t, []string{held.Paths()[1], held.Paths()[0]}, order, "released the other way round")
		assert.ErrorIs(t, context.Cause(held.Context()), lock.ErrReleased)
	})
}

// While one lock is missing nothing is held in the end: not after a deadline, and not after TryLock.
func TestMultiIsAllOrNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), "/locks/b"))
		all := lock.NewMulti(w.Connect("b"), pair, lock.WaitLimit(time.Minute))
		_, err := all.TryLock(t.Context())
		assert.ErrorIs(t, err, lock.ErrLocked)
		time.Sleep(time.Second)
		assert.Empty(t, w.List("/locks/a"))
		at := time.Now()
		_, err = all.Lock(t.Context())
		assert.ErrorIs(t, err, lock.ErrWaitLimit)
		assert.ErrorContains(t, err, "locks /locks/a /locks/b")
		assert.Equal(t, time.Minute, time.Since(at))
		time.Sleep(time.Second)
		assert.Empty(t, w.List("/locks/a"))
		assert.Len(t, w.List("/locks/b"), 1)
		waiting := locking(t.Context(), all)
		time.Sleep(time.Second)
		unlock(t, held)
		giveBack(t, took(t, waiting))
		assert.Empty(t, w.List("/locks/b"))
	})
}

// Two that want the same locks in different orders do not wait for each other for ever.
func TestMultisDoNotDeadlock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		for name, paths := range map[string][]string{"a": {"/1", "/2", "/3"}, "b": {"/3", "/2", "/1"}, "c": {"/2", "/3"}} {
			m := lock.NewMulti(w.Connect(name), paths)
			all.Go(func() {
				for range 20 {
					held, err := m.Lock(t.Context())
					if assert.NoError(t, err) {
						assert.NoError(t, held.Unlock(t.Context()))
					}
				}
			})
		}
		all.Wait()
	})
}

// The end of any part ends the whole, and the guard checks every part.
func TestMultiEndsWithAnyPart(t *testing.T) {
	for part := range 2 {
		bubble(t, func(t *testing.T, w *world) {
			w.withAccount()
			held := lockedAll(t, lock.NewMulti(w.Connect("a"), pair))
			stat, err := held.Set(t.Context(), account, []byte("1"), 0)
			require.NoError(t, err)
			assert.EqualValues(t, 1, stat.Version)
			_, err = held.Set(t.Context(), account, nil, 7)
			var refused *framework.MultiError
			require.ErrorAs(t, err, &refused)
			assert.Zero(t, refused.Index, "as the caller counts")
			w.slowNews()
			require.NoError(t, w.Delete(held.Paths()[part]))
			_, err = held.Set(t.Context(), account, []byte("2"), framework.AnyVersion)
			assert.ErrorIs(t, err, lock.ErrNotHeld, "part %d", part)
			_, err = w.Connect("b").Multi(t.Context(), held.Checks())
			assert.ErrorIs(t, err, framework.ErrNoNode)
			assert.Equal(t, "1", w.balance())
			<-held.Context().Done()
			cause := context.Cause(held.Context())
			assert.ErrorIs(t, cause, lock.ErrDeleted)
			assert.ErrorContains(t, cause, held.Paths()[part])
			assert.ErrorIs(t, held.Unlock(t.Context()), lock.ErrDeleted)
			assert.Empty(t, w.List(pair[0]))
			assert.Empty(t, w.List(pair[1]))
		})
	}
}

// A part is lost while the rest is waited for: it begins again, and does not come back with half of what it holds.
func TestMultiLosesAPartWhileItWaits(t *testing.T) {
	for name, lose := range map[string]func(w *world){
		"suspended": func(w *world) { w.cut("b") },
		"deleted": func(w *world) {
			assert.NoError(w.t, w.Delete("/locks/a/"+w.List("/locks/a")[0]))
		},
		"session": func(w *world) {
			_, stat, err := w.Get("/locks/a/" + w.List("/locks/a")[0])
			assert.NoError(w.t, err)
			w.ExpireSession(stat.EphemeralOwner)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				held := locked(t, lock.New(w.Connect("a"), "/locks/b"))
				waiting := locking(t.Context(), lock.NewMulti(w.Connect("b"), pair))
				time.Sleep(time.Second)
				before := w.List("/locks/a")
				require.Len(t, before, 1)
				lose(w)
				time.Sleep(timeout / 2)
				assert.Empty(t, waiting)
				require.Len(t, w.List("/locks/a"), 1)
				assert.NotEqual(t, before, w.List("/locks/a"))
				unlock(t, held)
				all := took(t, waiting)
				time.Sleep(2 * timeout)
				require.NoError(t, context.Cause(all.Context()))
				assert.Len(t, w.List("/locks/b"), 1)
				giveBack(t, all)
			})
		})
	}
}

func TestMultiOfNothingAndOfBadPaths(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		_, err := lock.NewMulti(cli, nil).Lock(t.Context())
		assert.ErrorIs(t, err, lock.ErrNoPaths)
		_, err = lock.NewMulti(cli, nil).TryLock(t.Context())
		assert.ErrorIs(t, err, lock.ErrNoPaths)
		_, err = lock.NewMulti(cli, []string{"/good", "/bad/"}).Lock(t.Context())
		assert.ErrorIs(t, err, framework.ErrInvalidPath)
		_, err = lock.NewMulti(cli, []string{"/a", ""}).Lock(t.Context())
		assert.ErrorIs(t, err, framework.ErrInvalidPath, "not the root")
		m := lock.NewMulti(nil, pair, lock.Hold(time.Second), lock.StopOnLost())
		assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop, Grace: time.Second}, m.Policy())
		assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop}, m.WaitPolicy())
	})
}

func TestRealMulti(t *testing.T) {
	space := realzk.Shared(t)
	all := lock.NewMulti(realClient(t, space.ConnectString()), pair)
	held := lockedAll(t, all)
	m := lock.New(realClient(t, space.ConnectString()), "/locks/b")
	waiting := realQueue(t, m, 2)
	_, err := held.Multi(within(t), nil)
	require.NoError(t, err)
	giveBack(t, held)
	r := <-waiting
	require.NoError(t, r.err)
	_, err = all.TryLock(within(t))
	assert.ErrorIs(t, err, lock.ErrLocked)
	unlock(t, r.held)
	giveBack(t, lockedAll(t, all))
}
