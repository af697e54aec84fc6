package telemetry

import (
	"reflect"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// The providers of OpenTelemetry's API.
type (
	// TracerProvider is OpenTelemetry's trace.TracerProvider.
	TracerProvider = trace.TracerProvider
	// MeterProvider is OpenTelemetry's metric.MeterProvider.
	MeterProvider = metric.MeterProvider
)

// placeholder is the global provider until the application sets one; nil if it had done so before this package was
// initialized. Nothing but its type tells it from others.
var placeholder = func() trace.TracerProvider {
	p := otel.GetTracerProvider()
	if t := reflect.TypeOf(p); t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "go.opentelemetry.io/otel/internal/global" {
		return p
	}
	return nil
}()

// tracers gives out the tracer, if there is one.
type tracers struct {
	found atomic.Pointer[trace.Tracer]
	fixed bool // there will be no other one
}

// use takes the application's choice.
func (t *tracers) use(p trace.TracerProvider) {
	if p == nil || p == placeholder {
		return
	}
	t.fixed = true
	t.adopt(p)
}

// adopt takes a provider unless it is one that does nothing.
func (t *tracers) adopt(p trace.TracerProvider) trace.Tracer {
	if _, idle := p.(noop.TracerProvider); idle {
		return nil
	}
	tracer := p.Tracer(scope)
	t.found.Store(&tracer)
	return tracer
}

// get returns nil while there is nobody to trace for. The first global provider that the application sets is kept, as it is
// by tracers that it has from OpenTelemetry itself.
func (t *tracers) get() trace.Tracer {
	if found := t.found.Load(); found != nil {
		return *found
	}
	if t.fixed {
		return nil
	}
	p := otel.GetTracerProvider()
	if p == placeholder {
		return nil
	}
	return t.adopt(p)
}

// meter is of the application's choice, or of the global provider, which hands on to the one that the application will set.
func meter(p metric.MeterProvider) metric.Meter {
	if p == nil {
		p = otel.GetMeterProvider()
	}
	return p.Meter(scope)
}
