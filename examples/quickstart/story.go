package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// story tells five scenes and counts the ones that did not go as promised.
type story struct {
	out     io.Writer
	zk      string
	timeout time.Duration
	server  *zktest.Server // nil on a real ensemble

	alice, bob, carol *replica
	failed            int
	began             time.Time // of the present scene
}

func (s *story) tell(ctx context.Context) error {
	defer s.close()
	for _, r := range []struct {
		at   **replica
		name string
	}{{&s.alice, "alice"}, {&s.bob, "bob"}, {&s.carol, "carol"}} {
		replica, err := newReplica(ctx, r.name, s.zk, s.timeout)
		if err != nil {
			return err
		}
		*r.at = replica
	}
	s.timeout = s.alice.cli.State().Timeout // what was granted
	s.introduce()
	for _, scene := range []func(context.Context) error{s.election, s.isolation, s.blip} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	s.conclude()
	return nil
}

func (s *story) introduce() {
	where := "a ZooKeeper-protocol server inside this process, " + s.zk
	if s.server == nil {
		where = "the ensemble at " + s.zk
	}
	fmt.Fprintf(s.out, "docent on %s\nthree replicas of a service: alice, bob and carol, session timeout %v\n", where, s.timeout)
}

func (s *story) conclude() {
	if s.failed > 0 {
		fmt.Fprintf(s.out, "\n%d of the promises above did not hold.\n", s.failed)
		return
	}
	fmt.Fprintln(s.out, "\nEverything held.")
}

// close ends the replicas, reachable or not.
func (s *story) close() {
	for _, r := range []*replica{s.alice, s.bob, s.carol} {
		if r == nil {
			continue
		}
		r.cable.Plug()
		if err := r.cli.Close(); err != nil {
			fmt.Fprintln(s.out, r.name, "closes:", err)
		}
	}
}

// title begins a scene.
func (s *story) title(text string) {
	fmt.Fprintf(s.out, "\n%s\n", text)
	s.began = time.Now()
}

// say prints what happened, and when since the scene began.
func (s *story) say(when time.Time, format string, args ...any) {
	fmt.Fprintf(s.out, "   %6dms  %s\n", when.Sub(s.began).Milliseconds(), fmt.Sprintf(format, args...))
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

// await returns the next news that is wanted.
func await(ctx context.Context, news <-chan term, wanted func(term) bool) (term, error) {
	for {
		select {
		case t := <-news:
			if wanted(t) {
				return t, nil
			}
		case <-ctx.Done():
			return term{}, fmt.Errorf("nothing happened: %w", context.Cause(ctx))
		}
	}
}

func begins(t term) bool { return t.over == nil }

// reason is a cause in a few words.
func reason(err error) string {
	for _, known := range []error{framework.ErrUntrusted, framework.ErrSessionLost, framework.ErrSuspended} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return err.Error()
}
