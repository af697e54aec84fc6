package framework_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// A server is restored from a backup. The first write of the client's next session is applied, and its answer lost.
func TestRealFirstWriteAfterARestoreWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	srv := realzk.Standalone(t, realzk.Options{TickTime: 100 * time.Millisecond})
	ctx := within(t, 2*patience)
	_, err := realClient(t, srv.Addr()).Create(ctx, "/node", []byte("old"))
	require.NoError(t, err)
	require.NoError(t, srv.Stop())
	require.NoError(t, srv.Backup())
	require.NoError(t, srv.Start())
	proxy := realzk.NewProxy(t, srv.Addr())
	cli := realClient(t, proxy.Addr(), timeout(4*time.Second))
	for range 100 {
		_, err := cli.Set(ctx, "/node", []byte("lost"), framework.AnyVersion)
		require.NoError(t, err)
	}
	next := follow(t, cli)
	require.NoError(t, srv.Stop())
	require.NoError(t, srv.Restore())
	require.NoError(t, srv.Start())
	next(framework.Lost)
	next(framework.Connected)

	others := realClient(t, srv.Addr())
	_, w, err := others.WatchData(ctx, "/node")
	require.NoError(t, err)
	proxy.Blackhole(realzk.ToClient)
	result := make(chan error, 1)
	go func() {
		_, err := cli.Set(ctx, "/node", []byte("new"), framework.AnyVersion)
		result <- err
	}()
	require.Equal(t, framework.EventDataChanged, (<-w.C).Type)
	proxy.Cut()
	require.NoError(t, proxy.Heal())
	require.ErrorIs(t, <-result, framework.ErrOutcomeUnknown)
	node, err := others.Get(ctx, "/node")
	require.NoError(t, err)
	assert.Equal(t, "new", string(node.Data))
	assert.EqualValues(t, 1, node.Stat.Version, "it was applied more than once")
}
