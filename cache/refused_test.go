package cache_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// owner is a client that may do what others may not.
func owner(w *world) *framework.Client {
	return w.Connect("owner", func(c *framework.Config) {
		c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("owner:s3cr3t")}}
	})
}

// A node that may not be read costs its siblings nothing, and is there when it may be.
func TestRefusedNodes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b", "1")
		o := owner(w)
		_, err := o.Create(t.Context(), "/a/private", []byte("2"), framework.WithACL(framework.CreatorACL()))
		require.NoError(t, err)
		_, err = o.Create(t.Context(), "/a/private/below", nil)
		require.NoError(t, err)
		w.Put("/a/z", "3")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		assert.Equal(t, []string{"/a", "/a/b", "/a/z"}, paths(tree))
		assert.Zero(t, tree.StaleSince(), "it is as fresh as can be")
		for path, err := range tree.Refused() {
			assert.Equal(t, "/a/private", path)
			require.ErrorIs(t, err, framework.ErrNoAuth)
		}
		assert.Equal(t, 1, tree.Snapshot().RefusedLen())

		before := w.unchecked("c")
		time.Sleep(20 * time.Minute)
		cost := w.unchecked("c") - before
		assert.Greater(t, cost, int64(20), "it is tried again")
		assert.Less(t, cost, int64(30), "but not too often")

		_, err = o.SetACL(t.Context(), "/a/private", framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		w.equal(tree, "/a")
		assert.Zero(t, tree.Snapshot().RefusedLen())
		before = w.unchecked("c")
		time.Sleep(20 * time.Minute)
		assert.Equal(t, before, w.unchecked("c"), "nothing is tried any more")

		private(w, "/a/b/later")
		w.expire("c", cli, func() {})
		assert.Equal(t, 1, tree.Snapshot().RefusedLen())
		_, err = o.SetACL(t.Context(), "/a/b/later", framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		w.equal(tree, "/a")
	})
}

// What was refused and is deleted is not refused any more.
func TestRefusedNodesGo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b", "")
		private(w, "/a/private")
		private(w, "/a/b/private")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		assert.Equal(t, 2, tree.Snapshot().RefusedLen())
		w.raze("/a/b")
		time.Sleep(time.Second)
		assert.Equal(t, 1, tree.Snapshot().RefusedLen())
		w.expire("c", cli, func() { w.raze("/a/private") })
		assert.Zero(t, tree.Snapshot().RefusedLen())
		w.equal(tree, "/a")
	})
}

// A node that may not be read any more stays as it was.
func TestRefusedLater(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		o := owner(w)
		w.Put("/a/b", "1")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		_, err := o.SetACL(t.Context(), "/a/b", framework.CreatorACL(), framework.AnyVersion)
		require.NoError(t, err)
		w.set("/a/b", "2")
		time.Sleep(time.Second)
		node, ok := tree.Get("/a/b")
		require.True(t, ok)
		assert.Equal(t, "1", string(node.Data), "the server tells nobody who may not read it")
		w.expire("c", cli, func() {})
		assert.Equal(t, 1, tree.Snapshot().RefusedLen())
		node, ok = tree.Get("/a/b")
		require.True(t, ok)
		assert.Equal(t, "1", string(node.Data))
		_, err = o.SetACL(t.Context(), "/a/b", framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		w.equal(tree, "/a")
	})
}

func TestARefusedRoot(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		private(w, "/a")
		cli := w.Connect("c")
		_, err := cache.Open(t.Context(), cli, "/a", w.all()...)
		require.ErrorIs(t, err, framework.ErrNoAuth)
		assert.Empty(t, cli.Recipes())
		tree := w.open(cli, "/a", cache.NoWait())
		<-tree.Synced()
		assert.Zero(t, tree.Len())
		_, err = owner(w).SetACL(t.Context(), "/a", framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		w.equal(tree, "/a")
	})
}

// A list that is longer than MaxReplySize names the limit, and does not go on breaking the connection.
func TestAListThatIsTooLong(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/big", "")
		for i := range 3000 {
			_, err := w.Create("/a/big/a-name-that-is-rather-long-for-a-node-", nil, zktest.PersistentSequential)
			require.NoError(t, err, i)
		}
		w.Put("/a/small/x", "")
		cli := w.Connect("c", func(c *framework.Config) { c.MaxReplySize = 100 << 10 })
		tree := w.open(cli, "/a")
		assert.Equal(t, []string{"/a", "/a/big", "/a/small", "/a/small/x"}, paths(tree))
		var refused error
		for path, err := range tree.Refused() {
			assert.Equal(t, "/a/big", path)
			refused = errors.Join(refused, err)
		}
		require.ErrorIs(t, refused, framework.ErrReplyRefused)
		require.ErrorContains(t, refused, "MaxReplySize")
		before := w.ClientCounts("c")
		time.Sleep(time.Hour)
		assert.Zero(t, w.ClientCounts("c").Sub(before).Accepted, "the connection is left alone")
		require.NoError(t, tree.Sync(t.Context()))
		_, err := cache.OpenChildren(t.Context(), cli, "/a/big")
		require.NoError(t, err, "its root can be read")
	})
}
