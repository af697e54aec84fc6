package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
)

// story is told in four scenes.
type story struct {
	*stage.Stage
	instances []*instance
	caller    *caller
}

func tell(ctx context.Context, on *stage.Stage) error {
	s := &story{Stage: on}
	for _, id := range []string{"anna", "ben", "cleo"} {
		i, err := startInstance(ctx, on, id)
		if err != nil {
			return err
		}
		defer s.Close(id, i)
		s.instances = append(s.instances, i)
	}
	var err error
	if s.caller, err = newCaller(ctx, on); err != nil {
		return err
	}
	defer s.Close("the client", s.caller)
	for _, scene := range []func(context.Context) error{s.spread, s.death, s.drain, s.outage} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}

// connect starts a client of the registry, on a network of its own.
func connect(s *stage.Stage, cable *stage.Cable) (*framework.Client, error) {
	return framework.New(framework.Config{
		ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Namespace: s.Namespace, Dialer: cable.Dial,
	})
}

// spread: calls take turns.
func (s *story) spread(ctx context.Context) error {
	s.Title("1. Three instances of a service are registered. A client calls it thirty times.")
	t := s.caller.call(ctx, 30)
	s.show(t)
	s.Promise(t.lost == 0 && t.answers["anna"] == 10 && t.answers["ben"] == 10 && t.answers["cleo"] == 10, "each has answered ten")
	return nil
}

// death: the client notices before the registry does.
func (s *story) death(ctx context.Context) error {
	s.Title("2. Ben crashes. The registry does not know yet: his session lives until it times out.")
	s.instances[1].die()
	t := s.caller.call(ctx, 30)
	s.show(t)
	// The third error ejects him, which the view shows a moment later. Without that ten attempts or more would fail.
	s.Promise(t.lost == 0 && t.retries < 10, "%d attempts failed before he was put out; no call was lost", t.retries)
	err := s.caller.until(ctx, func(all []*discovery.Endpoint[Meta]) bool {
		return !slices.ContainsFunc(all, func(e *discovery.Endpoint[Meta]) bool { return e.ID == "ben" })
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Out, "   his session has expired, and the registry has forgotten him")
	return nil
}

// drain: an instance that says goodbye costs nothing.
func (s *story) drain(ctx context.Context) error {
	s.Title("3. Cleo is to be updated: she drains, and then ends.")
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
	s.Promise(t.lost+t.retries == 0 && t.answers["anna"] == 30, "she is not called any more, and not one attempt failed")
	return nil
}

// outage: what is known is served.
func (s *story) outage(ctx context.Context) error {
	s.Title("4. The client cannot reach the registry any more.")
	s.caller.cable.Cut()
	for change := range s.caller.cli.States(ctx) {
		if change.State == framework.Lost {
			break
		}
	}
	t := s.caller.call(ctx, 30)
	s.show(t)
	s.Promise(t.lost == 0 && t.answers["anna"] == 30, "the service is as it was known last")
	s.Promise(!s.caller.service.StaleSince().IsZero(), "and says so: it is stale")
	s.caller.cable.Plug()
	if err := s.caller.service.WaitFresh(ctx); err != nil {
		return err
	}
	s.Promise(s.caller.service.StaleSince().IsZero(), "the registry is back, and the view is fresh")
	return nil
}

func (s *story) show(t tally) {
	fmt.Fprintf(s.Out, "   answered by %v; attempts that failed: %d; calls lost: %d\n", t.answers, t.retries, t.lost)
}
