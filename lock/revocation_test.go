package lock_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
)

// isRevoked reports whether a channel is closed, as soon as all that can happen has. It runs in a bubble.
func isRevoked(c <-chan struct{}) bool {
	time.Sleep(30 * time.Millisecond) // a claim watches its node after 20
	synctest.Wait()
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestRevoke(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m, other := lock.New(w.Connect("a"), path), lock.New(w.Connect("b"), path)
		held := locked(t, m)
		next := w.queued(t.Context(), other, 2)
		time.Sleep(time.Second)
		require.NoError(t, w.Set(held.Path(), []byte("graffiti")))
		assert.False(t, isRevoked(held.Revoked()))
		before := w.ClientCounts("a")
		list, err := other.Contenders(t.Context())
		require.NoError(t, err)
		require.NoError(t, other.Revoke(t.Context(), list[0]))
		data, _, err := w.Get(held.Path())
		require.NoError(t, err)
		assert.Equal(t, "__REVOKE__", string(data), "as Curator's Revoker writes it")
		assert.True(t, isRevoked(held.Revoked()))
		assert.LessOrEqual(t, w.ClientCounts("a").Sub(before).RoundTrips(), int64(1))
		alive(t, held) // it is a request
		require.NoError(t, other.Revoke(t.Context(), list[0]), "once more")

		require.NoError(t, other.Revoke(t.Context(), list[1]), "it waits, and is told when it holds")
		unlock(t, held)
		got := passed(t, next)
		assert.True(t, isRevoked(got.Revoked()))
		unlock(t, got)
		assert.NoError(t, other.Revoke(t.Context(), list[1]), "it has gone")
		assert.False(t, isRevoked(locked(t, m).Revoked()), "another node")
	})
}

// OnRevoke works for every kind of lock, and its function may unlock.
func TestOnRevoke(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.revokes(w.Connect("a"))
		assert.Empty(t, w.List(path))
	})
}

// revokes has one of each kind revoked. It runs in a bubble.
func (w *world) revokes(cli *framework.Client) {
	ctx, t := w.t.Context(), w.t
	told := make(chan lock.Holding, 1)
	opt := lock.OnRevoke(func(h lock.Holding) {
		assert.NoError(t, h.Unlock(context.Background()))
		told <- h
	})
	m, rw, s := lock.New(cli, path, opt), lock.NewRW(cli, "/rw", opt), lock.NewSemaphore(cli, pool, 2, opt)
	check := func(h lock.Holding, err error, revoke func(context.Context, lock.Contender) error, node string) {
		t.Helper()
		require.NoError(t, err)
		time.Sleep(time.Second)
		assert.Empty(t, told)
		require.NoError(t, revoke(ctx, lock.Contender{Path: node}))
		assert.Equal(t, h, <-told)
		assert.ErrorIs(t, context.Cause(h.Context()), lock.ErrReleased)
	}
	held, err := m.Lock(ctx)
	check(held, err, m.Revoke, held.Path())
	held, err = rw.RLock(ctx)
	check(held, err, rw.Revoke, held.Path())
	held, err = rw.Lock(ctx)
	require.NoError(t, err)
	held, err = held.Downgrade(ctx)
	check(held, err, rw.Revoke, held.Path())
	permits, err := s.Acquire(ctx, 2)
	check(permits, err, s.Revoke, permits.Paths()[1])
	both, err := lock.NewMulti(cli, []string{path, "/other"}, opt).Lock(ctx)
	check(both, err, lock.New(cli, "/other").Revoke, both.Paths()[1])
	assert.True(t, isRevoked(both.Revoked()))
}

func TestRevokeThatCannotBe(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		user := func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("user:s3cr3t")}}
		}
		held := locked(t, lock.New(w.Connect("a", user), path, lock.WithACL(framework.CreatorACL())))
		m := lock.New(w.Connect("b"), path)
		err := m.Revoke(t.Context(), lock.Contender{Path: held.Path()})
		assert.ErrorIs(t, err, framework.ErrNoAuth)
		assert.ErrorContains(t, err, "lock "+path)
		assert.ErrorContains(t, m.Revoke(t.Context(), lock.Contender{Path: "/account"}), "not in the queue")
		assert.False(t, isRevoked(held.Revoked()))
		assert.NoError(t, lock.New(w.Connect("c"), "locks/orders").Revoke(t.Context(), lock.Contender{Path: path + "/gone"}))
	})
}

func TestRealRevoke(t *testing.T) {
	space := realzk.Shared(t)
	m := lock.New(realClient(t, space.ConnectString()), path)
	held := locked(t, m)
	other := lock.New(realClient(t, space.ConnectString()), path)
	list, err := other.Contenders(within(t))
	require.NoError(t, err)
	require.NoError(t, other.Revoke(within(t), list[0]))
	select {
	case <-held.Revoked():
	case <-within(t).Done():
		t.Fatal("not told")
	}
	unlock(t, held)
}

// A function that panics ends nothing: the lock is still held, and the process runs.
func TestOnRevokeThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		called := 0
		m := lock.New(cli, path, lock.OnRevoke(func(lock.Holding) {
			called++
			panic("boom")
		}))
		held := locked(t, m)
		list, err := m.Contenders(t.Context())
		require.NoError(t, err)
		require.NoError(t, m.Revoke(t.Context(), list[0]))
		assert.True(t, isRevoked(held.Revoked()))
		assert.Equal(t, 1, called)
		alive(t, held)
		unlock(t, held)
		unlock(t, locked(t, m))
	})
}
