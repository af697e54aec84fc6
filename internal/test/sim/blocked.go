package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
	_ "unsafe" // for go:linkname

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/docent-zk/docent/framework"
)

// hands are what an application lends a client, and what can block it: whoever reads what the client delivers, its logger, its exporter of
// spans, and the clock of its machine.
type hands struct {
	listeners, logger, exporter gate
	asleep                      atomic.Int64 // nanoseconds that the machine seems to have slept
}

func deafFault(p *Play, r *rand.Rand) Fault {
	return blockFault(p, r, "block the listeners of", func(h *hands) *gate { return &h.listeners })
}

func muteFault(p *Play, r *rand.Rand) Fault {
	return blockFault(p, r, "block the logger of", func(h *hands) *gate { return &h.logger })
}

func exporterFault(p *Play, r *rand.Rand) Fault {
	return blockFault(p, r, "block the exporter of", func(h *hands) *gate { return &h.exporter })
}

func blockFault(p *Play, r *rand.Rand, what string, which func(*hands) *gate) Fault {
	i := r.IntN(p.Clients)
	return p.lasting(r, what+" "+clientName(i), func(p *Play) func() { return which(&p.hands[i]).shut() })
}

// clockFault sets the clock of a client's machine that goes on while it is asleep. A step forward looks as if the machine had slept.
func clockFault(p *Play, r *rand.Rand) Fault {
	i, d := r.IntN(p.Clients), time.Duration(r.Int64N(int64(3*p.Timeout)))-p.Timeout
	return Fault{Name: fmt.Sprintf("step the clock of %s by %v", clientName(i), d), do: func(p *Play) { p.hands[i].asleep.Add(int64(d)) }}
}

// heard blocks a user that reads what its client delivers for as long as the client's listeners are blocked.
func (u *user) heard() { u.hands[u.client].listeners.pass(nil) }

// lend gives a client its logger, exporter and clock.
func (p *Play) lend(c *framework.Config, client int) {
	c.TracerProvider = exporting{gate: &p.hands[client].exporter}
}

// slept is how long the machine of a client seems to have slept.
func (h *hands) slept() time.Duration { return time.Duration(h.asleep.Load()) }

// startClient is framework.New with the clock of the machine. It is framework's own function: users have no use for it.
//
//go:linkname startClient github.com/docent-zk/docent/framework.start
func startClient(cfg framework.Config, asleep func() time.Duration) (*framework.Client, error)

// exporting is a provider of spans whose end blocks while the exporter does.
type exporting struct {
	noop.TracerProvider
	gate *gate
}

// Tracer implements trace.TracerProvider.
func (e exporting) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return exportingTracer{gate: e.gate}
}

type exportingTracer struct {
	noop.Tracer
	gate *gate
}

// Start implements trace.Tracer.
func (e exportingTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	span := exportedSpan{gate: e.gate}
	return trace.ContextWithSpan(ctx, span), span
}

type exportedSpan struct {
	noop.Span
	gate *gate
}

// IsRecording implements trace.Span.
func (exportedSpan) IsRecording() bool { return true }

// End implements trace.Span.
func (s exportedSpan) End(...trace.SpanEndOption) { s.gate.pass(nil) }
