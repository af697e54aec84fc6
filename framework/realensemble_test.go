package framework_test

import (
	"slices"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// awaitServers waits until a client chooses from these servers.
func awaitServers(t *testing.T, cli *framework.Client, want ...string) {
	t.Helper()
	want = slices.Sorted(slices.Values(want))
	require.Eventually(t, func() bool { return slices.Equal(want, cli.Info().Servers) }, patience, 10*time.Millisecond, "%v", want)
}

// A client that knows one member of a real ensemble learns of the others, outlives the end of the one it knows, and follows a reconfiguration.
func TestRealEnsembleIsFollowed(t *testing.T) {
	t.Parallel()
	cluster := realzk.Ensemble(t, 3, realzk.Options{Reconfig: true})
	servers := cluster.Servers()
	all := []string{servers[0].Addr(), servers[1].Addr(), servers[2].Addr()}
	cli := realClient(t, all[0], func(c *framework.Config) { c.FollowEnsemble = true })
	awaitServers(t, cli, all...)
	session, next := cli.State().SessionID, follow(t, cli)
	require.NoError(t, servers[0].Stop())
	again := next(framework.Reconnected)
	assert.Equal(t, session, again.SessionID)
	assert.NotEqual(t, all[0], again.Server)

	require.NoError(t, servers[0].Start())
	require.NoError(t, cluster.WaitReady(within(t, patience)))
	admin, _, err := zk.Connect([]string{again.Server}, time.Minute)
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.IncrementalReconfig(nil, []string{"1"}, -1)
	require.NoError(t, err)
	awaitServers(t, cli, all[1:]...)
}
