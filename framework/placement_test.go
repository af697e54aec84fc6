package framework_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// timesIn says how often a client was in a state.
func timesIn(cli *framework.Client, state framework.State) int {
	return len(slices.DeleteFunc(statesHad(cli), func(s framework.State) bool { return s != state }))
}

// onConnect gives every handshake at an endpoint a verdict, until stop is called.
func onConnect(s *zktest.Server, endpoint int, verdict zktest.Verdict) (stop func()) {
	return s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request && f.Op == zktest.OpConnect && f.Conn.Endpoint == endpoint {
			return verdict
		}
		return zktest.Pass
	})
}

// A preferred server that takes connections and no sessions, as one without a quorum or one that is starting, costs neither SUSPENDED nor a claim, and is
// asked more and more seldom. When it serves again, the client comes back.
func TestPreferredServerThatDoesNotServe(t *testing.T) {
	for name, verdict := range map[string]zktest.Verdict{"closes": zktest.Cut, "hangs": zktest.Drop} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 3})
				near := s.Addrs()[1]
				serve := onConnect(s, 1, verdict)
				cli := connected(t, s, func(c *framework.Config) {
					c.SessionTimeout, c.Prefer = time.Minute, func(server, _ string) bool { return server == near }
				})
				claim, release := sessionOf(t, cli).ClaimContext(t.Context(), framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop})
				defer release(nil)
				time.Sleep(2 * time.Hour)
				require.NoError(t, claim.Err())
				assert.Zero(t, timesIn(cli, framework.Suspended))
				assert.LessOrEqual(t, timesIn(cli, framework.Reconnected), 14)
				serve()
				time.Sleep(time.Hour)
				assert.Equal(t, 1, endpoint(t, s, cli))
				assert.Zero(t, timesIn(cli, framework.Suspended))
				assert.EqualValues(t, 1, cli.State().Epoch)
			})
		})
	}
}

// A configuration whose addresses take connections, and are not those of the ensemble, is not taken over.
func TestConfigurationWithAddressesOfSomethingElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		addrs := s.Addrs()
		onConnect(s, 1, zktest.Cut)
		publish(t, s, addrs[1])
		cli := connected(t, s, func(c *framework.Config) {
			c.ConnectString, c.FollowEnsemble, c.SessionTimeout = addrs[0], true, time.Minute
		})
		time.Sleep(2 * time.Hour)
		assert.Equal(t, addrs[:1], cli.Info().Servers)
		assert.Zero(t, timesIn(cli, framework.Suspended))
		assert.LessOrEqual(t, timesIn(cli, framework.Reconnected), 14)
		assert.Equal(t, 0, endpoint(t, s, cli))
	})
}

// When all servers of a list go away in the middle of a move, the list is read again in time for the session.
func TestListThatChangesDuringAMove(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 4})
		var l listing
		addrs := s.Addrs()
		l.set(addrs[:1], nil)
		cli := connected(t, s, func(c *framework.Config) { c.ConnectString, c.Servers = "", &l })
		var once atomic.Bool
		s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpConnect && f.Conn.Endpoint == 1 && !once.Swap(true) {
				l.set(addrs[2:], nil)
				go s.Stop(0, 1)
			}
			return zktest.Pass
		})
		l.set(addrs[1:2], nil)
		time.Sleep(5 * time.Minute)
		require.True(t, once.Load())
		assert.Contains(t, []int{2, 3}, endpoint(t, s, cli))
		assert.EqualValues(t, 1, cli.State().Epoch)
	})
}

// A list that is another one at each call costs moves, and neither SUSPENDED nor the session.
func TestServersThatAreOthersAtEachCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 4})
		addrs := s.Addrs()
		var calls atomic.Int64
		cli := connected(t, s, func(c *framework.Config) {
			c.ConnectString, c.SessionTimeout = "", time.Minute
			c.Servers = framework.ServersFunc(func(context.Context) ([]string, error) {
				n := calls.Add(1)
				return append(addrs[n%2*2:n%2*2+2:4], addrs[n%2*2]), nil
			})
		})
		time.Sleep(time.Hour)
		assert.Zero(t, timesIn(cli, framework.Suspended))
		assert.EqualValues(t, 1, cli.State().Epoch)
		assert.LessOrEqual(t, timesIn(cli, framework.Reconnected), int(calls.Load()))
		assert.Len(t, cli.Info().Servers, 2, "a server that is listed twice counts once")
	})
}

// An operation that is open for long puts a move off, and succeeds.
func TestMoveWaitsForAnOpenOperation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		mustCreate(t, s, "/n", "")
		var l listing
		addrs := s.Addrs()
		l.set(addrs[:1], nil)
		cli := connected(t, s, func(c *framework.Config) { c.ConnectString, c.Servers, c.OperationTimeout = "", &l, -1 })
		l.set(addrs[1:], nil)
		slow := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpSetData {
				return zktest.DelayBy(sessionTimeout / 2)
			}
			return zktest.Pass
		})
		for begun := time.Now(); time.Since(begun) < 10*time.Minute; {
			_, err := cli.Set(t.Context(), "/n", nil, -1)
			require.NoError(t, err)
		}
		assert.Zero(t, timesIn(cli, framework.Suspended))
		slow()
		time.Sleep(10 * time.Minute)
		assert.Equal(t, 1, endpoint(t, s, cli))
		assert.Zero(t, timesIn(cli, framework.Suspended))
	})
}

// Close ends what the list is read with, and a move.
func TestCloseWhileServersAreLookedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		var log bytes.Buffer
		var hang atomic.Bool
		cli := newClient(t, s, func(c *framework.Config) {
			c.ConnectString, c.FollowEnsemble = "zookeeper", true
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			c.Servers = framework.ServersFunc(func(ctx context.Context) ([]string, error) {
				if hang.Load() {
					<-ctx.Done()
				}
				return []string{"zk1", "zk2"}, ctx.Err()
			})
			c.LookupHost = func(ctx context.Context, _ string) ([]string, error) {
				if hang.Load() {
					<-ctx.Done()
				}
				return []string{"192.0.2.1", "192.0.2.2"}, ctx.Err()
			}
		})
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		time.Sleep(time.Second)
		hang.Store(true)
		time.Sleep(time.Minute + sessionTimeout/2)
		begun := time.Now()
		require.NoError(t, cli.Close())
		assert.Less(t, time.Since(begun), sessionTimeout/4)
		for line := range strings.Lines(log.String()) {
			assert.False(t, strings.Contains(line, "WARN") && strings.Contains(line, "clos"), line)
			assert.NotContains(t, line, context.Canceled.Error())
		}
	})
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		var l listing
		addrs := s.Addrs()
		l.set(addrs[:1], nil)
		cli := connected(t, s, func(c *framework.Config) { c.ConnectString, c.Servers = "", &l })
		closed := make(chan error, 1)
		s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpConnect && f.Conn.Endpoint == 1 {
				go func() { closed <- cli.Close() }()
				return zktest.DelayBy(50 * time.Millisecond)
			}
			return zktest.Pass
		})
		l.set(addrs[1:], nil)
		require.NoError(t, <-closed)
		time.Sleep(time.Second)
		assert.Empty(t, s.Conns())
	})
}

// A client without a connect string, and one that is closed, have nothing to warn of.
func TestServersAreReadWithoutAWarning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		addrs := s.Addrs()
		var log bytes.Buffer
		cli := connected(t, s, func(c *framework.Config) {
			c.ConnectString, c.FollowEnsemble = "", true
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			c.Servers = framework.ServersFunc(func(context.Context) ([]string, error) { return addrs, nil })
		})
		publish(t, s, addrs...)
		time.Sleep(10 * time.Minute)
		require.NoError(t, cli.Close())
		assert.NotContains(t, log.String(), "cannot connect")
		assert.LessOrEqual(t, strings.Count(log.String(), "\n"), 1, "of the configuration that was empty at first: %s", log.String())
	})
}

// Names that are resolved for the first time, or could not be resolved for a moment, are the servers that they were.
func TestFirstResolutionMovesNoClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 6})
		var fail atomic.Bool
		clients := make([]*framework.Client, 16)
		for i := range clients {
			clients[i] = connected(t, s, func(c *framework.Config) {
				c.ConnectString, c.Random, c.SessionTimeout = "zka,zkb", seeded(byte(i)), time.Minute
				c.LookupHost = func(_ context.Context, host string) ([]string, error) {
					if fail.Load() && host == "zka" {
						return nil, errors.New("no such host")
					}
					if host == "zka" {
						return []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, nil
					}
					return []string{"192.0.2.4", "192.0.2.5", "192.0.2.6"}, nil
				}
			})
		}
		time.Sleep(5 * time.Minute)
		fail.Store(true)
		s.Cut(zktest.AllConns())
		time.Sleep(5 * time.Minute)
		fail.Store(false)
		time.Sleep(5 * time.Minute)
		for _, cli := range clients {
			assert.Equal(t, timesIn(cli, framework.Suspended), timesIn(cli, framework.Reconnected), "no planned move")
		}
	})
}

// Servers of other zones that are added move nobody who is in the right zone.
func TestServersOfOtherZonesMoveNoClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 4})
		addrs := s.Addrs()
		var l listing
		l.set(addrs[:2], nil)
		clients := make([]*framework.Client, 16)
		for i := range clients {
			clients[i] = connected(t, s, func(c *framework.Config) {
				c.ConnectString, c.Servers, c.Random, c.SessionTimeout = "", &l, seeded(byte(i)), time.Minute
				c.Prefer = func(server, _ string) bool { return server == addrs[0] }
			})
		}
		l.set(addrs, nil)
		time.Sleep(10 * time.Minute)
		for _, cli := range clients {
			assert.Equal(t, []framework.State{framework.Connecting, framework.Connected}, statesHad(cli))
			assert.Equal(t, 0, endpoint(t, s, cli))
		}
	})
}

// Addresses are preferred from the first dial on, even if they are behind names.
func TestPreferredAddressesComeFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		for i := range 16 {
			var mu sync.Mutex
			var dials []string
			connected(t, s, func(c *framework.Config) {
				c.ConnectString, c.Random = "zka,zkb,zkc", seeded(byte(i))
				dial := c.Dialer
				c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
					mu.Lock()
					defer mu.Unlock()
					dials = append(dials, address)
					return dial(ctx, network, address)
				}
				c.LookupHost = func(_ context.Context, host string) ([]string, error) {
					return []string{"192.0.2." + fmt.Sprint(host[2]-'a'), "198.51.100." + fmt.Sprint(host[2]-'a')}, nil
				}
				c.Prefer = func(_, address string) bool { return strings.HasPrefix(address, "198.51.100.") }
			})
			mu.Lock()
			assert.Contains(t, dials[0], "198.51.100.")
			mu.Unlock()
		}
	})
}

// Without a schedule, moves do not wait for one.
func TestMovesWithoutASchedule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		addrs := s.Addrs()
		publish(t, s, addrs[0])
		cli := connected(t, s, func(c *framework.Config) { c.ConnectString, c.FollowEnsemble, c.ServersRefresh = addrs[0], true, -1 })
		time.Sleep(time.Minute)
		publish(t, s, addrs[1])
		time.Sleep(2 * time.Minute)
		assert.Equal(t, 1, endpoint(t, s, cli))
	})
}
