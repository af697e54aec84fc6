package framework_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// fleet is clients of one cluster.
type fleet struct {
	s       *zktest.Server
	clients []*framework.Client
}

// fleetOf makes n clients that rebalance within 5 minutes.
func fleetOf(t *testing.T, s *zktest.Server, n int, changes ...configure) *fleet {
	t.Helper()
	c := &fleet{s: s, clients: make([]*framework.Client, n)}
	for i := range c.clients {
		own := func(cfg *framework.Config) {
			cfg.Random, cfg.RebalanceAfter, cfg.SessionTimeout = seeded(byte(i)), 5*time.Minute, 2*time.Minute
		}
		c.clients[i] = connected(t, s, append([]configure{own}, changes...)...)
	}
	return c
}

// counts are the clients of each server, as the server sees them.
func (c *fleet) counts() []int {
	counts := make([]int, len(c.s.Addrs()))
	for _, conn := range c.s.Conns() {
		if conn.Session != 0 {
			counts[conn.Endpoint]++
		}
	}
	return counts
}

// assertEven checks that servers have as many clients as one another, up to a fifth, and that no session was lost.
func (c *fleet) assertEven(t *testing.T, servers ...int) {
	t.Helper()
	counts := c.counts()
	for _, i := range servers {
		even := len(c.clients) / len(servers)
		assert.InDelta(t, even, counts[i], float64(even)/5, "%v", counts)
	}
	for _, cli := range c.clients {
		assert.EqualValues(t, 1, cli.State().Epoch, "no session was lost")
	}
}

// restart stops a member and starts it again, in a bubble.
func (c *fleet) restart(t *testing.T, down time.Duration, member int) {
	t.Helper()
	c.s.Stop(member)
	time.Sleep(down)
	require.NoError(t, c.s.StartEndpoint(member))
	time.Sleep(time.Minute)
}

// planned are the times of moves that were planned, in order.
func (c *fleet) planned() (times []time.Time) {
	for _, cli := range c.clients {
		for _, ch := range cli.History() {
			if ch.State == framework.Reconnected && ch.Previous != framework.Suspended {
				times = append(times, ch.Time)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// startCluster starts an ensemble in memory.
func startCluster(t *testing.T, n int) *zktest.Server {
	t.Helper()
	c, err := zktest.StartMemoryCluster(n, zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c.Server
}

// After the members of an ensemble were restarted one after the other, each has as many of 60 clients as any other, up to a fifth. The moves are spread over
// minutes.
func TestClientsAreSpreadAgainAfterARollingRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := fleetOf(t, startCluster(t, 3), 60)
		time.Sleep(10 * time.Minute)
		before := c.counts()
		for i := range 3 {
			c.restart(t, sessionTimeout/2, i)
		}
		restarted, begun := c.counts(), time.Now()
		time.Sleep(15 * time.Minute)
		t.Logf("clients of each server before the restart: %v; after it: %v; 15 minutes later: %v", before, restarted, c.counts())
		c.assertEven(t, 0, 1, 2)
		moves := slices.DeleteFunc(c.planned(), begun.After)
		require.Greater(t, len(moves), 15)
		for i := range moves[10:] {
			assert.Greater(t, moves[i+10].Sub(moves[i]), 5*time.Second, "10 moves in a row")
		}
	})
}

// A member that is away for longer than RebalanceAfter gets its clients back too.
func TestClientsComeBackToAMemberThatWasAwayForLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := fleetOf(t, startCluster(t, 3), 30)
		time.Sleep(10 * time.Minute)
		c.restart(t, 20*time.Minute, 1)
		time.Sleep(10 * time.Minute)
		c.assertEven(t, 0, 1, 2)
	})
}

// A list that grows moves the share of the clients, and a restart afterwards leaves the servers even, the new one included.
func TestRestartAfterAListHasGrown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startCluster(t, 5)
		addrs := s.Addrs()
		var l listing
		l.set(addrs[:3], nil)
		c := fleetOf(t, s, 60, func(cfg *framework.Config) { cfg.ConnectString, cfg.Servers = "", &l })
		time.Sleep(10 * time.Minute)
		c.assertEven(t, 0, 1, 2)
		settled := len(c.planned())
		l.set(addrs[:4], nil)
		time.Sleep(10 * time.Minute)
		grown := c.counts()
		assert.InDelta(t, 15, grown[3], 8)
		assert.Equal(t, grown[3], len(c.planned())-settled, "nobody else moves")
		for i := range 4 {
			c.restart(t, sessionTimeout/2, i)
		}
		time.Sleep(15 * time.Minute)
		assert.Equal(t, grown, c.counts(), "every server has the clients that it had")
		for _, cli := range c.clients {
			assert.EqualValues(t, 1, cli.State().Epoch)
		}
	})
}

// A server that is taken from the list while clients are to move to it gets none of them.
func TestNoClientMovesToAServerThatIsNoLongerListed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startCluster(t, 3)
		addrs := s.Addrs()
		var l listing
		l.set(addrs, nil)
		c := fleetOf(t, s, 30, func(cfg *framework.Config) { cfg.ConnectString, cfg.Servers = "", &l })
		time.Sleep(10 * time.Minute)
		c.restart(t, sessionTimeout/2, 2)
		l.set(addrs[:2], nil)
		time.Sleep(15 * time.Minute)
		assert.Zero(t, c.counts()[2], fmt.Sprint(c.counts()))
		assert.Equal(t, 30, c.counts()[0]+c.counts()[1], strings.Trim(fmt.Sprint(c.counts()), "[]"))
	})
}

// The first dials of the clients of a server that died are spread over a moment, and over the servers that are left.
func TestFirstDialsAfterAServersDeathAreSpread(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startCluster(t, 3)
		clients := make([]*framework.Client, 90)
		for i := range clients {
			clients[i] = connected(t, s, func(c *framework.Config) {
				c.Random = seeded(byte(i))
				c.Prefer = func(server, _ string) bool { return server == s.Addrs()[0] }
			})
		}
		died := time.Now()
		s.Stop(0)
		time.Sleep(sessionTimeout / 4)
		var first, second int
		var times []time.Duration
		for _, cli := range clients {
			if endpoint(t, s, cli) == 1 {
				first++
			} else {
				second++
			}
			times = append(times, cli.State().Time.Sub(died))
		}
		assert.InDelta(t, 45, first, 20)
		assert.Equal(t, len(clients)-first, second)
		slices.Sort(times)
		assert.Greater(t, times[len(times)-1]-times[0], sessionTimeout/300)
		assert.Greater(t, times[len(times)/2]-times[0], sessionTimeout/1000)
	})
}
