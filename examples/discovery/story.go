package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
)

// story tells four scenes and counts the ones that did not go as promised.
type story struct {
	out     io.Writer
	zk      string
	timeout time.Duration

	instances []*instance
	caller    *caller
	failed    int
}

func (s *story) tell(ctx context.Context) error {
	defer s.close()
	for _, id := range []string{"anna", "ben", "cleo"} {
		i, err := startInstance(ctx, id, s.zk, s.timeout)
		if err != nil {
			return err
		}
		s.instances = append(s.instances, i)
	}
	var err error
	if s.caller, err = newCaller(ctx, s.zk, s.timeout); err != nil {
		return err
	}
	for _, scene := range []func(context.Context) error{s.spread, s.death, s.drain, s.outage} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	if s.failed > 0 {
		fmt.Fprintf(s.out, "\n%d of the promises above did not hold.\n", s.failed)
		return nil
	}
	fmt.Fprintln(s.out, "\nEverything held.")
	return nil
}

// spread: calls take turns.
func (s *story) spread(ctx context.Context) error {
	s.title("1. Three instances of a service are registered. A client calls it thirty times.")
	t := s.caller.call(ctx, 30)
	s.show(t)
	s.promise(t.lost == 0 && t.answers["anna"] == 10 && t.answers["ben"] == 10 && t.answers["cleo"] == 10, "each has answered ten")
	return nil
}

// death: the client notices before the registry does.
func (s *story) death(ctx context.Context) error {
	s.title("2. Ben crashes. The registry does not know yet: his session lives until it times out.")
	s.instances[1].die()
	t := s.caller.call(ctx, 30)
	s.show(t)
	s.promise(t.lost == 0 && t.retries <= 5, "%d attempts failed before he was put out; no call was lost", t.retries)
	err := s.caller.until(ctx, func(all []*discovery.Endpoint[Meta]) bool {
		return !slices.ContainsFunc(all, func(e *discovery.Endpoint[Meta]) bool { return e.ID == "ben" })
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, "   his session has expired, and the registry has forgotten him")
	return nil
}

// drain: an instance that says goodbye costs nothing.
func (s *story) drain(ctx context.Context) error {
	s.title("3. Cleo is to be updated: she drains, and then ends.")
	done := make(chan error, 1)
	go func() { done <- s.instances[2].retire(ctx, 300*time.Millisecond) }()
	err := s.caller.until(ctx, func(all []*discovery.Endpoint[Meta]) bool {
		return !slices.ContainsFunc(all, func(e *discovery.Endpoint[Meta]) bool { return e.ID == "cleo" && !e.Disabled })
	})
	if err != nil {
		return err
	}
	t := s.caller.call(ctx, 30)
	s.show(t)
	if err := <-done; err != nil {
		return err
	}
	s.promise(t.lost+t.retries == 0 && t.answers["anna"] == 30, "she is not called any more, and not one attempt failed")
	return nil
}

// outage: what is known is served.
func (s *story) outage(ctx context.Context) error {
	s.title("4. The client cannot reach the registry any more.")
	s.caller.cable.Cut()
	for change := range s.caller.cli.States(ctx) {
		if change.State == framework.Lost {
			break
		}
	}
	t := s.caller.call(ctx, 30)
	s.show(t)
	s.promise(t.lost == 0 && t.answers["anna"] == 30, "the service is as it was known last")
	s.promise(!s.caller.service.StaleSince().IsZero(), "and says so: it is stale")
	s.caller.cable.Mend()
	if err := s.caller.service.WaitFresh(ctx); err != nil {
		return err
	}
	s.promise(s.caller.service.StaleSince().IsZero(), "the registry is back, and the view is fresh")
	return nil
}

// close ends everybody, reachable or not.
func (s *story) close() {
	if s.caller != nil {
		s.caller.cable.Mend()
		if err := s.caller.close(); err != nil {
			fmt.Fprintln(s.out, "the client closes:", err)
		}
	}
	for _, i := range s.instances {
		i.cable.Mend()
		if err := i.close(); err != nil {
			fmt.Fprintln(s.out, i.id, "closes:", err)
		}
	}
}

func (s *story) title(text string) { fmt.Fprintf(s.out, "\n%s\n", text) }

func (s *story) show(t tally) {
	fmt.Fprintf(s.out, "   answered by %v; attempts that failed: %d; calls lost: %d\n", t.answers, t.retries, t.lost)
}

// promise prints whether what the scene shows was so.
func (s *story) promise(kept bool, format string, args ...any) {
	verdict := "ok    "
	if !kept {
		verdict = "FAILED"
		s.failed++
	}
	fmt.Fprintf(s.out, "   %s    %s\n", verdict, fmt.Sprintf(format, args...))
}
