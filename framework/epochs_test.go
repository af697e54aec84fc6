package framework_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// newSessionConn asks for a new session whenever its client wants to resume one, which is what a server does that hands
// out another session without a word.
type newSessionConn struct {
	net.Conn
	asked bool
}

func (c *newSessionConn) Write(b []byte) (int, error) {
	const idAt = 4 + 4 + 8 + 4 // behind length, version, zxid and timeout of the ConnectRequest
	if !c.asked && len(b) >= idAt+8 {
		c.asked = true
		b = append([]byte(nil), b...)
		clear(b[idAt : idAt+8])
	}
	return c.Conn.Write(b)
}

func TestServerHandsOutAnotherSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) {
			dial := c.Dialer
			c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return &newSessionConn{Conn: conn}, nil
			}
		})
		session := sessionOf(t, cli)
		_, _, watch, err := session.WatchExists(t.Context(), "/node")
		require.NoError(t, err)
		r := record(t, cli)
		start := time.Now()
		s.Cut(zktest.AllConns())
		ev := <-watch.C
		assert.Equal(t, framework.EventSessionOver, ev.Type)
		require.ErrorIs(t, ev.Err, framework.ErrSessionLost)
		awaitState(t, cli, framework.Connected)
		assert.Less(t, time.Since(start), sessionTimeout/4)
		synctest.Wait()
		requireOrder(t, r.all())
		assert.Equal(t, []framework.State{framework.Connected, framework.Suspended, framework.Lost, framework.Connected}, r.states())
		require.ErrorContains(t, r.all()[2].Cause, "another session")
		require.ErrorIs(t, session.Err(), framework.ErrSessionLost)
	})
}

// Servers that close every connection in the handshake never say that the session has expired: the clock does.
func TestServersCloseEveryHandshake(t *testing.T) {
	for name, verdict := range map[string]zktest.Verdict{"cut": zktest.Cut, "never answered": zktest.Drop} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 3})
				cli := connected(t, s)
				r := record(t, cli)
				heal := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Op == zktest.OpConnect {
						return verdict
					}
					return zktest.Pass
				})
				s.Cut(zktest.AllConns())
				start := time.Now()
				lost := awaitState(t, cli, framework.Lost)
				assert.LessOrEqual(t, lost.Time.Sub(start), sessionTimeout)
				before := s.Counts()
				time.Sleep(time.Minute)
				assert.Less(t, s.Counts().Sub(before).Accepted, int64(60*5))
				heal()
				awaitState(t, cli, framework.Connected)
				requireOrder(t, r.all())
				assert.Equal(t, []framework.State{framework.Connected, framework.Suspended, framework.Lost, framework.Connected}, r.states())
			})
		})
	}
}

// The link breaks whenever identities are presented, which hangs a bare go-zookeeper connection for ever.
func TestLinkBreaksWhileIdentitiesAreSent(t *testing.T) {
	for name, stage := range map[string]zktest.Stage{"before": zktest.Request, "after": zktest.Reply} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 3})
				mustCreate(t, s, "/node", "")
				cli := connected(t, s, func(c *framework.Config) {
					c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("me:s3cr3t")}}
				})
				r := record(t, cli)
				heal := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Op == zktest.OpAuth && f.Stage == stage {
						return zktest.Cut
					}
					return zktest.Pass
				})
				s.Cut(zktest.AllConns())
				_, err := cli.Get(within(t, 10*time.Second), "/node")
				require.ErrorIs(t, err, context.DeadlineExceeded)
				heal()
				_, err = cli.Get(within(t, sessionTimeout/4), "/node")
				require.NoError(t, err)
				synctest.Wait()
				requireOrder(t, r.all())
				assert.LessOrEqual(t, r.count(framework.Lost), 1)
			})
		})
	}
}

// Servers that accept a session and drop it are not dialled in a tight loop, whichever comes first of all.
func TestDialsPerSecond(t *testing.T) {
	drop := func(after time.Duration) func(s *zktest.Server) func() {
		return func(s *zktest.Server) func() {
			return s.OnFrame(func(f zktest.Frame) zktest.Verdict {
				if f.Stage != zktest.Reply || f.Op != zktest.OpConnect {
					return zktest.Pass
				}
				if after == 0 {
					return zktest.CutAfter
				}
				time.AfterFunc(after, func() { s.Cut(func(c zktest.ConnInfo) bool { return c.ID == f.Conn.ID }) })
				return zktest.Pass
			})
		}
	}
	for name, c := range map[string]struct {
		fault func(s *zktest.Server) func()
		most  int64 // in a minute
	}{
		"drop at once":        {drop(0), 60 * 4},
		"drop after 100 ms":   {drop(100 * time.Millisecond), 60 * 4},
		"drop after 600 ms":   {drop(600 * time.Millisecond), 60 * 2},
		"refuse connections":  {func(s *zktest.Server) func() { s.Refuse(); s.Cut(zktest.AllConns()); return nothing }, 60 * 4},
		"refuse the handhake": {func(s *zktest.Server) func() { return s.OnFrame(cutConnects) }, 60 * 4},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 3})
				var dials atomic.Int64
				cli := connected(t, s, func(c *framework.Config) {
					dial := c.Dialer
					c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
						dials.Add(1)
						return dial(ctx, network, address)
					}
				})
				r := record(t, cli)
				heal := c.fault(s)
				defer heal()
				s.Cut(zktest.AllConns())
				time.Sleep(time.Second)
				assert.LessOrEqual(t, dials.Load(), int64(1+3+6), "in the first second")
				before := dials.Load()
				time.Sleep(time.Minute)
				t.Logf("%.1f dials a second", float64(dials.Load()-before)/60)
				assert.LessOrEqual(t, dials.Load()-before, c.most)
				assert.Greater(t, dials.Load()-before, int64(60))
				requireOrder(t, r.all())
				assert.LessOrEqual(t, r.count(framework.Lost), 1)
			})
		})
	}
}

func cutConnects(f zktest.Frame) zktest.Verdict {
	if f.Op == zktest.OpConnect {
		return zktest.Cut
	}
	return zktest.Pass
}

// A server that accepts and hangs is passed over in a fraction of the session timeout, wherever it stands in the list.
func TestHungServerIsPassedOver(t *testing.T) {
	var longest time.Duration
	for seed := range byte(20) {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{Endpoints: 3})
			s.Pause(0, 1)
			start := time.Now()
			connected(t, s, func(c *framework.Config) { c.Random = seeded(seed) })
			longest = max(longest, time.Since(start))
		})
	}
	t.Logf("connected after %v at the most, with two hung servers of three and a session timeout of %v", longest, sessionTimeout)
	assert.Less(t, longest, sessionTimeout/2)
	assert.Greater(t, longest, sessionTimeout/6, "a hung server came first at least once")
}

// The error of a call that finds no connection tells of the dials since there was one, and of no others.
func TestErrorsContainTheLastDialError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.ConnectTimeout = time.Hour })
		complaint := func() string {
			err := cli.WaitConnected(within(t, time.Microsecond))
			require.ErrorIs(t, err, framework.ErrNotConnected)
			return err.Error()
		}
		s.Stop()
		awaitState(t, cli, framework.Suspended)
		time.Sleep(sessionTimeout / 2)
		assert.Contains(t, complaint(), "last attempt: dial tcp")
		assert.Contains(t, complaint(), "connection refused")
		_, err := cli.Get(within(t, time.Microsecond), "/some/node")
		for _, text := range []string{"get /some/node: ", "not connected", "connection refused", "connection is Suspended"} {
			require.ErrorContains(t, err, text)
		}
		require.NoError(t, s.StartEndpoint())
		awaitState(t, cli, framework.Reconnected)
		time.Sleep(time.Second)
		s.Pause()
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Suspended)
		assert.NotContains(t, complaint(), "last attempt", "there was none")
		s.Blackhole(zktest.AllConns(), zktest.Both)
		awaitState(t, cli, framework.Lost)
		time.Sleep(time.Millisecond)
		assert.NotContains(t, complaint(), "canceled", "a dial that was broken off is no failure of the server")
	})
}

// A server that takes connections and opens no session is named, too: another service's port, one that expects TLS.
func TestErrorsContainTheLastHandshakeError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		defer s.OnFrame(cutConnects)()
		err := newClient(t, s).WaitConnected(within(t, time.Second))
		require.ErrorIs(t, err, framework.ErrNotConnected)
		require.ErrorContains(t, err, "last attempt: ")
		require.ErrorContains(t, err, "handshake with "+s.Addrs()[0])
	})
}

// SUSPENDED says why.
func TestCauseOfABrokenLink(t *testing.T) {
	for text, fault := range map[string]func(s *zktest.Server){
		"connection reset by peer": func(s *zktest.Server) { s.Cut(zktest.AllConns()) },
		"i/o timeout":              func(s *zktest.Server) { s.Pause() },
		"EOF": func(s *zktest.Server) { // as when a server is stopped in good order
			_ = s.ExpireSession(s.Sessions()[0].ID)
		},
	} {
		t.Run(text, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s)
				fault(s)
				cause := awaitState(t, cli, framework.Suspended).Cause
				require.ErrorContains(t, cause, "connection broke: "+s.Addrs()[0]+": ")
				require.ErrorContains(t, cause, text)
				s.Resume()
			})
		})
	}
}

// lingering notes how its owner wants what it has not delivered to be treated.
type lingering struct {
	net.Conn
	said func(sec int)
}

func (c lingering) SetLinger(sec int) error { c.said(sec); return nil }

// What a broken connection has not delivered is thrown away, lest it arrive when nobody expects it any more. Only the end of
// a session that is closed in good order is delivered.
func TestUndeliveredRequestsAreThrownAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		var mu sync.Mutex
		var said []int
		cli := connected(t, s, func(c *framework.Config) {
			dial := c.Dialer
			c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				return lingering{conn, func(sec int) {
					mu.Lock()
					defer mu.Unlock()
					said = append(said, sec)
				}}, err
			}
		})
		events["blip"](t, s, cli)
		require.NoError(t, cli.Close())
		assert.Equal(t, []int{0, 0, -1}, said)
	})
}

func TestReconnectIsQuick(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		time.Sleep(time.Second)
		start := time.Now()
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Suspended)
		awaitState(t, cli, framework.Reconnected)
		assert.Less(t, time.Since(start), 10*time.Millisecond)
	})
}

// Names are resolved at each dial: a server that has come back with another address is found under its name.
func TestAddressesChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		var mu sync.Mutex
		address := "192.0.2.1"
		cli := connected(t, s, func(c *framework.Config) {
			c.ConnectString = "zookeeper:2181"
			c.LookupHost = func(_ context.Context, host string) ([]string, error) {
				assert.Equal(t, "zookeeper", host)
				mu.Lock()
				defer mu.Unlock()
				return []string{address}, nil
			}
		})
		session := sessionOf(t, cli)
		s.Stop(0)
		mu.Lock()
		address = "192.0.2.2"
		mu.Unlock()
		awaitState(t, cli, framework.Suspended)
		awaitState(t, cli, framework.Reconnected)
		assert.Equal(t, session.ID(), cli.State().SessionID)
		assert.Equal(t, "zookeeper:2181", cli.State().Server)
		assert.Equal(t, 1, s.Conns()[0].Endpoint)
	})
}

func TestOneNameDoesNotResolve(t *testing.T) {
	lookup := func(_ context.Context, host string) ([]string, error) {
		switch host {
		case "one":
			return []string{"192.0.2.1"}, nil
		case "empty":
			return nil, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	for seed := range byte(10) {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			start := time.Now()
			cli := connected(t, s, func(c *framework.Config) {
				c.ConnectString, c.LookupHost, c.Random = "none,one,empty", lookup, seeded(seed)
			})
			assert.Less(t, time.Since(start), sessionTimeout/20)
			s.Stop()
			awaitState(t, cli, framework.Lost)
			time.Sleep(time.Minute)
			require.NoError(t, s.StartEndpoint())
			_, err := cli.Get(within(t, sessionTimeout), "/")
			require.NoError(t, err)
		})
	}
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := newClient(t, s, func(c *framework.Config) { c.ConnectString, c.LookupHost = "none", lookup })
		err := cli.WaitConnected(within(t, time.Second))
		require.ErrorIs(t, err, framework.ErrNotConnected)
		require.ErrorContains(t, err, "no such host")
		require.ErrorContains(t, err, "none")
	})
}

// Of several addresses of a name those that work are found, as soon as if each had a name of its own.
func TestNameWithSeveralAddresses(t *testing.T) {
	for seed := range byte(10) {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{Endpoints: 3})
			s.Blackhole(zktest.EndpointConns(0), zktest.Both)
			s.Refuse(1)
			start := time.Now()
			connected(t, s, func(c *framework.Config) {
				c.ConnectString, c.Random = "zookeeper", seeded(seed)
				c.LookupHost = func(context.Context, string) ([]string, error) {
					return []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, nil
				}
			})
			assert.Less(t, time.Since(start), sessionTimeout/6+2*sessionTimeout/200)
		})
	}
}

// A hundred callers per session, three addresses, sessions killed under them: no request is ever executed in another
// session than the one that it was meant for.
func TestNothingCrossesSessions(t *testing.T) {
	const callers, kills = 100, 5
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3})
		mustCreate(t, s, "/mark", "")
		var checked atomic.Int64
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && len(f.Path) > len("/mark/") {
				var meant int64
				_, err := fmt.Sscanf(f.Path, "/mark/%x", &meant)
				if assert.NoError(t, err) && assert.Equal(t, meant, f.Conn.Session, "%v", f) {
					checked.Add(1)
				}
			}
			return zktest.Pass
		})()
		cli := connected(t, s, func(c *framework.Config) { c.RetryPolicy = never })
		for range kills {
			killUnderLoad(t, s, sessionOf(t, cli), callers)
		}
		assert.Greater(t, checked.Load(), int64(kills*callers))
	})
}

// killUnderLoad ends, in a bubble, a session while callers are using it, and waits until every one of them has noticed.
func killUnderLoad(t *testing.T, s *zktest.Server, session *framework.Session, callers int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for {
				_, err := session.Create(context.Background(), fmt.Sprintf("/mark/%x-%d-", session.ID(), i), nil, framework.EphemeralSequential)
				if err == nil {
					continue
				}
				if errors.Is(err, framework.ErrSessionLost) {
					return
				}
				if !assert.ErrorIs(t, err, framework.ErrOutcomeUnknown) {
					return
				}
			}
		})
	}
	time.Sleep(10 * time.Millisecond)
	require.True(t, s.ExpireSession(session.ID()))
	wg.Wait()
}
