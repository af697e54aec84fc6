package telemetry

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Panicked counts a panic of a user's function, such as a codec or a dialer.
func (c *Client) Panicked(function string) {
	if c == nil {
		return
	}
	c.instruments.panics.Add(context.Background(), 1, metric.WithAttributes(keyClient.String(c.name), keyFunction.String(function)))
}

// startSpan starts a span. If a sampler or processor panics, there is no span.
func (c *Client) startSpan(ctx context.Context, tracer trace.Tracer, name string, opts ...trace.SpanStartOption) (spanned context.Context, span trace.Span) {
	defer c.survive(func() { spanned, span = ctx, noop.Span{} })
	return tracer.Start(ctx, name, opts...)
}

// endSpan ends a span. This runs the provider's processors, and exporters without a batch, which may panic.
func (c *Client) endSpan(span trace.Span, opts ...trace.SpanEndOption) {
	defer c.survive(func() {})
	span.End(opts...)
}

// survive is deferred. It reports a panic and then calls instead.
func (c *Client) survive(instead func()) {
	value := recover()
	if value == nil {
		return
	}
	instead()
	c.Panicked("TracerProvider")
	otel.Handle(fmt.Errorf("docent: the TracerProvider has panicked: %v", value))
}
