package emitted

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/docent-zk/docent/lock"
)

// bomb is a processor that panics at the start of spans, or at their ends.
type bomb struct{ atStart bool }

func (b bomb) OnStart(context.Context, trace.ReadWriteSpan) {
	if b.atStart {
		panic("boom")
	}
}

func (b bomb) OnEnd(trace.ReadOnlySpan)         { panic("boom") }
func (b bomb) Shutdown(context.Context) error   { return nil }
func (b bomb) ForceFlush(context.Context) error { return nil }

// Tracing that panics costs spans, and neither the process nor an operation.
func TestTracingThatPanics(t *testing.T) {
	for _, atStart := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			c, s := collect(), startServer(t)
			c.tracer = trace.NewTracerProvider(trace.WithSpanProcessor(bomb{atStart}))
			cli := c.client(t, s, "a")
			_, err := cli.Create(t.Context(), "/a", nil)
			require.NoError(t, err)
			held, err := lock.New(cli, "/l").Lock(t.Context())
			require.NoError(t, err)
			require.NoError(t, held.Context().Err())
			require.NoError(t, held.Unlock(t.Context()))
			s.ExpireSession(cli.State().SessionID)
			synctest.Wait()
			require.NoError(t, cli.WaitConnected(t.Context()))
			synctest.Wait() // what happens is told a moment later
			assert.Positive(t, c.value(t, "docent.panics", "docent.function", "TracerProvider"))
			require.NoError(t, cli.Close())
		})
	}
}
