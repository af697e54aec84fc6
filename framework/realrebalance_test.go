package framework_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

var rebalanced = flag.Int("framework.clients", 0, "how many clients the rolling restart of a real ensemble has, such as 60; with 0 it is left out")

// realCounts are the sessions of each member, as the members say.
func realCounts(t *testing.T, servers []*realzk.Server) (counts []int) {
	t.Helper()
	for _, srv := range servers {
		answer, err := srv.FourLetter(within(t, patience), "cons")
		require.NoError(t, err)
		counts = append(counts, strings.Count(answer, "sid=0x"))
	}
	return counts
}

// After a rolling restart of a real ensemble, its members have the same number of clients again, and no session is lost.
func TestRealRollingRestartLeavesTheMembersEven(t *testing.T) {
	if *rebalanced == 0 {
		t.Skip("-framework.clients=60 runs it")
	}
	cluster := realzk.Ensemble(t, 3, realzk.Options{})
	servers := cluster.Servers()
	clients := make([]*framework.Client, *rebalanced)
	for i := range clients {
		clients[i] = realClient(t, cluster.ConnectString(), timeout(40*time.Second), func(c *framework.Config) {
			c.RebalanceAfter, c.ServersRefresh = 3*time.Second, 2*time.Second
		})
	}
	share := float64(len(clients)) / 3
	even := func() bool {
		for _, n := range realCounts(t, servers) {
			if float64(n) < share*0.8 || float64(n) > share*1.2 {
				return false
			}
		}
		return true
	}
	require.Eventually(t, even, patience, 200*time.Millisecond)
	t.Logf("before: %v", realCounts(t, servers))
	for _, srv := range servers {
		require.NoError(t, srv.Stop())
		require.NoError(t, srv.Start())
		require.NoError(t, cluster.WaitReady(within(t, patience)))
	}
	t.Logf("right after the restart: %v", realCounts(t, servers))
	// A member that has restarted refuses clients which have seen a newer transaction, until it has seen one itself.
	require.Eventually(t, func() bool {
		_, err := clients[0].Set(within(t, patience), "/", nil, framework.AnyVersion)
		return err == nil && even()
	}, patience, 200*time.Millisecond)
	t.Logf("in the end: %v", realCounts(t, servers))
	for _, cli := range clients {
		assert.EqualValues(t, 1, cli.State().Epoch, "no session is lost")
	}
}
