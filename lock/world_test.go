package lock_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// timeout is the session timeout in these tests.
const timeout = 10 * time.Second

// path is the lock that is locked unless the test needs others.
const path = "/locks/orders"

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

// cut breaks a client's connection.
func (w *world) cut(name string) {
	w.t.Helper()
	require.Positive(w.t, w.Cut(zktest.ClientConns(name)), "%s has no connection to cut", name)
}

// session is the id of a client's session.
func (w *world) session(cli *framework.Client) int64 {
	w.t.Helper()
	s, err := cli.Session(w.t.Context())
	require.NoError(w.t, err)
	return s.ID()
}

// result is what a call of Lock that runs beside the test has returned.
type result struct {
	held *lock.Held
	err  error
	at   time.Time
}

// start calls Lock beside the test and returns when it waits for something.
func start(ctx context.Context, m *lock.Mutex) <-chan result {
	c := make(chan result, 1)
	go func() {
		held, err := m.Lock(ctx)
		c <- result{held, err, time.Now()}
	}()
	synctest.Wait()
	return c
}

// queued is start and returns when the call has its place in a queue of n nodes. It runs in a bubble.
func (w *world) queued(ctx context.Context, m *lock.Mutex, n int) <-chan result {
	w.t.Helper()
	c := start(ctx, m)
	for range 1000 {
		if len(w.List(path)) == n {
			time.Sleep(10 * time.Millisecond) // for its watch
			return c
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Fatalf("the queue has %d nodes and not %d: %s", len(w.List(path)), n, strings.Join(w.List(path), " "))
	return nil
}

// must is for calls that cannot fail in a test.
func must(t *testing.T, held *lock.Held, err error) *lock.Held {
	t.Helper()
	require.NoError(t, err)
	return held
}

// locked locks.
func locked(t *testing.T, m *lock.Mutex) *lock.Held {
	t.Helper()
	held, err := m.Lock(t.Context())
	return must(t, held, err)
}

// waitOver waits until a Held is over, for d at most, and returns the cause. It runs in a bubble.
func waitOver(t *testing.T, held *lock.Held, d time.Duration) error {
	t.Helper()
	select {
	case <-held.Context().Done():
		return context.Cause(held.Context())
	case <-time.After(d):
		t.Fatalf("still held after %v", d)
		return nil
	}
}

// alive fails the test if a Held is over.
func alive(t *testing.T, held *lock.Held) {
	t.Helper()
	synctest.Wait()
	require.NoError(t, context.Cause(held.Context()))
}
