package cache

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// That a connection broke may be heard of when the next one has been caught up with already: nothing comes after it that would
// make the cache fresh again.
func TestLateNewsOfABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Close()) })
		cli, err := framework.New(framework.Config{ConnectString: server.ConnectString(), Dialer: server.Client("c").Dial})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, cli.Close()) })
		time.Sleep(time.Second)
		tree, err := Open(t.Context(), cli, "/a")
		require.NoError(t, err)
		broke := cli.State().Time.Add(time.Millisecond)
		server.Cut(zktest.AllConns())
		time.Sleep(5 * time.Second)
		require.NoError(t, tree.WaitFresh(t.Context()))
		tree.m.stale(broke)
		assert.Zero(t, tree.StaleSince())
		tree.m.stale(time.Now())
		assert.NotZero(t, tree.StaleSince())
	})
}
