package emitted

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestOperationsAreSpansOfTheirCallers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		ctx, caller := c.tracer.Tracer("test").Start(t.Context(), "caller")
		_, err := cli.Create(ctx, "/a", nil)
		require.NoError(t, err)
		caller.End()
		create := c.one(t, "zookeeper create")
		within(t, create, c.one(t, "caller"))
		assert.Equal(t, trace.SpanKindClient, create.SpanKind)
		assert.Equal(t, "github.com/docent-zk/docent", create.InstrumentationScope.Name)
		assert.Equal(t, codes.Unset, create.Status.Code)
		got := attributes(create.Attributes)
		assert.NotEmpty(t, got["server.address"])
		assert.NotEmpty(t, got["server.port"])
		delete(got, "server.address")
		delete(got, "server.port")
		assert.Equal(t, map[string]string{"db.system.name": "zookeeper", "db.operation.name": "create", "docent.path": "/a"}, got)
	})
}

// Who asks can be told no: that is an answer and no failure.
func TestExpectedRepliesAreNotFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli, ctx := c.client(t, s, "a"), t.Context()
		_, err := cli.Create(ctx, "/a", nil)
		require.NoError(t, err)
		ask := map[string]func() error{
			"NONODE":     func() error { _, err := cli.Get(ctx, "/none"); return err },
			"NODEEXISTS": func() error { _, err := cli.Create(ctx, "/a", nil); return err },
			"BADVERSION": func() error { _, err := cli.Set(ctx, "/a", nil, 7); return err },
			"NOTEMPTY": func() error {
				_, err := cli.Create(ctx, "/a/b", nil)
				require.NoError(t, err)
				return cli.Delete(ctx, "/a", framework.AnyVersion)
			},
		}
		for code, f := range ask {
			c.spans.Reset()
			require.Error(t, f())
			all := c.spans.GetSpans()
			last := all[len(all)-1]
			assert.Equal(t, codes.Unset, last.Status.Code, code)
			assert.Equal(t, code, attributes(last.Attributes)["db.response.status_code"])
			assert.NotContains(t, attributes(last.Attributes), "error.type")
		}
		for _, p := range points(c.metrics(t)["db.client.operation.duration"]) {
			assert.NotContains(t, p.attributes, "error.type")
		}
	})
}

func TestFailuresAreErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		s.Refuse()
		s.Cut(zktest.AllConns())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := cli.Get(ctx, "/a")
		require.ErrorIs(t, err, framework.ErrNotConnected)
		get := c.one(t, "zookeeper get")
		assert.Equal(t, codes.Error, get.Status.Code)
		assert.Equal(t, err.Error(), get.Status.Description)
		assert.Equal(t, "not_connected", attributes(get.Attributes)["error.type"])
		assert.Contains(t, events(get), "waiting for a connection")
		assert.EqualValues(t, 1, c.count(t, "db.client.operation.duration", "error.type", "not_connected"))
	})
}

// A caller who leaves has not failed.
func TestCancellationIsNotAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := cli.Get(ctx, "/a")
		require.ErrorIs(t, err, context.Canceled)
		get := c.one(t, "zookeeper get")
		assert.Equal(t, codes.Unset, get.Status.Code)
		assert.Equal(t, "canceled", attributes(get.Attributes)["error.type"])
	})
}

func TestRetriesAreEventsAndCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		_, err := cli.Create(t.Context(), "/a", nil)
		require.NoError(t, err)
		s.LoseReply(zktest.OpGetData, 1)
		_, err = cli.Get(t.Context(), "/a")
		require.NoError(t, err)
		get := c.one(t, "zookeeper get")
		assert.Equal(t, codes.Unset, get.Status.Code)
		assert.Equal(t, "retry", events(get)[0])
		retry := attributes(get.Events[0].Attributes)
		assert.Equal(t, "answer_lost", retry["docent.cause"])
		assert.NotEmpty(t, retry["docent.reason"])
		assert.Equal(t, "1", attributes(get.Attributes)["docent.retries"])
		assert.EqualValues(t, 1, c.value(t, "docent.operation.retries", "db.operation.name", "get", "docent.cause", "answer_lost"))
	})
}

// What nobody can say anything of is an error, whatever else it is.
func TestUnknownOutcomesAreErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		s.LoseReply(zktest.OpMulti, 1)
		_, err := cli.Multi(t.Context(), []framework.Op{framework.CreateOp("/a", nil, framework.Persistent)})
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		assert.Equal(t, "outcome_unknown", attributes(c.one(t, "zookeeper multi").Attributes)["error.type"])
	})
}

func TestOperationsAreMeasured(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		heal := s.Delay(zktest.AllConns(), 300*time.Millisecond)
		done := make(chan error)
		go func() {
			_, err := cli.Create(context.Background(), "/a", nil)
			done <- err
		}()
		synctest.Wait()
		assert.EqualValues(t, 1, c.value(t, "docent.operation.active"))
		require.NoError(t, <-done)
		heal()
		assert.EqualValues(t, 0, c.value(t, "docent.operation.active"))
		m := c.metrics(t)["db.client.operation.duration"]
		assert.Equal(t, "s", m.Unit)
		all := points(m)
		require.Len(t, all, 1)
		assert.EqualValues(t, 1, all[0].count)
		assert.InDelta(t, 0.6, all[0].value, 0.31, "seconds")
		assert.Equal(t, "create", all[0].attributes["db.operation.name"])
		assert.NotContains(t, all[0].attributes, "docent.path")
	})
}
