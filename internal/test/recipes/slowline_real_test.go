package recipes_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// slowSession is the session timeout on a slow line of a real server.
const slowSession = 9 * time.Second

// realSlowLine makes a client behind a proxy, and a quarter of the children.
func realSlowLine(t *testing.T, margin time.Duration) (*realzk.Proxy, *framework.Client) {
	t.Helper()
	space := realzk.Shared(t)
	filler := realClient(t, space.ConnectString())
	_, err := filler.Create(t.Context(), "/dir", nil)
	require.NoError(t, err)
	fill(t, filler, listed/4)
	proxy := realzk.NewProxy(t, space.Addr())
	cli, err := framework.New(framework.Config{
		ConnectString: proxy.Addr() + space.Root(), SessionTimeout: slowSession, TrustMargin: margin,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(t.Context()))
	return proxy, cli
}

// The same on a real server: the list takes 6.3 of 9 s. Trust lasts for 8.1 s, so that a busy machine does not end it.
func TestRealSlowListLeavesClaimsAlone(t *testing.T) {
	t.Parallel()
	proxy, cli := realSlowLine(t, slowSession/10)
	d := dwell(t, cli)
	before := proxy.Accepted()
	proxy.Throttle(listed / 4 * 55 * 10 / 63)
	answered(t, cli)
	begin := time.Now()
	list, _, err := cli.Children(t.Context(), "/dir")
	took := time.Since(begin)
	require.NoError(t, proxy.Heal())
	require.NoError(t, err)
	assert.Len(t, list, listed/4)
	assert.Greater(t, took, slowSession*2/3, "longer than the driver would wait")
	d.stop()
	breaks := proxy.Accepted() - before
	t.Logf("the list took %v; %d breaks, %d terms begun after the first two", took.Round(time.Millisecond), breaks, len(d.terms())-2)
	assert.Zero(t, breaks)
	assert.Len(t, d.terms(), 2)
}

// fill makes children of "/dir" whose names have 51 bytes.
func fill(t *testing.T, cli *framework.Client, names int) {
	t.Helper()
	const batch = 1000
	for first := 0; first < names; first += batch {
		ops := make([]framework.Op, batch)
		for i := range ops {
			ops[i] = framework.CreateOp(fmt.Sprintf("/dir/a-child-%043d", first+i), nil, 0)
		}
		_, err := cli.Multi(t.Context(), ops)
		require.NoError(t, err)
	}
}
