package emitted

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

const sessionTimeout = 4 * time.Second

// bubble runs f in a bubble of fake time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// collector keeps what is emitted.
type collector struct {
	spans  *tracetest.InMemoryExporter
	tracer *trace.TracerProvider
	reader *metric.ManualReader
	meter  *metric.MeterProvider
}

func collect() *collector {
	c := &collector{spans: tracetest.NewInMemoryExporter(), reader: metric.NewManualReader()}
	c.tracer = trace.NewTracerProvider(trace.WithSyncer(c.spans))
	c.meter = metric.NewMeterProvider(metric.WithReader(c.reader))
	return c
}

func startServer(t *testing.T) *zktest.Server {
	t.Helper()
	s, err := zktest.StartMemory(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// client makes a client that emits to c, with a session. It is closed with the test.
func (c *collector) client(t *testing.T, s *zktest.Server, name string) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{
		ConnectString: s.ConnectString(), SessionTimeout: sessionTimeout, Dialer: s.Client(name).Dial,
		TracerProvider: c.tracer, MeterProvider: c.meter,
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(t.Context()))
	synctest.Wait() // what happens is told a moment later
	return cli
}

// named returns the finished spans of a name, in the order of their ends.
func (c *collector) named(name string) []tracetest.SpanStub {
	return slices.DeleteFunc(c.spans.GetSpans(), func(s tracetest.SpanStub) bool { return s.Name != name })
}

// one returns the only finished span of a name.
func (c *collector) one(t *testing.T, name string) tracetest.SpanStub {
	t.Helper()
	all := c.named(name)
	require.Len(t, all, 1, "spans %s", name)
	return all[0]
}

// attributes are those of a span by their keys.
func attributes(all []attribute.KeyValue) map[string]string {
	m := make(map[string]string, len(all))
	for _, a := range all {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

// events are the names of a span's events.
func events(s tracetest.SpanStub) []string {
	var names []string
	for _, e := range s.Events {
		names = append(names, e.Name)
	}
	return names
}

// within asserts that a span is a child of another.
func within(t *testing.T, child, parent tracetest.SpanStub) {
	t.Helper()
	assert.Equal(t, parent.SpanContext.SpanID(), child.Parent.SpanID(), "%s is within %s", child.Name, parent.Name)
	assert.Equal(t, parent.SpanContext.TraceID(), child.SpanContext.TraceID())
}

// metrics reads all metrics by their names.
func (c *collector) metrics(t *testing.T) map[string]metricdata.Metrics {
	t.Helper()
	var data metricdata.ResourceMetrics
	require.NoError(t, c.reader.Collect(context.Background(), &data))
	all := make(map[string]metricdata.Metrics)
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			all[m.Name] = m
		}
	}
	return all
}

// point is one data point.
type point struct {
	attributes map[string]string
	value      float64 // of a histogram, the sum
	count      uint64  // of a histogram
}

// points are those of a metric of any kind.
func points(m metricdata.Metrics) []point {
	var all []point
	add := func(a attribute.Set, v float64, n uint64) { all = append(all, point{attributes(a.ToSlice()), v, n}) }
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, float64(p.Value), 0)
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, p.Value, 0)
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes, p.Sum, p.Count)
		}
	}
	return all
}

// value returns the value of the point of a metric that has these attributes, and -1 if there is none.
func (c *collector) value(t *testing.T, name string, attrs ...string) float64 {
	t.Helper()
	for _, p := range points(c.metrics(t)[name]) {
		if p.has(attrs) {
			return p.value
		}
	}
	return -1
}

// count is value for the number of what a histogram has seen.
func (c *collector) count(t *testing.T, name string, attrs ...string) uint64 {
	t.Helper()
	for _, p := range points(c.metrics(t)[name]) {
		if p.has(attrs) {
			return p.count
		}
	}
	return 0
}

func (p point) has(attrs []string) bool {
	for i := 0; i < len(attrs); i += 2 {
		if p.attributes[attrs[i]] != attrs[i+1] {
			return false
		}
	}
	return true
}
