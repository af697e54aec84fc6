// Quickstart shows in half a minute what docent does when things go wrong: leadership that moves on when a session expires,
// a lock whose holder knows in time that it is cut off, a stale holder that is refused, and a short disconnection that
// costs nothing.
//
//	go run ./examples/quickstart                     # on a ZooKeeper-protocol server inside this process
//	go run ./examples/quickstart -zk host:port,...   # on a real ensemble
//
// The exit status is 0 if every step held what it shows, 1 if one did not, and 2 if the story could not be told.
package main

import (
	"context"
	"fmt"

	"github.com/docent-zk/docent/examples/internal/stage"
)

func main() { stage.Main("quickstart", tell) }

// story is told in five scenes.
type story struct {
	*stage.Stage
	alice, bob, carol *replica
}

func tell(ctx context.Context, on *stage.Stage) error {
	s := &story{Stage: on}
	for _, r := range []struct {
		at   **replica
		name string
	}{{&s.alice, "alice"}, {&s.bob, "bob"}, {&s.carol, "carol"}} {
		replica, err := newReplica(on, r.name)
		if err != nil {
			return err
		}
		defer s.Close(r.name, replica)
		*r.at = replica
	}
	if err := s.alice.cli.WaitConnected(ctx); err != nil {
		return err
	}
	granted := s.alice.cli.State().Timeout
	fmt.Fprintf(s.Out, "three replicas of a service: alice, bob and carol, session timeout %v\n", granted)
	for _, scene := range []func(context.Context) error{s.election, s.isolation, s.blip} {
		if err := scene(ctx); err != nil {
			return err
		}
	}
	return nil
}
