package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Operation is one operation of a client. Its methods do nothing on nil, and must not be called concurrently.
type Operation struct {
	client   *Client
	name     string
	start    time.Time
	span     trace.Span // nil if it is not traced
	measured bool
	retries  int
}

// Result is how an operation has ended.
type Result struct {
	Err    error
	Code   string // the server's error code if there was one: "NONODE"
	Type   string // error.type; empty if it is not an error, as many codes are not
	Server string // host:port of the latest server
}

// Operation begins an operation. If telemetry is off, it returns ctx unchanged and nil.
func (c *Client) Operation(ctx context.Context, name, path string) (context.Context, *Operation) {
	if c == nil {
		return ctx, nil
	}
	tracer, measured := c.get(), c.instruments.duration.Enabled(ctx)
	if tracer == nil && !measured {
		return ctx, nil
	}
	return c.begin(ctx, tracer, measured, name, path)
}

func (c *Client) begin(ctx context.Context, tracer trace.Tracer, measured bool, name, path string) (context.Context, *Operation) {
	op := &Operation{client: c, name: name, start: time.Now(), measured: measured}
	if measured {
		c.counts.active.Add(1)
	}
	if tracer != nil {
		ctx, op.span = c.startSpan(ctx, tracer, "zookeeper "+name, trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(system, keyOperation.String(name), keyPath.String(path)))
	}
	return ctx, op
}

// Waits records that the operation waits for a connection.
func (op *Operation) Waits() {
	if op != nil && op.span != nil {
		op.span.AddEvent("waiting for a connection")
	}
}

// Retried records that the operation is retried, and why.
func (op *Operation) Retried(cause string, err error) {
	if op == nil {
		return
	}
	op.retries++
	if op.span != nil {
		op.span.AddEvent("retry", trace.WithAttributes(keyCause.String(cause), keyReason.String(err.Error())))
	}
	if op.measured {
		op.client.instruments.retries.Add(context.Background(), 1,
			metric.WithAttributes(keyOperation.String(op.name), keyCause.String(cause)))
	}
}

// End ends the operation.
func (op *Operation) End(ctx context.Context, r Result) {
	if op == nil {
		return
	}
	if op.measured {
		op.client.counts.active.Add(-1)
		o := op.client.options.of(outcome{op.name, r.Code, r.Type, r.Server})
		op.client.instruments.duration.Record(ctx, time.Since(op.start).Seconds(), o)
	}
	if op.span == nil {
		return
	}
	attrs := serverAttributes(r.Server)
	if op.retries > 0 {
		attrs = append(attrs, keyRetries.Int(op.retries))
	}
	if r.Code != "" {
		attrs = append(attrs, keyStatus.String(r.Code))
	}
	op.span.SetAttributes(attrs...)
	fail(op.span, r.Type, r.Err)
	op.client.endSpan(op.span)
}

// harmless are the error types that are not failures: the caller has ended the call, or would not wait.
var harmless = map[string]bool{"canceled": true, "taken": true}

// fail sets the error of a span, if there is one.
func fail(span trace.Span, errorType string, err error) {
	if errorType == "" {
		return
	}
	span.SetAttributes(keyErrorType.String(errorType))
	if !harmless[errorType] {
		span.SetStatus(codes.Error, err.Error())
	}
}

// outcome is what distinguishes operations in metrics.
type outcome struct{ operation, code, errorType, server string }

// options caches the attributes of outcomes, of which there are few.
type options struct{ m sync.Map }

func (o *options) of(k outcome) metric.MeasurementOption {
	if have, ok := o.m.Load(k); ok {
		return have.(metric.MeasurementOption)
	}
	attrs := append(serverAttributes(k.server), system, keyOperation.String(k.operation))
	if k.code != "" {
		attrs = append(attrs, keyStatus.String(k.code))
	}
	if k.errorType != "" {
		attrs = append(attrs, keyErrorType.String(k.errorType))
	}
	made := metric.WithAttributeSet(attribute.NewSet(attrs...))
	o.m.Store(k, made)
	return made
}
