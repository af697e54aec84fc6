package lock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

func TestContenders(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		observer := lock.New(w.Connect("c"), path)
		list, err := observer.Contenders(t.Context())
		require.NoError(t, err)
		assert.Empty(t, list, "nobody has ever locked it")

		first := locked(t, lock.New(a, path, lock.WithData([]byte("first"))))
		since := time.Now()
		waiting := w.queued(t.Context(), lock.New(b, path, lock.WithData([]byte("second"))), 2)
		list, err = observer.Contenders(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 2)
		assert.Equal(t, first.Path(), list[0].Path)
		assert.Equal(t, first.Token(), list[0].Token)
		assert.Equal(t, w.session(a), list[0].Session)
		assert.Equal(t, w.session(b), list[1].Session)
		assert.Equal(t, []any{1, true, lock.Exclusive, 2, false, lock.Exclusive},
			[]any{list[0].Position, list[0].Holds, list[0].Kind, list[1].Position, list[1].Holds, list[1].Kind})
		assert.Equal(t, "first", string(list[0].Data))
		assert.Equal(t, "second", string(list[1].Data))
		assert.WithinDuration(t, since, list[0].Since, 5*time.Millisecond)

		require.NoError(t, first.Unlock(t.Context()))
		next := <-waiting
		list, err = observer.Contenders(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.Equal(t, next.held.Path(), list[0].Path)
		require.NoError(t, next.held.Unlock(t.Context()))
		list, err = observer.Contenders(t.Context())
		require.NoError(t, err)
		assert.Empty(t, list)
	})
}

func TestWithData(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for want, opts := range map[string][]lock.Option{"": nil, "pod 7": {lock.WithData([]byte("pod 7"))}} {
			held := locked(t, lock.New(cli, path, opts...))
			data, _, err := w.Get(held.Path())
			require.NoError(t, err)
			assert.NotNil(t, data, "null data breaks readers in other languages")
			assert.Equal(t, want, string(data))
			require.NoError(t, held.Unlock(t.Context()))
		}
	})
}

func TestWithACL(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		own := framework.CreatorACL()
		user := func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("user:s3cr3t")}}
		}
		cli := w.Connect("a", user)
		closed := locked(t, lock.New(cli, "/closed", lock.WithACL(own)))
		open := locked(t, lock.New(cli, "/open"))
		stranger := w.Connect("b")
		_, err := stranger.Get(t.Context(), closed.Path())
		assert.ErrorIs(t, err, framework.ErrNoAuth)
		_, err = stranger.Get(t.Context(), open.Path())
		assert.NoError(t, err)
		_, err = lock.New(stranger, "/closed").Lock(t.Context())
		assert.ErrorIs(t, err, framework.ErrNoAuth, "whoever may not read the nodes cannot wait for them")
		time.Sleep(time.Second)
		assert.Len(t, w.List("/closed"), 1, "and does not stay in the queue")
		friend := start(t.Context(), lock.New(w.Connect("c", user), "/closed", lock.WithACL(own)))
		time.Sleep(time.Second)
		require.NoError(t, closed.Unlock(t.Context()))
		require.NoError(t, (<-friend).err)
	})
}

func TestWithACLDefaultsToTheClients(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a", func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("user:s3cr3t")}}
			c.ACL = framework.CreatorACL()
		})
		held := locked(t, lock.New(cli, path))
		_, err := w.Connect("b").Get(t.Context(), held.Path())
		assert.ErrorIs(t, err, framework.ErrNoAuth)
	})
}

// A lock that the servers refuse today may be allowed tomorrow.
func TestRefusedLock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		admin := w.Connect("admin")
		_, err := admin.Create(t.Context(), path, nil, framework.Parents)
		require.NoError(t, err)
		_, err = admin.SetACL(t.Context(), path, []framework.ACL{{Scheme: "world", ID: "anyone", Perms: 1 | 16}}, framework.AnyVersion)
		require.NoError(t, err)
		m := lock.New(w.Connect("a"), path)
		_, err = m.Lock(t.Context())
		assert.ErrorIs(t, err, framework.ErrNoAuth)
		assert.ErrorContains(t, err, path)
		_, err = admin.SetACL(t.Context(), path, framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		alive(t, locked(t, m))
	})
}
