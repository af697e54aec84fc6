package framework_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/retry"
	"github.com/docent-zk/docent/zktest"
)

// Fields of Config that have a test of their own elsewhere: ConnectString and LookupHost (epochs_test.go), Auth and ACL
// (acl_test.go), CloseTimeout (close_test.go), TrustMargin (trust_test.go), TLS (tls_test.go).

func TestSessionTimeoutIsAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		for _, timeout := range []time.Duration{0, time.Second, time.Hour} {
			cli := connected(t, s, func(c *framework.Config) { c.SessionTimeout = timeout })
			if timeout == 0 {
				timeout = framework.DefaultSessionTimeout
			}
			assert.Equal(t, timeout, cli.State().Timeout)
		}
	})
}

// dials notes when each dial began and ended.
type dials struct {
	mu    sync.Mutex
	begun []time.Time
	took  []time.Duration
}

func (d *dials) watch(c *framework.Config) {
	dial := c.Dialer
	c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		start := time.Now()
		conn, err := dial(ctx, network, address)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.begun = append(d.begun, start)
		d.took = append(d.took, time.Since(start))
		return conn, err
	}
}

func TestConnectTimeout(t *testing.T) {
	for _, want := range []time.Duration{0, 123 * time.Millisecond} {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			s.Blackhole(zktest.AllConns(), zktest.Both)
			var d dials
			cli := newClient(t, s, d.watch, func(c *framework.Config) { c.ConnectTimeout = want })
			err := cli.WaitConnected(within(t, 10*time.Second))
			require.ErrorIs(t, err, framework.ErrNotConnected)
			require.ErrorContains(t, err, "last attempt: ")
			require.ErrorContains(t, err, s.Addrs()[0])
			if want == 0 {
				want = sessionTimeout / 2 // of the only server
			}
			require.NotEmpty(t, d.took)
			for _, took := range d.took {
				assert.Equal(t, want, took)
			}
		})
	}
}

func TestHandshakeTimeout(t *testing.T) {
	for _, want := range []time.Duration{0, 1234 * time.Millisecond} {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			s.Pause()
			var d dials
			newClient(t, s, d.watch, func(c *framework.Config) {
				c.HandshakeTimeout = want
				c.ReconnectPolicy = retry.Forever(100 * time.Millisecond)
			})
			time.Sleep(10 * time.Second)
			synctest.Wait()
			require.Greater(t, len(d.begun), 1)
			for i := range len(d.begun) - 1 {
				want := want
				if want == 0 { // of the only server
					want = min(sessionTimeout/6<<i, sessionTimeout)
				}
				assert.InDelta(t, want+100*time.Millisecond, d.begun[i+1].Sub(d.begun[i]), float64(time.Millisecond))
			}
		})
	}
}

func TestOperationTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		s.Stop()
		took := func(cli *framework.Client, ctx context.Context) time.Duration {
			start := time.Now()
			_, err := cli.Get(ctx, "/")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, framework.ErrNotConnected)
			return time.Since(start)
		}
		cli := newClient(t, s, func(c *framework.Config) { c.OperationTimeout = 700 * time.Millisecond })
		assert.Equal(t, 700*time.Millisecond, took(cli, t.Context()))
		assert.Equal(t, 10*time.Minute, took(cli, within(t, 10*time.Minute)), "a deadline of the caller's stands alone")
		assert.Equal(t, time.Millisecond, took(cli, within(t, time.Millisecond)))
		_, err := cli.Get(t.Context(), "/")
		require.ErrorContains(t, err, "OperationTimeout has passed")

		assert.Equal(t, 2*sessionTimeout, took(newClient(t, s), t.Context()), "the default")

		unbound := newClient(t, s, func(c *framework.Config) { c.OperationTimeout = -1 })
		done := make(chan error, 1)
		go func() { _, err := unbound.Get(t.Context(), "/"); done <- err }()
		time.Sleep(5 * time.Minute)
		assert.Empty(t, done)
		require.NoError(t, s.StartEndpoint())
		require.NoError(t, <-done)
	})
}

// Operations of a session are bounded by its life only.
func TestOperationTimeoutIsNotForSessions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.OperationTimeout = time.Millisecond })
		session := sessionOf(t, cli)
		s.Pause()
		start := time.Now()
		_, err := session.Get(context.Background(), "/")
		require.ErrorIs(t, err, framework.ErrSessionLost)
		assert.InDelta(t, sessionTimeout, time.Since(start), float64(time.Second))
		s.Resume()
	})
}

// cutRequests cuts every connection on which a request of this kind comes, and counts them.
func cutRequests(s *zktest.Server, op zktest.Op) *atomic.Int32 {
	var n atomic.Int32
	s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage != zktest.Request || f.Op != op {
			return zktest.Pass
		}
		n.Add(1)
		return zktest.Cut
	})
	return &n
}

func TestRetryPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		policy retry.Policy
		tries  int32
	}{
		"never":       {retry.Never(), 1},
		"three times": {retry.NTimes(3, 200*time.Millisecond), 4},
		"for a while": {retry.UntilElapsed(time.Second, 400*time.Millisecond), 3},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s, func(cfg *framework.Config) { cfg.RetryPolicy = c.policy })
				tries := cutRequests(s, zktest.OpGetData)
				_, err := cli.Get(t.Context(), "/")
				require.ErrorContains(t, err, "given up by the retry policy")
				require.NotErrorIs(t, err, framework.ErrOutcomeUnknown, "a read")
				assert.Equal(t, c.tries, tries.Load())
				var opErr *framework.OpError
				require.ErrorAs(t, err, &opErr)
				assert.EqualValues(t, c.tries, opErr.Attempts)
			})
		})
	}
}

// The policy is for operations of the client: those of a session go on for as long as it may live.
func TestRetryPolicyIsNotForSessions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.RetryPolicy = retry.Never() })
		session := sessionOf(t, cli)
		onceOn(t, s, zktest.Request, zktest.OpGetData, zktest.Cut, nothing)
		_, err := session.Get(t.Context(), "/")
		require.NoError(t, err)
	})
}

func TestReconnectPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		policy retry.Policy
		first  time.Duration // pause ahead of the first dial that the policy spaces
		then   time.Duration // ahead of those that follow
	}{
		"constant":        {retry.Forever(time.Second), time.Second, time.Second},
		"one that ends":   {retry.NTimes(1, 3*time.Second), 3 * time.Second, 3 * time.Second},
		"never":           {retry.Never(), sessionTimeout / 1000, sessionTimeout / 1000},
		"one that grows":  {retry.Exponential(time.Second, 2*time.Second).WithJitter(0), time.Second, 2 * time.Second},
		"the default one": {retry.Policy{}, sessionTimeout / 80, sessionTimeout / 8},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				s.Refuse()
				var d dials
				newClient(t, s, d.watch, func(cfg *framework.Config) { cfg.ReconnectPolicy = c.policy })
				time.Sleep(30 * time.Second)
				synctest.Wait()
				require.Greater(t, len(d.begun), 8)
				slack := float64(2 * time.Millisecond)
				if c.policy.IsZero() {
					slack = float64(sessionTimeout / 16) // its jitter
				}
				assert.InDelta(t, c.first, d.begun[1].Sub(d.begun[0]), slack)
				for i := 6; i < 8; i++ {
					assert.InDelta(t, c.then, d.begun[i+1].Sub(d.begun[i]), slack)
				}
			})
		})
	}
}

func TestMaxRequestSize(t *testing.T) {
	const size = 3 << 20
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{MaxRequestSize: size})
		cli := connected(t, s, func(c *framework.Config) { c.MaxRequestSize = size })
		_, err := cli.Create(t.Context(), "/node", make([]byte, size-1000))
		require.NoError(t, err)
		_, err = cli.Set(t.Context(), "/node", make([]byte, size), 0)
		require.ErrorIs(t, err, framework.ErrTooLarge)
		small := connected(t, s, func(c *framework.Config) { c.MaxRequestSize = 200_000 })
		_, err = small.Set(t.Context(), "/node", make([]byte, 200_000), 0)
		require.ErrorIs(t, err, framework.ErrTooLarge)
	})
}

func TestNamespaces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) {
			c.ConnectString += "/app"
			c.Namespace = "one/two"
		})
		ctx := t.Context()
		node, err := cli.Create(ctx, "/n", nil, framework.Parents)
		require.NoError(t, err)
		assert.Equal(t, "/n", node.Path)
		assert.True(t, s.Exists("/app/one/two/n"))
		sub, err := cli.Namespace("three")
		require.NoError(t, err)
		_, err = sub.Create(ctx, "n", nil, framework.Parents)
		require.NoError(t, err)
		assert.True(t, s.Exists("/app/one/two/three/n"))
		names, _, err := cli.Children(ctx, "/")
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"n", "three"}, names)
		session := sessionOf(t, sub)
		got, err := session.Get(ctx, "/n")
		require.NoError(t, err)
		assert.Equal(t, "/n", got.Path)
		assert.Equal(t, sessionOf(t, cli).ID(), session.ID(), "one session for all")
		require.NoError(t, sub.Delete(ctx, "/n", framework.AnyVersion))
		assert.False(t, s.Exists("/app/one/two/three/n"))
	})
}

func TestLogger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		log := &logBook{}
		cli := connected(t, s, func(c *framework.Config) { c.Logger = slog.New(log) })
		events["two seconds"](t, s, cli)
		events["expired"](t, s, cli)
		require.NoError(t, cli.Close())
		for _, line := range []string{
			"INFO zookeeper connection is Connected epoch=1",
			"WARN zookeeper connection is Suspended epoch=1",
			"WARN cannot connect server=" + s.Addrs()[0],
			"INFO zookeeper connection is Reconnected epoch=1",
			"WARN zookeeper connection is Lost epoch=1",
			"INFO zookeeper connection is Connected epoch=2",
			"INFO zookeeper connection is Closed epoch=2",
			"DEBUG driver: ",
		} {
			assert.Contains(t, log.String(), line)
		}
	})
}

// Servers are taken in an order drawn from Random.
func TestRandomOrdersTheServers(t *testing.T) {
	order := func(seed byte) (first []int) {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{Endpoints: 5})
			for range 5 {
				newClient(t, s, func(c *framework.Config) { c.Random = seeded(seed) })
				time.Sleep(time.Second)
			}
			for _, c := range s.Conns() {
				first = append(first, c.Endpoint)
			}
		})
		return first
	}
	firsts := map[int]bool{}
	for seed := range byte(20) {
		first := order(seed)
		require.Len(t, first, 5)
		for _, f := range first {
			assert.Equal(t, first[0], f, "the same seed, the same order")
		}
		firsts[first[0]] = true
	}
	assert.Len(t, firsts, 5, "every server comes first for some")
}
