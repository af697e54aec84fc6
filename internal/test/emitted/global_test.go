package emitted

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"

	"github.com/docent-zk/docent/framework"
)

// unset is the global provider that nobody has set.
var unset = otel.GetTracerProvider()

// The only test that sets the global providers: that can be done once in a process.
func TestGlobalProvidersMayComeLater(t *testing.T) {
	if otel.GetTracerProvider() != unset {
		t.Skip("an earlier run in this process has set the global providers")
	}
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		implicit, err := framework.New(framework.Config{ConnectString: s.ConnectString(), Dialer: s.Client("a").Dial})
		require.NoError(t, err)
		explicit, err := framework.New(framework.Config{
			ConnectString: s.ConnectString(), Dialer: s.Client("b").Dial,
			TracerProvider: otel.GetTracerProvider(), MeterProvider: otel.GetMeterProvider(),
		})
		require.NoError(t, err)
		clients := []*framework.Client{implicit, explicit}
		for _, cli := range clients {
			require.NoError(t, cli.WaitConnected(t.Context()))
			_, _, err := cli.Exists(t.Context(), "/")
			require.NoError(t, err)
		}
		assert.Empty(t, c.spans.GetSpans())
		assert.Empty(t, c.metrics(t))

		otel.SetTracerProvider(c.tracer)
		otel.SetMeterProvider(c.meter)
		for _, cli := range clients {
			_, _, err := cli.Exists(t.Context(), "/")
			require.NoError(t, err)
		}
		assert.Len(t, c.named("zookeeper exists"), 2)
		assert.EqualValues(t, 2, c.count(t, "db.client.operation.duration", "db.operation.name", "exists"))
		for _, name := range []string{s.ConnectString(), s.ConnectString() + "#2"} {
			assert.EqualValues(t, 1, c.value(t, "docent.session.established", "docent.client", name), "also what was before")
		}
		for _, cli := range clients {
			require.NoError(t, cli.Close())
		}
		assert.Len(t, c.named("zookeeper session"), 2, "as long as they were")
		assert.Empty(t, points(c.metrics(t)["docent.session.established"]), "the callbacks are unregistered")
	})
}
