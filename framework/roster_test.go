package framework_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// listing is a list of servers that changes.
type listing struct {
	mu    sync.Mutex
	list  []string
	err   error
	calls int
}

func (l *listing) Servers(context.Context) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	return slices.Clone(l.list), l.err
}

func (l *listing) set(list []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list, l.err = list, err
}

// lasting gives a client a long session, so that hours of fake time cost few pings.
func lasting(c *framework.Config) { c.SessionTimeout = 5 * time.Minute }

// statesHad are the states that a client has had.
func statesHad(cli *framework.Client) (states []framework.State) {
	for _, ch := range cli.History() {
		states = append(states, ch.State)
	}
	return states
}

// endpoint is the address that a client's connection is to.
func endpoint(t *testing.T, s *zktest.Server, cli *framework.Client) int {
	t.Helper()
	for _, c := range s.Conns() {
		if c.Session == cli.State().SessionID {
			return c.Endpoint
		}
	}
	require.Fail(t, "the client has no connection")
	return -1
}

func TestServersInPlaceOfAConnectString(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3})
		var l listing
		l.set(nil, errors.New("the registry is down"))
		cli := newClient(t, s, func(c *framework.Config) { c.ConnectString, c.Servers = "", &l })
		err := cli.WaitConnected(within(t, sessionTimeout))
		require.ErrorIs(t, err, framework.ErrNotConnected)
		require.ErrorContains(t, err, "Config.Servers: the registry is down")
		l.set(s.Addrs(), nil)
		require.NoError(t, cli.WaitConnected(within(t, sessionTimeout)))
	})
}

func TestServersBesideAChroot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) {
			c.ConnectString = "/app"
			c.Servers = framework.ServersFunc(func(context.Context) ([]string, error) { return s.Addrs(), nil })
		})
		_, err := cli.Create(t.Context(), "/n", nil, framework.Parents)
		require.NoError(t, err)
		assert.True(t, s.Exists("/app/n"))
	})
}

// A function that does not return, panics or returns nonsense costs nothing but its answer.
func TestServersThatMisbehave(t *testing.T) {
	for name, f := range map[string]framework.ServersFunc{
		"panics":           func(context.Context) ([]string, error) { panic("servers") },
		"returns nothing":  func(context.Context) ([]string, error) { return nil, nil },
		"returns nonsense": func(context.Context) ([]string, error) { return []string{"a:b:c"}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s, lasting, func(c *framework.Config) { c.Servers = f })
				time.Sleep(10 * time.Minute)
				assert.Equal(t, []framework.State{framework.Connecting, framework.Connected}, statesHad(cli))
			})
		})
	}
	t.Run("does not return", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			release := make(chan struct{})
			var calls atomic.Int64
			cli := connected(t, s, lasting, func(c *framework.Config) {
				c.Servers = framework.ServersFunc(func(context.Context) ([]string, error) {
					calls.Add(1)
					<-release
					return nil, errors.New("late")
				})
			})
			time.Sleep(10 * time.Minute)
			assert.EqualValues(t, 1, calls.Load())
			require.NoError(t, cli.Close())
			close(release)
		})
	})
}

// A client whose server is taken from the list moves to another one, without SUSPENDED, and what it holds stays.
func TestClientLeavesAServerThatIsNoLongerListed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3})
		var l listing
		l.set(s.Addrs(), nil)
		cli := connected(t, s, lasting, func(c *framework.Config) { c.Servers = &l })
		_, err := cli.Create(t.Context(), "/n", nil, framework.Ephemeral)
		require.NoError(t, err)
		time.Sleep(time.Second)
		was := endpoint(t, s, cli)
		l.set(slices.Delete(s.Addrs(), was, was+1), nil)
		time.Sleep(3 * time.Minute)
		assert.NotEqual(t, was, endpoint(t, s, cli))
		assert.Equal(t, []framework.State{framework.Connecting, framework.Connected, framework.Reconnected}, statesHad(cli))
		assert.True(t, s.Exists("/n"))
		assert.EqualValues(t, 1, cli.State().Epoch)
	})
}

// A move is not begun while SUSPENDED would end a claim, and a server that cannot be reached is not moved to.
func TestMoveWaitsForClaimsThatSuspendedWouldEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		var l listing
		l.set(s.Addrs(), nil)
		cli := connected(t, s, lasting, func(c *framework.Config) { c.Servers = &l })
		was := endpoint(t, s, cli)
		claim, release := sessionOf(t, cli).ClaimContext(t.Context(), framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Stop})
		time.Sleep(time.Second)
		l.set(slices.Delete(s.Addrs(), was, was+1), nil)
		time.Sleep(time.Hour)
		assert.Equal(t, was, endpoint(t, s, cli))
		require.NoError(t, claim.Err())
		release(nil)
		s.Refuse(1 - was)
		time.Sleep(time.Hour)
		assert.Equal(t, was, endpoint(t, s, cli))
		require.NoError(t, s.Accept(1-was))
		time.Sleep(5 * time.Minute)
		assert.Equal(t, 1-was, endpoint(t, s, cli))
		assert.NotContains(t, statesHad(cli), framework.Suspended)
	})
}

// A name with more addresses than before takes its share of the clients, and one that has other addresses for a while moves nobody.
func TestNamesAreResolvedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 4})
		var addrs atomic.Pointer[[]string]
		set := func(list ...string) { addrs.Store(&list) }
		set("192.0.2.1", "192.0.2.2")
		clients := make([]*framework.Client, 24)
		for i := range clients {
			clients[i] = connected(t, s, lasting, func(c *framework.Config) {
				c.ConnectString, c.Random = "zookeeper", seeded(byte(i))
				c.LookupHost = func(context.Context, string) ([]string, error) { return *addrs.Load(), nil }
			})
		}
		moved := func() (n int) {
			for _, cli := range clients {
				assert.NotContains(t, statesHad(cli), framework.Suspended)
				if slices.Contains(statesHad(cli), framework.Reconnected) {
					n++
				}
			}
			return n
		}
		set("192.0.2.2", "192.0.2.3")
		time.Sleep(10 * time.Minute)
		set("192.0.2.1", "192.0.2.2")
		time.Sleep(10 * time.Minute)
		assert.Zero(t, moved())
		set("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
		time.Sleep(10 * time.Minute)
		assert.InDelta(t, 12, moved(), 6)
	})
}

// A client prefers servers of its zone, goes elsewhere while none of them can be reached, and comes back.
func TestClientComesBackToPreferredServers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3})
		near := s.Addrs()[1]
		cli := connected(t, s, lasting, func(c *framework.Config) { c.Prefer = func(server, _ string) bool { return server == near } })
		assert.Equal(t, 1, endpoint(t, s, cli))
		s.Stop(1)
		time.Sleep(sessionTimeout)
		assert.NotEqual(t, 1, endpoint(t, s, cli))
		time.Sleep(10 * time.Minute)
		require.NoError(t, s.StartEndpoint(1))
		time.Sleep(3 * time.Minute)
		assert.Equal(t, 1, endpoint(t, s, cli))
		assert.EqualValues(t, 1, cli.State().Epoch)
		suspended := slices.DeleteFunc(statesHad(cli), func(s framework.State) bool { return s != framework.Suspended })
		assert.Len(t, suspended, 1, "when the server was stopped")
	})
}
