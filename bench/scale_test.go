package bench

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// load is what some number of things has cost.
type load struct {
	requests   int64
	goroutines int // beyond those before, at rest
}

// scale is a server in a bubble, and a client of it.
type scale struct {
	*testing.T
	s   *zktest.Server
	cli *framework.Client
}

// measured counts the requests of work, and the goroutines that it has left running.
func (s scale) measured(work func()) load {
	synctest.Wait()
	before, goroutines := s.s.Counts().RoundTrips(), runtime.NumGoroutine()
	work()
	synctest.Wait()
	return load{s.s.Counts().RoundTrips() - before, runtime.NumGoroutine() - goroutines}
}

// scales are things of which there can be many, each in a bubble. Their cost grows at most with an exponent of 1.1: a cost that grows with
// the square shows at small sizes already. perItem is how many goroutines each of them may have.
var scales = map[string]struct {
	perItem float64
	run     func(s scale, n int) load
}{
	"waiters": {1.1, func(s scale, n int) load {
		m := lock.New(s.cli, "/lock")
		held, err := m.Lock(s.Context())
		require.NoError(s, err)
		var waiters sync.WaitGroup
		joined := s.measured(func() {
			for range n {
				waiters.Go(func() {
					assert.NoError(s, lock.Do(s.Context(), m, func(context.Context, *lock.Held) error { return nil }))
				})
			}
			time.Sleep(time.Second)
		})
		passed := s.measured(func() {
			require.NoError(s, held.Unlock(s.Context()))
			waiters.Wait()
		})
		return load{joined.requests + passed.requests, joined.goroutines}
	}},
	"cached nodes": {0.2, func(s scale, n int) load {
		for i := range n {
			_, err := s.s.Create(fmt.Sprintf("/nodes/%d", i), []byte("data"), zktest.Persistent)
			require.NoError(s, err)
		}
		return s.measured(func() {
			tree, err := cache.Open(s.Context(), s.cli, "/nodes")
			require.NoError(s, err)
			s.Cleanup(func() { assert.NoError(s, tree.Close()) })
		})
	}},
	"watches that are set again": {0.1, func(s scale, n int) load {
		for i := range n {
			_, _, _, err := s.cli.WatchExists(s.Context(), fmt.Sprintf("/absent-%d", i))
			require.NoError(s, err)
		}
		return s.measured(func() {
			s.s.Cut(zktest.AllConns())
			time.Sleep(time.Second)
		})
	}},
	"kept nodes that come back": {0.2, func(s scale, n int) load {
		for i := range n {
			k, err := node.Keep(s.Context(), s.cli, fmt.Sprintf("/nodes/%d", i), nil)
			require.NoError(s, err)
			s.Cleanup(func() { assert.NoError(s, k.Close(context.Background())) })
		}
		return s.measured(func() {
			s.s.ExpireSession(s.cli.State().SessionID)
			time.Sleep(time.Minute)
			names, err := s.s.Children("/nodes")
			require.NoError(s, err)
			require.Len(s, names, n)
		})
	}},
}

func TestCostsGrowInProportion(t *testing.T) {
	const small, factor = 50, 6
	for name, of := range scales {
		t.Run(name, func(t *testing.T) {
			var costs []load
			for _, n := range []int{small, small * factor} {
				synctest.Test(t, func(t *testing.T) { costs = append(costs, of.run(ground(t), n)) })
			}
			exponent := math.Log(float64(costs[1].requests)/float64(costs[0].requests)) / math.Log(factor)
			t.Logf("%d: %+v, %d: %+v; requests grow with exponent %.2f", small, costs[0], small*factor, costs[1], exponent)
			assert.Less(t, exponent, 1.1)
			more := float64(costs[1].goroutines-costs[0].goroutines) / (small * (factor - 1))
			assert.LessOrEqual(t, more, of.perItem, "goroutines for each")
		})
	}
}

// ground starts a server with a client, in a bubble.
func ground(t *testing.T) scale {
	s, err := zktest.StartMemory(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	_, err = s.Create("/nodes", nil, zktest.Persistent)
	require.NoError(t, err)
	cli, err := framework.New(framework.Config{ConnectString: s.ConnectString(), SessionTimeout: sessionTimeout, Dialer: s.Client("scale").Dial})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(t.Context()))
	return scale{t, s, cli}
}
