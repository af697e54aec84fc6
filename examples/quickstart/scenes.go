package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

// election: one leads; when its session is gone, another one does, with a larger token.
func (s *story) election(ctx context.Context) error {
	s.Title("1. They stand for election. One of them leads.")
	news := make(chan term, 64)
	for _, r := range []*replica{s.alice, s.bob, s.carol} {
		defer r.stand("/election", news)()
	}
	first, err := stage.Await(ctx, news, begins)
	if err != nil {
		return err
	}
	s.SayAt(first.when, "%s leads with fencing token %d", first.who.name, first.token)
	if err := s.alice.cli.Sync(ctx, "/election"); err != nil { // her server may be behind the leader's
		return err
	}
	candidates, err := leader.New(s.alice.cli, "/election").Participants(ctx)
	if err != nil {
		return err
	}
	s.Promise(len(candidates) > 0 && candidates[0].ID == first.who.name, "the first in the queue of candidates leads, and only that one")
	return s.takeover(ctx, news, first)
}

func (s *story) takeover(ctx context.Context, news <-chan term, first term) error {
	s.Title("2. The leader's session expires. Another one takes over.")
	began := time.Now()
	if s.Server != nil {
		s.Server.ExpireSession(first.who.cli.State().SessionID)
		s.Say("the server ends %s's session", first.who.name)
	} else {
		first.who.cable.Unplug()
		defer first.who.cable.Plug()
		s.Say("%s's network goes silent, until its session expires", first.who.name)
	}
	var over, second term
	for over.who == nil || second.who == nil { // in either order: a session ended by decree comes without warning
		t, err := stage.Await(ctx, news, func(term) bool { return true })
		if err != nil {
			return err
		}
		if begins(t) {
			second = t
			s.SayAt(t.when, "%s leads with fencing token %d", t.who.name, t.token)
		} else {
			over = t
			s.SayAt(t.when, "%s stops leading: %s", t.who.name, stage.Reason(t.over))
		}
	}
	s.Promise(over.token == first.token && second.token > first.token, "leadership has moved on, and the token has grown")
	fmt.Fprintf(s.Out, "             the takeover took %v\n", second.when.Sub(began).Round(100*time.Microsecond))
	return nil
}

// isolation: a holder that is cut off stops in time, and can do no harm when it comes back.
func (s *story) isolation(ctx context.Context) error {
	s.Title("3. Bob holds a lock, carol waits for it, and bob's network goes silent.")
	if err := s.prepare(ctx); err != nil {
		return err
	}
	bobs, err := lock.New(s.bob.cli, "/locks/orders").Lock(ctx)
	if err != nil {
		return err
	}
	s.Say("bob holds the lock with fencing token %d", bobs.Token())
	granted := stage.Go(func() (*lock.Held, error) { return lock.New(s.carol.cli, "/locks/orders").Lock(ctx) })
	if err := stage.Queued(ctx, s.carol.cli, "/locks/orders", 2); err != nil {
		return err
	}
	s.bob.cable.Unplug()
	s.Say("bob's packets vanish; nobody is told")
	<-bobs.Context().Done()
	stopped := stage.Earlier(time.Now(), bobs.TrustedUntil()) // the context is over then, whenever this goroutine hears of it
	s.SayAt(stopped, "bob's context ends: %s", stage.Reason(context.Cause(bobs.Context())))
	carols := <-granted
	if carols.Err != nil {
		return carols.Err
	}
	s.SayAt(carols.When, "carol holds the lock with fencing token %d", carols.Value.Token())
	s.Promise(carols.When.After(stopped), "bob stopped %v before carol began", carols.When.Sub(stopped).Round(time.Millisecond))
	if err := s.stale(ctx, bobs, carols.Value); err != nil {
		return err
	}
	return carols.Value.Unlock(ctx)
}

// stale lets the former holder try to write.
func (s *story) stale(ctx context.Context, old, present *lock.Held) error {
	s.Title("4. Bob is back and has not heard that the lock moved on. He writes, guarded by his old claim.")
	s.bob.cable.Plug()
	if err := s.bob.cli.WaitConnected(ctx); err != nil {
		return err
	}
	_, err := s.bob.cli.Multi(ctx, []framework.Op{old.Check(), framework.SetOp("/orders", []byte("bob"), framework.AnyVersion)})
	var refused *framework.MultiError
	s.Say("bob writes:   %v", short(err))
	s.Promise(errors.As(err, &refused) && refused.Index == 0, "the servers refuse the write of a holder that is none")
	_, err = present.Set(ctx, "/orders", []byte("carol"), framework.AnyVersion)
	s.Say("carol writes: %v", short(err))
	node, getErr := s.carol.cli.Get(ctx, "/orders")
	if getErr != nil {
		return getErr
	}
	s.Promise(err == nil && string(node.Data) == "carol", "the holder's own write goes through: /orders is %q", node.Data)
	if err := old.Unlock(ctx); err == nil {
		s.Promise(false, "bob's Unlock should say that the lock was lost")
	}
	return nil
}

// blip: with Hold a short disconnection is none of the leader's business.
func (s *story) blip(ctx context.Context) error {
	s.Title("5. Alice leads with Hold, and her connection breaks for a moment.")
	news := make(chan term, 64)
	defer s.alice.stand("/hold", news, leader.Hold(0))()
	begin, err := stage.Await(ctx, news, begins)
	if err != nil {
		return err
	}
	s.SayAt(begin.when, "alice leads with fencing token %d", begin.token)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	states := s.alice.cli.States(watching)
	before := <-states
	s.alice.cable.Blip()
	for change := range states {
		s.SayAt(change.Time, "alice's connection is %v", change.State)
		if change.State == framework.Reconnected || change.State == framework.Connected {
			s.Promise(change.SessionID == before.SessionID, "it is the same session")
			break
		}
	}
	candidates, err := leader.New(s.alice.cli, "/hold").Participants(ctx)
	if err != nil {
		return err
	}
	same := len(candidates) == 1 && candidates[0].Token == begin.token
	s.Promise(same && len(news) == 0, "alice leads on with the same token; her leader function was not disturbed")
	return nil
}

// prepare makes the node that the lock protects.
func (s *story) prepare(ctx context.Context) error {
	_, err := s.carol.cli.Create(ctx, "/orders", nil, framework.Parents)
	if errors.Is(err, framework.ErrNodeExists) {
		return nil
	}
	return err
}

// short is an error without the long names of nodes.
func short(err error) string {
	var refused *framework.MultiError
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &refused):
		return fmt.Sprintf("refused, nothing was applied (%s of bob's node: %v)", refused.Op, refused.Err)
	}
	return err.Error()
}
