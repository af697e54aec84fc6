package node_test

import (
	"context"
	"crypto/sha256"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// timeout is the session timeout in these tests.
const timeout = 10 * time.Second

// path is the node that is kept unless the test needs others.
const path = "/services/orders/a"

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
	cli := w.dialling(name, tune...)
	require.NoError(w.t, cli.WaitConnected(w.t.Context()))
	return cli
}

// dialling starts a client that may have no session yet.
func (w *world) dialling(name string, tune ...func(*framework.Config)) *framework.Client {
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
	return cli
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

// session is the id of a client's session.
func (w *world) session(cli *framework.Client) int64 {
	w.t.Helper()
	s, err := cli.Session(w.t.Context())
	require.NoError(w.t, err)
	return s.ID()
}

// expire ends a client's session at the server and waits until the client knows.
func (w *world) expire(cli *framework.Client) {
	w.t.Helper()
	id := w.session(cli)
	require.True(w.t, w.ExpireSession(id))
	w.await(cli, framework.Lost)
}

// await waits for a state of a client, in a bubble.
func (w *world) await(cli *framework.Client, want framework.State) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Hour)
	defer cancel()
	for ch := range cli.States(ctx) {
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

// data is what a node holds.
func (w *world) data(path string) string {
	w.t.Helper()
	data, _, err := w.Get(path)
	require.NoError(w.t, err)
	return string(data)
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
	w.parents(path)
	_, err := w.Create(path, []byte(data), zktest.Persistent)
	require.NoError(w.t, err)
}

// createFor creates an ephemeral node of a client's session at the server.
func (w *world) createFor(cli *framework.Client, path, data string) {
	w.t.Helper()
	w.parents(path)
	_, err := w.CreateFor(w.session(cli), path, []byte(data), zktest.Ephemeral)
	require.NoError(w.t, err)
}

func (w *world) parents(path string) {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' && !w.Exists(path[:i]) {
			_, err := w.Create(path[:i], nil, zktest.Persistent)
			require.NoError(w.t, err)
		}
	}
}

// settle lets pass what is under way between clients and server. It runs in a bubble.
func settle() {
	time.Sleep(20 * time.Millisecond)
	synctest.Wait()
}

// keep keeps a node, and sees it stand. It is closed with the client.
func (w *world) keep(cli *framework.Client, path, data string, opts ...node.Option) *node.Keeper {
	w.t.Helper()
	k, err := node.Keep(w.t.Context(), cli, path, []byte(data), opts...)
	require.NoError(w.t, err)
	settle()
	return k
}

// kept is what a Keep that runs beside the test has returned.
type kept struct {
	k   *node.Keeper
	err error
}

// keeping starts a Keep beside the test and returns when it waits for something.
func keeping(ctx context.Context, cli *framework.Client, path, data string, opts ...node.Option) <-chan kept {
	c := make(chan kept, 1)
	go func() {
		k, err := node.Keep(ctx, cli, path, []byte(data), opts...)
		c <- kept{k, err}
	}()
	settle()
	return c
}

// within returns a context that ends after d.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// standing waits until a Keeper's node stands.
func standing(t *testing.T, k *node.Keeper) node.Standing {
	t.Helper()
	require.NoError(t, k.WaitStanding(within(t, time.Hour)))
	return k.Standing()
}

// closed closes a Keeper.
func closed(t *testing.T, k *node.Keeper) {
	t.Helper()
	require.NoError(t, k.Close(within(t, time.Hour)))
	require.ErrorIs(t, k.Err(), node.ErrKeeperClosed)
}

// requests is what something has cost, by opcode.
type requests = map[zktest.Op]int64

// cost counts what f costs, all clients together, without pings and handshakes.
func (w *world) cost(f func()) zktest.Counts {
	before := w.Counts()
	f()
	cost := w.Counts().Sub(before)
	delete(cost.Requests, zktest.OpPing)
	delete(cost.Requests, zktest.OpConnect)
	delete(cost.Requests, zktest.OpCloseSession)
	return cost
}

// unchecked takes the checks of watches out of a cost: one exists for each path and eight session timeouts at most.
func unchecked(t *testing.T, cost zktest.Counts, paths int, d time.Duration) requests {
	t.Helper()
	rest := maps.Clone(cost.Requests)
	delete(rest, zktest.OpExists)
	delete(rest, zktest.OpPing)
	assert.LessOrEqual(t, cost.Requests[zktest.OpExists], int64(paths)*int64(d/(8*timeout)+1), "checks of watches")
	return rest
}

// observer notes whether a node was ever absent while it was watched over: after every change that a server has applied.
type observer struct {
	mu     sync.Mutex
	absent int
	looks  int
}

// observe looks at a node after everything that the server answers, until the result is called.
func (w *world) observe(paths ...string) (o *observer, stop func()) {
	o = &observer{}
	return o, w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.looks++
		for _, p := range paths {
			if !w.Exists(p) {
				o.absent++
			}
		}
		return zktest.Pass
	})
}

// never fails the test if a node was absent.
func (o *observer) never(t *testing.T) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	assert.Positive(t, o.looks)
	assert.Zero(t, o.absent, "in %d looks", o.looks)
}
