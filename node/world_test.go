package node_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/docenttest"
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
	require.True(w.t, w.ExpireSession(w.session(cli)))
	w.WaitState(cli, framework.Lost)
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

// createFor creates an ephemeral node of a client's session at the server.
func (w *world) createFor(cli *framework.Client, path, data string) {
	w.t.Helper()
	w.parents(path)
	_, err := w.CreateFor(w.session(cli), path, []byte(data), zktest.Ephemeral)
	require.NoError(w.t, err)
}

// parents creates what is missing above a node.
func (w *world) parents(path string) {
	w.t.Helper()
	if dir, _ := framework.Split(path); !w.Exists(dir) {
		w.Put(dir, "")
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
