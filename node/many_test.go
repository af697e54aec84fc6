package node_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// keepMany keeps n nodes at once.
func keepMany(t *testing.T, cli *framework.Client, dir string, n int) []*node.Keeper {
	t.Helper()
	keepers, errs := make([]*node.Keeper, n), make([]error, n)
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			keepers[i], errs[i] = node.Keep(t.Context(), cli, fmt.Sprintf("%s/%04d", dir, i), []byte("payload"))
		})
	}
	calls.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return keepers
}

// createMany creates n ephemeral nodes at once, with nothing but the client: what could not be faster. It returns the time
// that it took.
func createMany(t *testing.T, cli *framework.Client, dir string, n int) time.Duration {
	t.Helper()
	s, err := cli.Session(t.Context())
	require.NoError(t, err)
	started := time.Now()
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			_, err := s.Create(t.Context(), fmt.Sprintf("%s/%04d", dir, i), []byte("payload"), framework.Ephemeral)
			assert.NoError(t, err)
		})
	}
	calls.Wait()
	return time.Since(started)
}

// waitAll waits until all nodes stand in a session.
func waitAll(ctx context.Context, t *testing.T, keepers []*node.Keeper, session int64) {
	t.Helper()
	for _, k := range keepers {
		for k.Standing().Session != session {
			require.NoError(t, k.WaitStanding(ctx))
		}
	}
}

// A thousand nodes of one client come back in the next session with a few transactions, and one look for each that watches it.
func TestAThousandNodesAfterALostSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const n = 1000
		cli := w.Connect("a")
		w.Put("/floor", "")
		w.Put("/kept", "")
		floor := createMany(t, cli, "/floor", n)
		keepers := keepMany(t, cli, "/kept", n)
		settle()
		var took time.Duration
		cost := w.cost(func() {
			w.expire(cli)
			w.WaitState(cli, framework.Connected)
			began := time.Now()
			slow := w.Delay(zktest.AllConns(), 10*time.Millisecond) // so that all keepers begin before the first reply
			waitAll(within(t, time.Minute), t, keepers, w.session(cli))
			took = time.Since(began)
			time.Sleep(time.Second)
			slow()
		})
		assert.Len(t, w.List("/kept"), n)
		multis := cost.Requests[zktest.OpMulti]
		assert.LessOrEqual(t, multis, int64(4))
		assert.Equal(t, requests{zktest.OpCreate2: 2, zktest.OpMulti: multis, zktest.OpGetChildren2: n}, cost.Requests)
		t.Logf("%d nodes back after %v; %d bare creates took %v", n, took, n, floor)

		blip := w.cost(func() {
			w.Cut(zktest.AllConns())
			w.WaitState(cli, framework.Reconnected)
			time.Sleep(time.Minute)
		})
		assert.Zero(t, blip.Writes())
		assert.Zero(t, blip.Events)
		assert.Equal(t, blip.Requests[zktest.OpSetWatches], blip.RoundTrips(), "nothing but the driver's")
	})
}
