package framework_test

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/retry"
	"github.com/docent-zk/docent/zktest"
)

// sessionTimeout is what clients of the tests ask for, and get.
const sessionTimeout = 4 * time.Second

// bubble runs f in a bubble of fake time, which ends when everything in it has.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// seeded is a source of randomness that repeats itself.
func seeded(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

// startServer starts a server in memory. When the test fails it shows what the server has seen.
func startServer(t *testing.T, cfg zktest.Config) *zktest.Server {
	t.Helper()
	var mu sync.Mutex
	var trace []string
	cfg.Trace = func(line string) {
		mu.Lock()
		defer mu.Unlock()
		trace = append(trace, line)
	}
	s, err := zktest.StartMemory(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		mu.Lock()
		defer mu.Unlock()
		if t.Failed() {
			t.Logf("server:\n%s", strings.Join(trace[max(0, len(trace)-60):], "\n"))
		}
	})
	return s
}

// configure is a change to a client's configuration.
type configure func(*framework.Config)

// configFor is what clients of s are made with unless a test changes it.
func configFor(s *zktest.Server) framework.Config {
	return framework.Config{
		ConnectString:  s.ConnectString(),
		SessionTimeout: sessionTimeout,
		Dialer:         s.Client("test").Dial,
		Random:         seeded(1),
	}
}

// newClient makes a client of s, which is closed when the test ends.
func newClient(t *testing.T, s *zktest.Server, changes ...configure) *framework.Client {
	t.Helper()
	cfg := configFor(s)
	for _, change := range changes {
		change(&cfg)
	}
	return clientOf(t, cfg)
}

func clientOf(t *testing.T, cfg framework.Config) *framework.Client {
	t.Helper()
	cli, err := framework.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	return cli
}

// connected is newClient, with a session.
func connected(t *testing.T, s *zktest.Server, changes ...configure) *framework.Client {
	t.Helper()
	cli := newClient(t, s, changes...)
	require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
	return cli
}

// sessionOf returns the client's present session.
func sessionOf(t *testing.T, cli *framework.Client) *framework.Session {
	t.Helper()
	s, err := cli.Session(within(t, time.Minute))
	require.NoError(t, err)
	return s
}

// within returns a context that ends after d, or with the test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// recorder collects a client's state changes, in a bubble.
type recorder struct {
	mu      sync.Mutex
	changes []framework.StateChange
}

// record begins with the present state.
func record(t *testing.T, cli *framework.Client) *recorder {
	t.Helper()
	r := &recorder{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	changes := cli.States(ctx)
	go func() {
		defer close(done)
		for ch := range changes {
			r.mu.Lock()
			r.changes = append(r.changes, ch)
			r.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

// all is what has happened until now.
func (r *recorder) all() []framework.StateChange {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]framework.StateChange(nil), r.changes...)
}

// states lists what was seen so far.
func (r *recorder) states() []framework.State {
	var states []framework.State
	for _, ch := range r.all() {
		states = append(states, ch.State)
	}
	return states
}

// count says how often a state was seen.
func (r *recorder) count(s framework.State) int {
	n := 0
	for _, seen := range r.states() {
		if seen == s {
			n++
		}
	}
	return n
}

// awaitState waits until the client is in one of the states and returns the change that led there.
func awaitState(t *testing.T, cli *framework.Client, want ...framework.State) framework.StateChange {
	t.Helper()
	ctx := within(t, time.Hour)
	for ch := range cli.States(ctx) {
		for _, s := range want {
			if ch.State == s {
				return ch
			}
		}
	}
	require.FailNow(t, "the state does not come", "waited for %v; it is %v", want, cli.State().State)
	panic("unreachable")
}

// sessionID is the only session of the server.
func sessionID(t *testing.T, s *zktest.Server) int64 {
	t.Helper()
	list := s.Sessions()
	require.Len(t, list, 1)
	return list[0].ID
}

// mustCreate creates a node at the server, with its parents.
func mustCreate(t *testing.T, s *zktest.Server, path, data string) {
	t.Helper()
	for i := 1; i < len(path); i++ {
		if path[i] == '/' && !s.Exists(path[:i]) {
			_, err := s.Create(path[:i], nil, zktest.Persistent)
			require.NoError(t, err)
		}
	}
	_, err := s.Create(path, []byte(data), zktest.Persistent)
	require.NoError(t, err)
}

// never allows no retry.
var never = retry.Never()
