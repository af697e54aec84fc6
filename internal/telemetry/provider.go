package telemetry

import (
	"reflect"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Providers of OpenTelemetry's API.
type (
	// TracerProvider is OpenTelemetry's trace.TracerProvider.
	TracerProvider = trace.TracerProvider
	// MeterProvider is OpenTelemetry's metric.MeterProvider.
	MeterProvider = metric.MeterProvider
)

// placeholder is the global provider until the application sets one; nil if it was set before this package was
// initialized. Only its type distinguishes it.
var placeholder = func() trace.TracerProvider {
	p := otel.GetTracerProvider()
	if t := reflect.TypeOf(p); t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "go.opentelemetry.io/otel/internal/global" {
		return p
	}
	return nil
}()

// tracers returns the tracer, if there is one.
type tracers struct {
	found atomic.Pointer[trace.Tracer]
	fixed bool // the tracer will not change
}

// use sets the application's provider.
func (t *tracers) use(p trace.TracerProvider) {
	if p == nil || p == placeholder {
		return
	}
	t.fixed = true
	t.adopt(p)
}

// adopt uses a provider unless it does nothing.
func (t *tracers) adopt(p trace.TracerProvider) trace.Tracer {
	if _, idle := p.(noop.TracerProvider); idle {
		return nil
	}
	tracer := p.Tracer(scope)
	t.found.Store(&tracer)
	return tracer
}

// get returns nil if nothing is traced. It keeps the first global provider that the application sets, as
// OpenTelemetry's own tracers do.
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

// meter returns the meter of the application's provider, or of the global one, which delegates to the provider that the
// application sets later.
func meter(p metric.MeterProvider) metric.Meter {
	if p == nil {
		p = otel.GetMeterProvider()
	}
	return p.Meter(scope)
}
