package barrier_test

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

const (
	timeout = 10 * time.Second // of the sessions in these tests
	path    = "/barriers/b"    // of the barrier, unless the test needs others
	ready   = path + "/ready"
)

// world is a server on a network in memory.
type world struct {
	*zktest.Server
	t *testing.T
}

// bubble runs f on fake time, with a server.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	bubbleWith(t, zktest.Config{}, f)
}

// bubbleWith is bubble with a server of one's own choice. When the test fails it shows what the server has seen last.
func bubbleWith(t *testing.T, cfg zktest.Config, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var trace []string
		cfg.Trace = func(line string) {
			mu.Lock()
			defer mu.Unlock()
			if !strings.Contains(line, " ping ") {
				trace = append(trace, line)
			}
		}
		s, err := zktest.StartMemory(cfg)
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, s.Close())
			if t.Failed() {
				t.Logf("server:\n%s", strings.Join(trace[max(0, len(trace)-80):], "\n"))
			}
		})
		watchdog := time.AfterFunc(24*time.Hour, func() { panic("a test has waited for a day of its own time") })
		t.Cleanup(func() { watchdog.Stop() })
		f(t, &world{s, t})
	})
}

// client starts a client on a host of that name and waits for its session.
func (w *world) client(name string, tune ...func(*framework.Config)) *framework.Client {
	w.t.Helper()
	cfg := framework.Config{
		ConnectString: w.ConnectString(), SessionTimeout: timeout, Dialer: w.Client(name).Dial,
		Random: rand.NewChaCha8(sha256.Sum256([]byte(name))), // so that a run repeats itself
	}
	for _, f := range tune {
		f(&cfg)
	}
	cli, err := framework.New(cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, cli.Close()) })
	require.NoError(w.t, cli.WaitConnected(w.t.Context()))
	return cli
}

// silence swallows a client's packets, both ways, until the result is called.
func (w *world) silence(name string) (heal func()) {
	return w.Blackhole(zktest.ClientConns(name), zktest.Both)
}

// away breaks a client's connection and lets it have no other, for longer than f takes and less than the session timeout. It
// runs in a bubble.
func (w *world) away(name string, f func()) {
	w.t.Helper()
	heal := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Conn.Client == name {
			return zktest.Cut
		}
		return zktest.Pass
	})
	require.Positive(w.t, w.Cut(zktest.ClientConns(name)))
	time.Sleep(time.Second)
	f()
	time.Sleep(time.Second)
	heal()
}

// session is the id of a client's session.
func (w *world) session(cli *framework.Client) int64 {
	w.t.Helper()
	s, err := cli.Session(w.t.Context())
	require.NoError(w.t, err)
	return s.ID()
}

// expire ends a client's session at the server and waits until the client has the next one. It runs in a bubble.
func (w *world) expire(cli *framework.Client) {
	w.t.Helper()
	old := w.session(cli)
	require.True(w.t, w.ExpireSession(old))
	for cli.State().SessionID == old { // it may be Lost for an instant only
		time.Sleep(time.Millisecond)
	}
	require.NoError(w.t, cli.WaitConnected(w.t.Context()))
}

// inside is the names in the barrier's directory, "ready" included.
func (w *world) inside() []string {
	names, err := w.Children(path)
	if err != nil {
		return nil
	}
	return names
}

// raise creates a node and its parents.
func (w *world) raise(path string) {
	w.t.Helper()
	for i := 1; i < len(path); i++ {
		if path[i] == '/' && !w.Exists(path[:i]) {
			_, err := w.Create(path[:i], nil, zktest.Persistent)
			require.NoError(w.t, err)
		}
	}
	_, err := w.Create(path, nil, zktest.Persistent)
	require.NoError(w.t, err)
}

// call is a call that runs beside the test.
type call struct {
	t    *testing.T
	done chan struct{}
	in   *barrier.Entered // of Enter
	err  error
	at   time.Time
}

func start(t *testing.T, f func(c *call) error) *call {
	c := &call{t: t, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.err = f(c)
		c.at = time.Now()
	}()
	return c
}

// enter calls Enter beside the test.
func enter(ctx context.Context, t *testing.T, d *barrier.Double) *call {
	return start(t, func(c *call) (err error) {
		c.in, err = d.Enter(ctx)
		return err
	})
}

// leave calls Leave beside the test.
func leave(ctx context.Context, t *testing.T, in *barrier.Entered) *call {
	return start(t, func(*call) error { return in.Leave(ctx) })
}

// result waits for the call to return, for an hour at most, in a bubble.
func (c *call) result() error {
	c.t.Helper()
	select {
	case <-c.done:
		return c.err
	case <-time.After(time.Hour):
		c.t.Fatal("the call has not returned for an hour")
		return nil
	}
}

// ok waits for the call to succeed.
func (c *call) ok() *call {
	c.t.Helper()
	require.NoError(c.t, c.result())
	return c
}

// waits checks that the call does not return within a while, in a bubble.
func (c *call) waits() *call {
	c.t.Helper()
	time.Sleep(100 * time.Millisecond)
	select {
	case <-c.done:
		c.t.Fatalf("the call has returned: %v", c.err)
	default:
	}
	return c
}

// entered has all of them enter together.
func entered(t *testing.T, members ...*barrier.Double) []*barrier.Entered {
	t.Helper()
	var calls []*call
	for _, d := range members {
		calls = append(calls, enter(t.Context(), t, d))
	}
	var list []*barrier.Entered
	for _, c := range calls {
		list = append(list, c.ok().in)
	}
	return list
}

// left has all of them leave together.
func left(t *testing.T, list ...*barrier.Entered) {
	t.Helper()
	var calls []*call
	for _, in := range list {
		calls = append(calls, leave(t.Context(), t, in))
	}
	for _, c := range calls {
		assert.NoError(t, c.result())
	}
}
