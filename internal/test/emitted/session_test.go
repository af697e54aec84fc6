package emitted

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// blip breaks the connections for a second of a bubble, in which sessions live on.
func blip(t *testing.T, s *zktest.Server) {
	t.Helper()
	s.Refuse()
	s.Cut(zktest.AllConns())
	time.Sleep(time.Second)
	require.NoError(t, s.Accept())
	time.Sleep(2 * time.Second)
}

// A blip, an expiry and the end of the client, in a bubble.
func TestSessionsAreLinkedSpans(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		begun := time.Now()
		cli := c.client(t, s, "a")
		first := cli.State().SessionID
		blip(t, s)
		require.True(t, s.ExpireSession(first))
		synctest.Wait()
		require.NoError(t, cli.WaitConnected(t.Context()))
		synctest.Wait() // what happens is told a moment later
		time.Sleep(time.Minute)
		require.NoError(t, cli.Close())

		all := c.named("zookeeper session")
		require.Len(t, all, 2)
		before, after := all[0], all[1]
		assert.Equal(t, []string{"suspended", "reconnected", "suspended"}, events(before))
		assert.Equal(t, codes.Error, before.Status.Code)
		assert.Equal(t, codes.Unset, after.Status.Code)
		got := attributes(before.Attributes)
		assert.Equal(t, "0x"+strconv.FormatInt(first, 16), got["docent.session.id"])
		assert.Equal(t, "1", got["docent.session.epoch"])
		assert.Equal(t, "4", got["docent.session.timeout"])
		assert.Equal(t, "session_lost", got["docent.cause"])
		assert.Equal(t, "closed", attributes(after.Attributes)["docent.cause"])
		assert.Equal(t, "2", attributes(after.Attributes)["docent.session.epoch"])

		assert.Empty(t, before.Links)
		require.Len(t, after.Links, 1)
		assert.Equal(t, before.SpanContext.SpanID(), after.Links[0].SpanContext.SpanID())
		assert.False(t, after.Parent.IsValid())
		assert.WithinDuration(t, begun, before.StartTime, time.Second)
		assert.GreaterOrEqual(t, after.EndTime.Sub(after.StartTime), 59*time.Second)
		assertOrdered(t, before)
	})
}

// assertOrdered checks that the events of a span lie in it, in order.
func assertOrdered(t *testing.T, s tracetest.SpanStub) {
	t.Helper()
	last := s.StartTime
	for _, e := range s.Events {
		assert.False(t, e.Time.Before(last), "%s: %s", s.Name, e.Name)
		last = e.Time
	}
	assert.False(t, s.EndTime.Before(last), "the end of %s", s.Name)
}

// A client that is closed while it has no session has none to tell of.
func TestLostSessionsAreReportedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		s.Refuse()
		s.Cut(zktest.AllConns())
		time.Sleep(time.Minute)
		require.NoError(t, cli.Close())
		session := c.one(t, "zookeeper session")
		assert.Equal(t, "session_lost", attributes(session.Attributes)["docent.cause"])
		assert.Less(t, session.EndTime.Sub(session.StartTime), 10*time.Second)
	})
}

func TestSessionsAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		assert.InDelta(t, 3, c.value(t, "docent.session.trust.remaining"), 0.1, "seconds: a timeout less a quarter")
		s.Refuse()
		s.Cut(zktest.AllConns())
		time.Sleep(time.Second)
		assert.InDelta(t, 2, c.value(t, "docent.session.trust.remaining"), 0.1)
		for state, want := range map[string]float64{"suspended": 1, "connected": 0, "lost": 0, "closed": 0, "connecting": 0} {
			assert.Equal(t, want, c.value(t, "docent.session.state", "docent.state", state), state)
		}
		assert.Positive(t, c.value(t, "docent.connection.attempts", "docent.state", "failed"))
		time.Sleep(2500 * time.Millisecond)
		assert.Zero(t, c.value(t, "docent.session.trust.remaining"))
		time.Sleep(time.Second)
		assert.EqualValues(t, 1, c.value(t, "docent.session.lost"))
		require.NoError(t, s.Accept())
		require.NoError(t, cli.WaitConnected(t.Context()))
		synctest.Wait() // what happens is told a moment later
		assert.EqualValues(t, 2, c.value(t, "docent.session.established"))
		assert.EqualValues(t, 1, c.value(t, "docent.session.suspended"))
		assert.EqualValues(t, 2, c.value(t, "docent.connection.attempts", "docent.state", "connected"))
		assert.EqualValues(t, 1, c.value(t, "docent.session.state", "docent.state", "connected"))
	})
}

func TestClientsAreDistinguished(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		c.client(t, s, "a")
		second := c.client(t, s, "b")
		servers := s.ConnectString()
		for _, name := range []string{servers, servers + "#2"} {
			assert.EqualValues(t, 1, c.value(t, "docent.session.established", "docent.client", name), name)
		}
		require.NoError(t, second.Close())
		assert.EqualValues(t, -1, c.value(t, "docent.session.established", "docent.client", servers+"#2"), "it is not observed any more")
		assert.EqualValues(t, 1, c.value(t, "docent.session.established", "docent.client", servers))
	})
}

// The chroot is a path, and none labels metrics.
func TestChrootLabelsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli, err := framework.New(framework.Config{
			ConnectString: s.ConnectString() + "/app", Dialer: s.Dial, MeterProvider: c.meter, TracerProvider: c.tracer,
		})
		require.NoError(t, err)
		require.NoError(t, cli.WaitConnected(t.Context()))
		synctest.Wait() // what happens is told a moment later
		assert.EqualValues(t, 1, c.value(t, "docent.session.established", "docent.client", s.ConnectString()))
		require.NoError(t, cli.Close())
		assert.Empty(t, points(c.metrics(t)["docent.session.state"]))
	})
}

// stubborn is a processor of spans that does not return.
type stubborn struct{ release chan struct{} }

func (stubborn) OnStart(context.Context, trace.ReadWriteSpan) {}
func (s stubborn) OnEnd(trace.ReadOnlySpan)                   { <-s.release }
func (stubborn) Shutdown(context.Context) error               { return nil }
func (stubborn) ForceFlush(context.Context) error             { return nil }

// An exporter that hangs does not keep a client from being closed.
func TestCloseLeavesProvidersThatHang(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s, hang := collect(), startServer(t), stubborn{make(chan struct{})}
		c.tracer = trace.NewTracerProvider(trace.WithSpanProcessor(hang))
		cli := c.client(t, s, "a")
		begun := time.Now()
		require.NoError(t, cli.Close()) // the span of the session is ended
		assert.InDelta(t, sessionTimeout, time.Since(begun), float64(time.Second), "which is the default of CloseTimeout")
		close(hang.release)
		synctest.Wait()
		assert.EqualValues(t, -1, c.value(t, "docent.session.established"), "it is taken from the meter when the exporter returns")
	})
}
