package node_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

const (
	ttl   = 20 * time.Second
	touch = path + "/touch"
)

// sweeping removes empty containers and outlived nodes soon.
var sweeping = zktest.Config{ContainerCheckInterval: time.Second}

func TestTTL(t *testing.T) {
	bubbleWith(t, sweeping, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "payload", node.WithTTL(ttl))
		n := w.Dump()[path]
		assert.Equal(t, zktest.Container, n.Mode)
		assert.Equal(t, "payload", string(n.Data))
		n = w.Dump()[touch]
		assert.Equal(t, zktest.PersistentTTL, n.Mode)
		assert.Equal(t, ttl, n.TTL)
		assert.Equal(t, []byte{}, n.Data)

		cost := w.cost(func() { time.Sleep(10 * ttl) })
		assert.Equal(t, requests{zktest.OpSetData: 20}, unchecked(t, cost, 1, 10*ttl), "two renewals in the time to live")
		assert.Zero(t, cost.Events)
		require.NoError(t, k.Set(t.Context(), []byte("new")))
		assert.Equal(t, "new", w.data(path))
		closed(t, k)
		assert.Empty(t, w.List(dir))
	})
}

// The node outlives the session, as long as somebody renews it in time, and not the process.
func TestTTLOverSessions(t *testing.T) {
	bubbleWith(t, sweeping, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "payload", node.WithTTL(ttl))
		_, before, err := w.Get(path)
		require.NoError(t, err)
		for range 5 {
			w.expire(cli)
			time.Sleep(ttl)
		}
		_, after, err := w.Get(path)
		require.NoError(t, err)
		assert.Equal(t, before.Czxid, after.Czxid)

		heal := w.Silence("a")
		time.Sleep(ttl + 2*time.Second)
		require.Empty(t, w.List(dir), "the process seems to be dead")
		heal()
		w.WaitState(cli, framework.Connected)
		time.Sleep(time.Second)
		assert.Equal(t, "payload", w.data(path))
		assert.True(t, w.Exists(touch))
		assert.True(t, k.Standing().Stands)
		w.Silence("a")
		time.Sleep(ttl + 2*time.Second)
		assert.Empty(t, w.List(dir))
	})
}

func TestTTLDeletedByOthers(t *testing.T) {
	bubbleWith(t, sweeping, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "payload", node.WithTTL(ttl))
		require.NoError(t, w.Delete(touch))
		time.Sleep(ttl)
		assert.True(t, w.Exists(touch))
		assert.Equal(t, "payload", w.data(path))
		time.Sleep(time.Minute)
		require.NoError(t, w.Delete(touch))
		require.NoError(t, w.Delete(path))
		time.Sleep(time.Second)
		assert.True(t, w.Exists(touch))
		assert.Equal(t, "payload", w.data(path))
		closed(t, k)
	})
}

// The answer to the delete of the child is lost, and somebody creates that child again: nobody can say what became of the delete. Close goes on.
func TestTTLCloseWhenTheDeleteOfTheChildIsUnknown(t *testing.T) {
	bubbleWith(t, sweeping, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "payload", node.WithTTL(ttl))
		lost := false
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if lost || f.Stage != zktest.Reply || f.Op != zktest.OpDelete || f.Path != touch {
				return zktest.Pass
			}
			lost = true
			time.AfterFunc(time.Millisecond, func() { _, _ = w.Create(touch, nil, zktest.Persistent) })
			return zktest.Cut
		})
		closed(t, k)
		assert.True(t, lost)
		assert.Empty(t, w.List(dir))
	})
}

// The container is gone, and the news is late: the renewal finds out.
func TestTTLRenewalFindsNoContainer(t *testing.T) {
	bubbleWith(t, sweeping, func(t *testing.T, w *world) {
		k := w.keep(w.Connect("a"), path, "payload", node.WithTTL(ttl))
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Event {
				return zktest.Drop
			}
			return zktest.Pass
		})
		time.Sleep(ttl/2 - time.Second)
		require.NoError(t, w.Delete(touch))
		require.NoError(t, w.Delete(path))
		time.Sleep(time.Second)
		settle()
		assert.Equal(t, "payload", w.data(path))
		assert.True(t, w.Exists(touch))
		assert.True(t, k.Standing().Stands)
		closed(t, k)
	})
}

// A server without extended types refuses the child: then there is no container either.
func TestTTLThatIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a", func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("u:s3cr3t")}}
		})
		// An ACL without the permission to create children has the same effect, on every server.
		_, err := node.Keep(t.Context(), cli, path, nil, node.WithTTL(ttl), node.WithACL([]framework.ACL{{Scheme: "auth", Perms: 1 | 2}}))
		require.ErrorIs(t, err, framework.ErrNoAuth)
		assert.Empty(t, w.List(dir))
		assert.Empty(t, cli.Recipes())
	})
}
