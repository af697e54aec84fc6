package recipes_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/node"
)

// reach waits until a client is in a state that does not pass by itself.
func reach(t *testing.T, cli *framework.Client, state framework.State) framework.StateChange {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for ch := range cli.States(ctx) {
		if ch.State == state {
			return ch
		}
	}
	require.FailNow(t, "the state does not come", "waited for %v; it is %v", state, cli.State())
	panic("unreachable")
}

// Two of three real members are killed, and come back.
func TestRealRecipesWithoutQuorum(t *testing.T) {
	t.Parallel()
	ensemble := realzk.Ensemble(t, 3, realzk.Options{ReadOnlyMode: true})
	config := framework.Config{ConnectString: ensemble.ConnectString(), SessionTimeout: 3 * time.Second, ReadOnly: true}
	start := func() *framework.Client {
		cli, err := framework.New(config)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, cli.Close()) })
		require.NoError(t, cli.WaitConnected(t.Context()))
		return cli
	}
	ctx := t.Context()
	cli := start()
	reach(t, cli, framework.Connected)
	_, err := cli.Create(ctx, "/tree/a", []byte("old"), framework.Parents)
	require.NoError(t, err)
	held, err := lock.New(cli, "/lock", lock.Hold(0)).Lock(ctx)
	require.NoError(t, err)
	kept, err := node.Keep(ctx, cli, "/kept", nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, kept.Close(context.Background())) }()
	tree, err := cache.Open(ctx, cli, "/tree")
	require.NoError(t, err)
	defer tree.Close()
	servers := ensemble.Servers()
	witness := realClient(t, servers[0].Addr()) // lives on, because its end would be a transaction that this member may not get
	require.NoError(t, witness.Sync(ctx, "/tree"), "the member that is left has everything")
	for _, s := range servers[1:] {
		require.NoError(t, s.Kill())
	}
	ro := reach(t, cli, framework.ReadOnly)
	assert.Error(t, held.Context().Err(), "what is held ends with its session")
	got, err := cli.Get(ctx, "/tree/a")
	require.NoError(t, err)
	assert.Equal(t, "old", string(got.Data))
	_, err = cli.Set(ctx, "/tree/a", []byte("refused"), framework.AnyVersion)
	assert.ErrorIs(t, err, framework.ErrNotReadOnly)
	_, err = cli.Create(ctx, "/other", nil)
	assert.ErrorIs(t, err, framework.ErrNotReadOnly)
	shown, there := tree.Get("/tree/a")
	assert.True(t, there)
	assert.Equal(t, "old", string(shown.Data))
	assert.False(t, tree.StaleSince().IsZero())

	// A process that starts now.
	late := start()
	assert.False(t, late.State().State.Connected())
	lateTree, err := cache.Open(ctx, late, "/tree")
	require.NoError(t, err)
	defer lateTree.Close()
	shown, _ = lateTree.Get("/tree/a")
	assert.Equal(t, "old", string(shown.Data))
	mode, err := servers[0].Mode(ctx)
	require.NoError(t, err)
	assert.EqualValues(t, "read-only", mode)

	for _, s := range servers[1:] {
		require.NoError(t, s.Start())
	}
	full := reach(t, cli, framework.Connected)
	assert.Greater(t, full.Epoch, ro.Epoch)
	reach(t, late, framework.Connected)
	_, err = cli.Set(ctx, "/tree/a", []byte("new"), framework.AnyVersion)
	require.NoError(t, err)
	for _, tr := range []*cache.Tree{tree, lateTree} {
		require.NoError(t, tr.Sync(ctx))
		shown, _ = tr.Get("/tree/a")
		assert.Equal(t, "new", string(shown.Data))
	}
	_ = held.Unlock(ctx) // it is lost
	again, err := lock.New(cli, "/lock").Lock(ctx)
	require.NoError(t, err)
	require.NoError(t, again.Unlock(ctx))
	owned(t, cli, "/kept")
	assert.NotContains(t, servers[0].LogTail(), "old client")
}

// owned waits until a node belongs to the client's session.
func owned(t *testing.T, cli *framework.Client, path string) {
	t.Helper()
	s, err := cli.Session(t.Context())
	require.NoError(t, err)
	for {
		stat, there, w, err := s.WatchExists(t.Context(), path)
		require.NoError(t, err)
		if there && stat.EphemeralOwner == s.ID() {
			w.Stop()
			return
		}
		select {
		case <-w.C:
		case <-t.Context().Done():
			require.FailNow(t, "the node does not come back", path)
		}
	}
}
