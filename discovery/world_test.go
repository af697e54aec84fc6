package discovery_test

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

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

const (
	// timeout is the session timeout in these tests.
	timeout = 10 * time.Second
	// base is where services are, and dir the directory of the one that most tests are about.
	base = "/services"
	dir  = base + "/orders"
)

// world is a server on a network in memory.
type world struct {
	*zktest.Server
	t *testing.T
}

// bubble runs f on fake time, with a server. When the test fails it shows what the server has seen last.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	bubbleWith(t, zktest.Config{}, f)
}

// bubbleWith is bubble with a server of one's own choice.
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
				t.Logf("server:\n%s", strings.Join(trace[max(0, len(trace)-60):], "\n"))
			}
		})
		watchdog := time.AfterFunc(24*time.Hour, func() { panic("a test has waited for a day of its own time") })
		t.Cleanup(func() { watchdog.Stop() })
		f(t, &world{s, t})
	})
}

// client starts a client on a host of that name and waits for its session.
func (w *world) client(name string) *framework.Client {
	w.t.Helper()
	cli := w.dialling(name)
	require.NoError(w.t, cli.WaitConnected(w.t.Context()))
	return cli
}

// dialling starts a client that may have no session yet.
func (w *world) dialling(name string) *framework.Client {
	w.t.Helper()
	cli, err := framework.New(framework.Config{
		ConnectString: w.ConnectString(), SessionTimeout: timeout, Dialer: w.Client(name).Dial,
		Random: rand.NewChaCha8(sha256.Sum256([]byte(name))), // so that a run repeats itself
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, cli.Close()) })
	return cli
}

// registry is the registry of a client on a host of that name.
func (w *world) registry(name string, opts ...discovery.Option[meta]) (*framework.Client, *discovery.Registry[meta]) {
	w.t.Helper()
	cli := w.client(name)
	return cli, discovery.New(cli, base, opts...)
}

// instance is an instance of the service that most tests are about.
func instance(id string) discovery.Instance[meta] {
	return discovery.Instance[meta]{Name: "orders", ID: id, Address: "10.0.0.1", Port: 8080, RegistrationTime: registered}
}

// register registers an instance and sees it stand.
func (w *world) register(reg *discovery.Registry[meta], in discovery.Instance[meta]) *discovery.Registration[meta] {
	w.t.Helper()
	r, err := reg.Register(w.t.Context(), in)
	require.NoError(w.t, err)
	settle()
	return r
}

// silence swallows a client's packets, both ways, until the result is called.
func (w *world) silence(name string) (heal func()) {
	return w.Blackhole(zktest.ClientConns(name), zktest.Both)
}

// outage stops the servers, which keep their state, until the result is called. No session expires meanwhile.
func (w *world) outage() (over func()) {
	w.t.Helper()
	w.Stop()
	settle()
	return func() { require.NoError(w.t, w.StartEndpoint()) }
}

// await waits for a state of a client, in a bubble.
func (w *world) await(cli *framework.Client, want framework.State) {
	w.t.Helper()
	for ch := range cli.States(within(w.t, time.Hour)) {
		if ch.State == want {
			synctest.Wait() // for whatever else hears of it
			return
		}
	}
	w.t.Fatalf("the state %v does not come; it is %v", want, cli.State().State)
}

// list is the names of a node's children, none if there is no node.
func (w *world) list(path string) []string {
	names, err := w.Children(path)
	if err != nil {
		return nil
	}
	return names
}

// read reads the instance in a node.
func (w *world) read(path string) discovery.Instance[meta] {
	w.t.Helper()
	data, _, err := w.Get(path)
	require.NoError(w.t, err)
	in, err := discovery.JSON[meta]().Decode(data)
	require.NoError(w.t, err)
	return in
}

// owner is the session that has a node, 0 if there is none.
func (w *world) owner(path string) int64 {
	_, stat, err := w.Get(path)
	if err != nil {
		return 0
	}
	return stat.EphemeralOwner
}

// create creates a node and its parents at the server.
func (w *world) create(path, data string) {
	w.t.Helper()
	for i := 1; i < len(path); i++ {
		if path[i] == '/' && !w.Exists(path[:i]) {
			_, err := w.Create(path[:i], nil, zktest.Persistent)
			require.NoError(w.t, err)
		}
	}
	_, err := w.Create(path, []byte(data), zktest.Persistent)
	require.NoError(w.t, err)
}

// settle lets pass what is under way between clients and server. It runs in a bubble.
func settle() {
	time.Sleep(20 * time.Millisecond)
	synctest.Wait()
}

// within returns a context that ends after d.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// observer notes whether a node was ever absent while it was watched over: after every change that a server has applied.
type observer struct {
	mu     sync.Mutex
	absent int
	looks  int
}

// observe looks at a node after everything that the server answers, until the result is called.
func (w *world) observe(path string) (o *observer, stop func()) {
	o = &observer{}
	return o, w.OnFrame(func(zktest.Frame) zktest.Verdict {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.looks++
		if !w.Exists(path) {
			o.absent++
		}
		return zktest.Pass
	})
}

// never fails the test if the node was absent.
func (o *observer) never(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	assert.Positive(t, o.looks)
	assert.Zero(t, o.absent, "in %d looks", o.looks)
}
