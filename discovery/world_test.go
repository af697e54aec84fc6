package discovery_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/docenttest"
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
	*docenttest.Server
	t *testing.T
}

// bubble runs f on fake time, with a server.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	bubbleWith(t, zktest.Config{}, f)
}

// bubbleWith is bubble with a server of one's own choice.
func bubbleWith(t *testing.T, cfg zktest.Config, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, &world{docenttest.Start(t, cfg), t}) })
}

// registry is the registry of a client on a host of that name.
func (w *world) registry(name string, opts ...discovery.Option[meta]) (*framework.Client, *discovery.Registry[meta]) {
	w.t.Helper()
	cli := w.Connect(name)
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
