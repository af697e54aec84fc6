package telemetry

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace/noop"
)

var errClosed = errors.New("closed")

// idle is a client for which nobody has set a provider.
func idle(t *testing.T, changes ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{Servers: "a:1", Closed: errClosed, Look: func() Look { return Look{} }, Names: Names{{errClosed, "closed"}}}
	for _, change := range changes {
		change(&cfg)
	}
	c := New(cfg)
	t.Cleanup(c.Close)
	return c
}

func TestPlaceholderIsRecognised(t *testing.T) {
	require.NotNil(t, placeholder, "OpenTelemetry has moved its placeholder; without it every operation allocates")
	assert.Same(t, otel.GetTracerProvider(), placeholder)
}

// Each must cost next to nothing, whether nothing was configured or what does nothing.
func TestTelemetryThatIsOffCostsNothing(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"nothing set":     func(*Config) {},
		"the placeholder": func(c *Config) { c.TracerProvider = otel.GetTracerProvider() },
		"a no-op":         func(c *Config) { c.TracerProvider = noop.NewTracerProvider() },
	} {
		t.Run(name, func(t *testing.T) {
			c, ctx := idle(t, change), t.Context()
			assert.Zero(t, testing.AllocsPerRun(100, func() {
				if with, op := c.Operation(ctx, "get", "/"); op != nil || with != ctx {
					t.Fail()
				}
				if with, w := c.Wait(ctx, Subject{}); w != nil || with != ctx {
					t.Fail()
				}
				if c.Hold(ctx, Subject{}, 1) != nil {
					t.Fail()
				}
				Rank(ctx, 1, "")
				Queued(ctx, "/", 1)
			}))
			k := c.Cache("tree cache", "/", nil)
			with, s := k.Sync(ctx)
			assert.Equal(t, ctx, with)
			assert.Nil(t, s)
			k.End()
		})
	}
}

func TestNilDoesNothing(t *testing.T) {
	var c *Client
	ctx := t.Context()
	_, op := c.Operation(ctx, "get", "/")
	op.Waits()
	op.Retried("", nil)
	op.End(ctx, Result{})
	_, w := c.Wait(ctx, Subject{})
	w.End(nil)
	h := c.Hold(ctx, Subject{}, 1)
	h.Until(ctx)
	h.End(nil)
	assert.Equal(t, ctx, h.Context(ctx))
	k := c.Cache("", "", nil)
	_, s := k.Sync(ctx)
	s.Fresh()
	s.Broken(errClosed)
	k.End()
	c.Kept(nil)()
	c.View(nil)()
	_, end := c.Register(ctx, "/")
	end(nil)
	c.StateChanged(Change{})
	c.Dialled(nil)
	c.Close()
}

func TestClientsHaveNamesOfTheirOwn(t *testing.T) {
	first, second := New(Config{Servers: "a:1,b:2/app"}), New(Config{Servers: "a:1,b:2/other"})
	assert.Equal(t, "a:1,b:2", first.name)
	assert.Equal(t, "a:1,b:2#2", second.name)
	first.Close()
	third := New(Config{Servers: "a:1,b:2"})
	assert.Equal(t, "a:1,b:2", third.name, "a name that was given back is free")
	second.Close()
	third.Close()
}

func TestNamesOfErrors(t *testing.T) {
	other := errors.New("other")
	names := Names{{errClosed, "closed"}, {context.Canceled, "canceled"}}
	assert.Empty(t, names.Of(nil))
	assert.Equal(t, "_OTHER", names.Of(other))
	assert.Equal(t, "closed", names.Of(fmt.Errorf("%w: %w", context.Canceled, errClosed)), "the first in the table")
	subject := Subject{Names: Names{{other, "its own"}}}
	c := idle(t)
	assert.Equal(t, "its own", subject.name(fmt.Errorf("%w: %w", errClosed, other), c))
	assert.Equal(t, "closed", subject.name(errClosed, c))
}

func TestHistoryKeepsTheLatest(t *testing.T) {
	var h history
	for i := range 3 * remembered {
		h.add(Change{Epoch: uint64(i)})
	}
	assert.Empty(t, h.since(h.n))
	assert.Equal(t, []Change{{Epoch: 3*remembered - 2}, {Epoch: 3*remembered - 1}}, h.since(h.n-2))
	all := h.since(0)
	assert.Len(t, all, remembered)
	assert.EqualValues(t, 2*remembered, all[0].Epoch)
}

// What is handed over is done in order, before Close returns, and after that by whoever hands it over.
func TestCloseWaitsForPendingTasks(t *testing.T) {
	c := idle(t)
	var done []int
	gate := make(chan struct{})
	c.later(func() { <-gate })
	for i := range 100 {
		c.later(func() { done = append(done, i) })
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		c.Close()
	}()
	close(gate)
	<-closed
	require.Len(t, done, 100)
	assert.IsIncreasing(t, done)
	c.later(func() { done = nil })
	assert.Nil(t, done)
}

func TestServersAreTakenApart(t *testing.T) {
	for server, want := range map[string]string{
		"":             "",
		"zk1:2181":     "server.address=zk1 server.port=2181 ",
		"[::1]:2181":   "server.address=::1 server.port=2181 ",
		"zk1:zk":       "server.address=zk1 ",
		"no port here": "",
	} {
		got := ""
		for _, a := range serverAttributes(server) {
			got += fmt.Sprintf("%s=%s ", a.Key, a.Value.String())
		}
		assert.Equal(t, want, got, server)
	}
}

func TestLeadersAreCountedAlways(t *testing.T) {
	c := idle(t)
	h := c.Hold(t.Context(), Subject{Kind: Leader}, 1)
	require.NotNil(t, h)
	assert.EqualValues(t, 1, c.counts.leaders.Load())
	ctx, cancel := context.WithCancelCause(context.Background())
	h.Until(ctx)
	cancel(errClosed)
	assert.Eventually(t, func() bool { return c.counts.leaders.Load() == 0 }, time.Minute, time.Millisecond)
	h.End(errClosed)
	assert.Zero(t, c.counts.leaders.Load(), "it ends once")
}
