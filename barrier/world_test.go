package barrier_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/zktest"
)

const (
	timeout = 10 * time.Second // of the sessions in these tests
	path    = "/barriers/b"    // of the barrier, unless the test needs others
	ready   = path + "/ready"
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
