// Otel shows the trace of one order that took long because of a lock: who stood ahead, and that the connection broke meanwhile.
//
//	go run .                     # on a ZooKeeper-protocol server inside this process
//	go run . -zk host:port,...   # on a real ensemble
//	go run . -json               # the spans as OpenTelemetry's exporter to stdout writes them, besides
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

var raw = flag.Bool("json", false, "also write the spans as JSON")

func main() { stage.Main("otel", tell) }

// tell has Anna hold the lock on the orders while Ben, whose network breaks, waits for it. Ben's process is traced.
func tell(ctx context.Context, s *stage.Stage) error {
	kept := &recorder{}
	provider := sdk.NewTracerProvider(sdk.WithSyncer(kept)) // an application has its own, with a batching exporter
	cable := &stage.Cable{}
	anna, err := client(s, framework.Config{})
	if err != nil {
		return err
	}
	defer s.Close("anna", anna)
	ben, err := client(s, framework.Config{Dialer: cable.Dial, TracerProvider: provider}) // that is all
	if err != nil {
		return err
	}
	defer s.Close("ben", ben)

	s.Title("1. Ben processes an order, which needs a lock that Anna holds.")
	held, err := lock.New(anna, "/locks/orders", lock.Hold(0)).Lock(ctx)
	if err != nil {
		return err
	}
	over := make(chan error, 1)
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	go func() { over <- trouble(waiting, s.Timeout, anna, ben, cable, held) }()
	order, err := process(ctx, provider.Tracer("orders"), ben)
	if err != nil {
		stop()
	}
	if err := errors.Join(err, <-over); err != nil {
		return err
	}
	s.Say("it is done; why did it take that long?")
	s.Title("2. The trace.")
	spans := kept.trace(order)
	draw(s.Out, spans)
	fmt.Fprintln(s.Out)
	explained(s, spans)
	if *raw {
		return writeJSON(ctx, s.Out, spans)
	}
	return nil
}

// writeJSON writes spans as OpenTelemetry's exporter to stdout does.
func writeJSON(ctx context.Context, out io.Writer, spans []sdk.ReadOnlySpan) error {
	exporter, err := stdouttrace.New(stdouttrace.WithPrettyPrint(), stdouttrace.WithWriter(out))
	if err != nil {
		return err
	}
	return exporter.ExportSpans(ctx, spans)
}

// client completes a configuration.
func client(s *stage.Stage, cfg framework.Config) (*framework.Client, error) {
	cfg.ConnectString, cfg.SessionTimeout, cfg.Namespace = s.ConnectString, s.Timeout, s.Namespace
	return framework.New(cfg)
}

// process does one order under a span of the application's, which docent's spans are within.
func process(ctx context.Context, tracer trace.Tracer, ben *framework.Client) (trace.TraceID, error) {
	ctx, span := tracer.Start(ctx, "process order")
	defer span.End()
	id := span.SpanContext().TraceID()
	held, err := lock.New(ben, "/locks/orders").Lock(ctx)
	if err != nil {
		return id, err
	}
	if _, err := ben.Create(held.Context(), "/orders/done", []byte("42"), framework.Parents); err != nil {
		return id, err
	}
	return id, held.Unlock(ctx)
}

// trouble waits until Ben is in the queue, breaks his network for a quarter of the session timeout, and a while later has Anna
// unlock.
func trouble(ctx context.Context, timeout time.Duration, anna, ben *framework.Client, cable *stage.Cable, held *lock.Held) error {
	if err := stage.Queued(ctx, anna, "/locks/orders", 2); err != nil {
		return err
	}
	pause := timeout / 4
	if err := wait(ctx, pause); err != nil {
		return err
	}
	cable.Cut()
	if err := wait(ctx, pause); err != nil {
		return err
	}
	cable.Plug()
	if err := ben.WaitConnected(ctx); err != nil {
		return err
	}
	if err := wait(ctx, pause); err != nil {
		return err
	}
	return held.Unlock(ctx)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// explained checks that the trace says what has happened.
func explained(s *stage.Stage, spans []sdk.ReadOnlySpan) {
	i := slices.IndexFunc(spans, func(span sdk.ReadOnlySpan) bool { return span.Name() == "lock.acquire" })
	if i < 0 {
		s.Promise(false, "there is a span of the acquire")
		return
	}
	var names []string
	for _, e := range spans[i].Events() {
		names = append(names, e.Name)
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	took := spans[i].EndTime().Sub(spans[i].StartTime())
	s.Promise(has("rank"), "the acquire took %v, because somebody stood ahead", took.Round(time.Millisecond))
	s.Promise(has("suspended") && has("reconnected"), "the connection broke meanwhile, and the place in the queue was kept")
}
