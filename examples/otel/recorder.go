package main

import (
	"context"
	"slices"
	"sync"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// recorder is an exporter that keeps the spans.
type recorder struct {
	mu    sync.Mutex
	spans []sdk.ReadOnlySpan
}

// ExportSpans implements sdk.SpanExporter.
func (r *recorder) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, spans...)
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (r *recorder) Shutdown(context.Context) error { return nil }

// trace returns the spans of one trace in the order of their beginnings.
func (r *recorder) trace(id trace.TraceID) []sdk.ReadOnlySpan {
	r.mu.Lock()
	defer r.mu.Unlock()
	var spans []sdk.ReadOnlySpan
	for _, s := range r.spans {
		if s.SpanContext().TraceID() == id {
			spans = append(spans, s)
		}
	}
	slices.SortStableFunc(spans, func(a, b sdk.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	return spans
}
