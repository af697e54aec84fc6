package framework_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/retry"
	"github.com/docent-zk/docent/zktest"
)

// journal is a log that can be read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// boom is any function without arguments.
func boom[T any]() T { panic("boom") }

// fitful is a backoff that panics when it is asked.
type fitful struct{}

func (fitful) NextBackOff() time.Duration { panic("boom") }

func (fitful) Reset() {}

func newFitful[T any]() T { return any(fitful{}).(T) }

// reader panics at the first reads that are asked of it.
type reader struct{ left atomic.Int32 }

func (r *reader) Read(p []byte) (int, error) {
	if r.left.Add(-1) >= 0 {
		panic("boom")
	}
	return seeded(1).Read(p)
}

// Functions of the configuration that panic cost an attempt, and not the process.
func TestFunctionsOfTheConfigurationThatPanic(t *testing.T) {
	for name, change := range map[string]func(c *framework.Config, first func() bool){
		"Dialer": func(c *framework.Config, first func() bool) {
			dial := c.Dialer
			c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				if first() {
					panic("boom")
				}
				return dial(ctx, network, address)
			}
		},
		"LookupHost": func(c *framework.Config, first func() bool) {
			ip, port, _ := net.SplitHostPort(c.ConnectString)
			c.ConnectString = net.JoinHostPort("name", port)
			c.LookupHost = func(context.Context, string) ([]string, error) {
				if first() {
					panic("boom")
				}
				return []string{ip}, nil
			}
		},
		"Random": func(c *framework.Config, _ func() bool) {
			r := &reader{}
			r.left.Store(1)
			c.Random = r
		},
		"ReconnectPolicy": func(c *framework.Config, _ func() bool) { c.ReconnectPolicy = retry.FromBackOff(boom[retry.BackOff]) },
		"ReconnectPolicy later": func(c *framework.Config, _ func() bool) {
			c.ReconnectPolicy = retry.FromBackOff(newFitful[retry.BackOff])
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				var log journal
				var calls atomic.Int32
				cli := newClient(t, s, func(c *framework.Config) {
					c.Logger = slog.New(slog.NewTextHandler(&log, nil))
					change(c, func() bool { return calls.Add(1) == 1 })
				})
				if strings.HasPrefix(name, "ReconnectPolicy") {
					require.NoError(t, cli.WaitConnected(t.Context()))
					s.Refuse()
					s.Cut(zktest.AllConns())
					time.Sleep(3 * time.Second)
					require.NoError(t, s.Accept())
				}
				require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
				if name == "Random" {
					_, err := recipekit.Random(cli).Read(make([]byte, 8))
					require.ErrorIs(t, err, framework.ErrPanicked)
					_, err = recipekit.Random(cli).Read(make([]byte, 8))
					require.NoError(t, err)
				}
				function, _, _ := strings.Cut(name, " ")
				synctest.Wait() // for the log
				assert.Contains(t, log.String(), `level=WARN msg="a function has panicked" function=`+function)
				assert.Contains(t, log.String(), "panic=boom")
			})
		})
	}
}

// A policy that panics fails the operation that asks it. One whose answer was lost is in doubt.
func TestARetryPolicyThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.RetryPolicy = retry.FromBackOff(boom[retry.BackOff]) })
		s.LoseReply(zktest.OpCreate2, 1)
		_, err := cli.Create(t.Context(), "/b", nil)
		require.ErrorIs(t, err, framework.ErrPanicked)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		cli = connected(t, s, func(c *framework.Config) { c.RetryPolicy = retry.FromBackOff(newFitful[retry.BackOff]) })
		s.LoseReply(zktest.OpSetData, 1)
		_, err = cli.Create(t.Context(), "/a", nil)
		require.NoError(t, err, "nobody asks the policy")
		_, err = cli.Set(t.Context(), "/a", nil, framework.AnyVersion)
		require.ErrorIs(t, err, framework.ErrPanicked)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "the RetryPolicy for /a: boom")
	})
}

// sessions is a cache that panics.
type sessions struct{}

func (sessions) Get(string) (*tls.ClientSessionState, bool) { panic("boom") }

func (sessions) Put(string, *tls.ClientSessionState) {}

// The callbacks of a TLS configuration run while a server is dialled.
func TestATLSCallbackThatPanics(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	var log journal
	cli := clientOf(t, framework.Config{
		ConnectString: "zk:2181", Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Dialer: func(context.Context, string, string) (net.Conn, error) { return client, nil },
		TLS:    &tls.Config{ClientSessionCache: sessions{}},
	})
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "TLS") }, time.Minute, time.Millisecond)
	assert.Contains(t, log.String(), `function="TLS configuration" path=zk:2181 panic=boom`)
	assert.NotNil(t, cli)
}

// What recipes get of a function that panics.
func TestGuard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log journal
		cli := connected(t, startServer(t, zktest.Config{}), func(c *framework.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		own := errors.New("own")
		require.NoError(t, cli.Guard("codec", "/a", func() error { return nil }))
		require.Equal(t, own, cli.Guard("codec", "/a", func() error { return own }))
		err := cli.Guard("codec", "/a", func() error { panic(framework.ErrSessionLost) })
		require.ErrorIs(t, err, framework.ErrPanicked)
		require.EqualError(t, err, "a function has panicked: the codec for /a: session is lost")
		require.NotErrorIs(t, err, framework.ErrSessionLost, "it has nothing to do with this session")
		cli.Logger().Info("hello")
		synctest.Wait() // for the log
		assert.Contains(t, log.String(), `function=codec path=/a panic="session is lost"`)
		assert.Contains(t, log.String(), "hello")
		var none *framework.Client
		require.ErrorIs(t, none.Guard("codec", "/a", boom), framework.ErrPanicked)
		none.Logger().Info("nobody hears it")
	})
}
