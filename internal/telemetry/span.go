package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Span is the span of a recipe. Its methods do nothing on nil.
type Span struct {
	client *Client
	span   trace.Span
	caller trace.Span // the span in which it was begun

	mu   sync.Mutex
	told uint64 // number of state changes that it has as events, or that were before it
}

type spanKey struct{}

// in returns the span of the recipe that ctx belongs to, or nil.
func in(ctx context.Context) *Span {
	s, _ := ctx.Value(spanKey{}).(*Span)
	return s
}

// start begins the span of a recipe, if recipes are traced.
func (c *Client) start(ctx context.Context, name string, attrs []attribute.KeyValue, opts ...trace.SpanStartOption) (context.Context, *Span) {
	tracer := c.tracer()
	if tracer == nil {
		return ctx, nil
	}
	s := &Span{client: c, caller: trace.SpanFromContext(ctx)}
	c.mu.Lock()
	s.told = c.history.n
	c.mu.Unlock()
	ctx, s.span = c.startSpan(ctx, tracer, name, append(opts, trace.WithAttributes(attrs...))...)
	return context.WithValue(ctx, spanKey{}, s), s
}

// Outside returns ctx with the span of the recipe's caller, for what outlasts the recipe's span.
func Outside(ctx context.Context) context.Context {
	if s := in(ctx); s != nil {
		return trace.ContextWithSpan(ctx, s.caller)
	}
	return ctx
}

// event adds an event, after the earlier changes of the connection.
func (s *Span) event(name string, attrs ...attribute.KeyValue) {
	now := time.Now()
	s.catchUp()
	s.span.AddEvent(name, trace.WithTimestamp(now), trace.WithAttributes(attrs...))
}

// catchUp adds the changes of the connection.
func (s *Span) catchUp() {
	s.mu.Lock()
	c := s.client
	c.mu.Lock()
	changes, n := c.history.since(s.told), c.history.n
	c.mu.Unlock()
	s.told = n
	s.mu.Unlock()
	for _, ch := range changes {
		ch.event(s.span)
	}
}

// end ends the span with its error, if there is one.
func (s *Span) end(errorType string, err error, opts ...trace.SpanEndOption) {
	if s == nil {
		return
	}
	s.catchUp()
	fail(s.span, errorType, err)
	s.client.endSpan(s.span, opts...)
}

// Queued records that the recipe of ctx has a place in a queue, and in which session.
func Queued(ctx context.Context, path string, epoch uint64) {
	if s := in(ctx); s != nil {
		s.event("queued", keyPath.String(path), keyEpoch.Int64(int64(epoch)))
	}
}

// Rank records how many contenders are ahead of the recipe of ctx, and which of them it waits for; "" for none.
func Rank(ctx context.Context, ahead int, behind string) {
	s := in(ctx)
	if s == nil {
		return
	}
	attrs := []attribute.KeyValue{keyAhead.Int(ahead)}
	if behind != "" {
		attrs = append(attrs, keyBehind.String(behind))
	}
	s.event("rank", attrs...)
}
