package framework_test

import (
	"context"
	"flag"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

var seeds = flag.Int("framework.seeds", 10, "how many random plays of each kind of a failing address")

// failures are what becomes of one of three servers that is not in use, when the one in use falls silent.
var failures = map[string]func(s *zktest.Server, endpoint int){
	"hangs in the dial":      func(s *zktest.Server, i int) { s.Blackhole(zktest.EndpointConns(i), zktest.Both) },
	"hangs in the handshake": func(s *zktest.Server, i int) { s.Pause(i) },
	"refuses":                func(s *zktest.Server, i int) { s.Refuse(i) },
	"changes":                func(s *zktest.Server, i int) { s.Refuse(i) },
}

// addressing is how a client finds the three servers, at addresses that may change.
type addressing func(c *framework.Config, addrs func() []string)

func oneName(c *framework.Config, addrs func() []string) {
	c.ConnectString = "zookeeper"
	c.LookupHost = func(context.Context, string) ([]string, error) { return addrs(), nil }
}

func threeNames(c *framework.Config, addrs func() []string) {
	c.ConnectString = "a,b,c"
	c.LookupHost = func(_ context.Context, host string) ([]string, error) { return addrs()[host[0]-'a':][:1], nil }
}

// keepsSession plays one failure and reports whether the session outlives it. The third server is well.
func keepsSession(t *testing.T, fail string, how addressing, seed int) (kept bool) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 4})
		var moved atomic.Int64 // the address that has changed, counted from 1
		addrs := func() []string {
			list := []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}
			if i := moved.Load(); i > 0 {
				list[i-1] = "192.0.2.4"
			}
			return list
		}
		cli := connected(t, s, func(c *framework.Config) {
			c.Random = seeded(byte(seed))
			how(c, addrs)
		})
		time.Sleep(time.Duration(seed) * sessionTimeout / 100)
		used := s.Conns()[0].Endpoint
		other := (used + 1 + seed%2) % 3
		failures[fail](s, other)
		if fail == "changes" {
			moved.Store(int64(other + 1))
			s.Pause(3)
		}
		defer s.Blackhole(zktest.EndpointConns(used), zktest.Both)()
		awaitState(t, cli, framework.Suspended)
		kept = awaitState(t, cli, framework.Reconnected, framework.Lost).State == framework.Reconnected
	})
	return kept
}

// A name with three addresses is worth as much as three names: no session is lost while one of the servers is well.
func TestOneNameKeepsTheSessionsThatThreeNamesKeep(t *testing.T) {
	for fail := range failures {
		t.Run(fail, func(t *testing.T) {
			lost := map[string]int{}
			for seed := range *seeds {
				for name, how := range map[string]addressing{"one name": oneName, "three names": threeNames} {
					if !keepsSession(t, fail, how, seed) {
						lost[name]++
					}
				}
			}
			assert.Empty(t, lost, "sessions lost of %d", *seeds)
		})
	}
}

// A name whose addresses cannot be looked up any more does not keep the others from their turn, and one that changes all the
// time does not either.
func TestNamesThatFailTakeTurns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3})
		var broken atomic.Bool
		cli := connected(t, s, func(c *framework.Config) {
			c.ConnectString = "a,b"
			c.LookupHost = func(_ context.Context, host string) ([]string, error) {
				switch {
				case host == "b":
					return []string{"192.0.2.3"}, nil
				case broken.Load():
					return nil, assert.AnError
				}
				return []string{"192.0.2.1", "192.0.2.2"}, nil
			}
		})
		for range 5 {
			broken.Store(true)
			s.Pause(0, 1)
			s.Cut(zktest.EndpointConns(0, 1))
			time.Sleep(sessionTimeout / 4)
			require.True(t, cli.State().State.Connected())
			assert.Equal(t, 2, s.Conns()[len(s.Conns())-1].Endpoint)
			broken.Store(false)
			s.Resume(0, 1)
			s.Refuse(2)
			s.Cut(zktest.EndpointConns(2))
			time.Sleep(sessionTimeout / 4)
			require.True(t, cli.State().State.Connected())
			require.NoError(t, s.Accept(2))
		}
		assert.EqualValues(t, 1, cli.State().Epoch)
		assert.False(t, slices.ContainsFunc(cli.History(), func(c framework.StateChange) bool { return c.State == framework.Lost }))
	})
}
