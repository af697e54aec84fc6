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

// readable lets everybody read and administer, and nothing else.
var readable = []framework.ACL{{Scheme: "world", ID: "anyone", Perms: 1 | 16}}

// What the servers refuse the first time is the caller's to know.
func TestRefusedTheFirstTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, admin := w.Connect("a"), w.Connect("admin")
		_, err := admin.Create(t.Context(), dir, nil, framework.Parents, framework.WithACL(readable))
		require.NoError(t, err)
		_, err = node.Keep(t.Context(), cli, path, nil)
		require.ErrorIs(t, err, framework.ErrNoAuth)
		assert.ErrorContains(t, err, path)
		_, err = node.Keep(t.Context(), cli, "/huge", make([]byte, framework.DefaultMaxRequestSize))
		require.ErrorIs(t, err, framework.ErrTooLarge)
		_, err = node.Keep(t.Context(), cli, "/acl", nil, node.WithACL([]framework.ACL{{Scheme: "nonsense", Perms: 31}}))
		require.ErrorIs(t, err, framework.ErrInvalidACL)
		w.createFor(admin, "/ephemeral", "")
		_, err = node.Keep(t.Context(), cli, "/ephemeral/child", nil)
		require.ErrorIs(t, err, framework.ErrNoChildrenForEphemerals)
		settle()
		assert.Empty(t, cli.Recipes(), "nothing of it goes on")
	})
}

// A create that is refused in a new session is tried again, with growing pauses, and the Standing says why.
func TestRefusedLater(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, admin := w.Connect("a"), w.Connect("admin")
		w.Put(dir, "")
		k := w.keep(cli, path, "payload")
		_, err := admin.SetACL(t.Context(), dir, readable, framework.AnyVersion)
		require.NoError(t, err)
		w.expire(cli)
		lost := time.Now()
		w.WaitState(cli, framework.Connected)
		cost := w.cost(func() { time.Sleep(10 * time.Minute) })
		assert.Less(t, cost.Requests[zktest.OpCreate2], int64(60))
		assert.Greater(t, cost.Requests[zktest.OpCreate2], int64(20))
		s := k.Standing()
		assert.False(t, s.Stands)
		require.ErrorIs(t, s.Err, framework.ErrNoAuth)
		err = k.WaitStanding(within(t, time.Second))
		require.ErrorIs(t, err, framework.ErrNoAuth)
		require.NoError(t, k.Err())

		_, err = admin.SetACL(t.Context(), dir, framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		require.NoError(t, k.WaitStanding(within(t, 31*time.Second)))
		assert.Equal(t, "payload", w.data(path))
		require.NoError(t, k.Standing().Err)
		assert.WithinDuration(t, time.Now(), k.Standing().Since, time.Second)
		assert.WithinDuration(t, lost, s.Since, time.Second)

		time.Sleep(10 * time.Minute)
		_, err = admin.SetACL(t.Context(), dir, readable, framework.AnyVersion)
		require.NoError(t, err)
		w.expire(cli)
		w.WaitState(cli, framework.Connected)
		settle()
		_, err = admin.SetACL(t.Context(), dir, framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		require.NoError(t, k.WaitStanding(within(t, 100*time.Millisecond)), "the pauses have begun anew")
		closed(t, k)
	})
}

// Close does not wait for a pause.
func TestCloseWhileRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, admin := w.Connect("a"), w.Connect("admin")
		w.Put(dir, "")
		k := w.keep(cli, path, "payload")
		_, err := admin.SetACL(t.Context(), dir, readable, framework.AnyVersion)
		require.NoError(t, err)
		w.expire(cli)
		time.Sleep(10*time.Minute + time.Second)
		require.ErrorIs(t, k.Standing().Err, framework.ErrNoAuth)
		at := time.Now()
		closed(t, k)
		assert.Less(t, time.Since(at), 10*time.Millisecond)
	})
}
