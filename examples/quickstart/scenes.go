package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

// election: one leads; when its session is gone, another one does, with a larger token.
func (s *story) election(ctx context.Context) error {
	s.title("1. They stand for election. One of them leads.")
	news := make(chan term, 64)
	for _, r := range []*replica{s.alice, s.bob, s.carol} {
		defer r.stand("/election", news)()
	}
	first, err := await(ctx, news, begins)
	if err != nil {
		return err
	}
	s.say(first.when, "%s leads with fencing token %d", first.who.name, first.token)
	candidates, err := leader.New(s.alice.cli, "/election").Participants(ctx)
	if err != nil {
		return err
	}
	s.promise(len(candidates) > 0 && candidates[0].ID == first.who.name, "the first in the queue of candidates leads, and only that one")
	return s.takeover(ctx, news, first)
}

func (s *story) takeover(ctx context.Context, news <-chan term, first term) error {
	s.title("2. The leader's session expires. Another one takes over.")
	if s.server != nil {
		s.server.ExpireSession(first.who.cli.State().SessionID)
		s.say(time.Now(), "the server ends %s's session", first.who.name)
	} else {
		first.who.cable.Unplug()
		defer first.who.cable.Plug()
		s.say(time.Now(), "%s's network goes silent, until its session expires", first.who.name)
	}
	var over, second term
	for over.who == nil || second.who == nil { // in either order: a session ended by decree comes without warning
		t, err := await(ctx, news, func(term) bool { return true })
		if err != nil {
			return err
		}
		if begins(t) {
			second = t
			s.say(t.when, "%s leads with fencing token %d", t.who.name, t.token)
		} else {
			over = t
			s.say(t.when, "%s stops leading: %s", t.who.name, reason(t.over))
		}
	}
	s.promise(over.token == first.token && second.token > first.token, "leadership has moved on, and the token has grown")
	fmt.Fprintf(s.out, "             the takeover took %v\n", second.when.Sub(s.began).Round(100*time.Microsecond))
	return nil
}

// isolation: a holder that is cut off stops in time, and can do no harm when it comes back.
func (s *story) isolation(ctx context.Context) error {
	s.title("3. Bob holds a lock, carol waits for it, and bob's network goes silent.")
	if err := s.prepare(ctx); err != nil {
		return err
	}
	bobs, err := lock.New(s.bob.cli, "/locks/orders").Lock(ctx)
	if err != nil {
		return err
	}
	s.say(time.Now(), "bob holds the lock with fencing token %d", bobs.Token())
	type grant struct {
		held *lock.Held
		err  error
		when time.Time
	}
	granted := make(chan grant, 1)
	go func() {
		held, err := lock.New(s.carol.cli, "/locks/orders").Lock(ctx)
		granted <- grant{held, err, time.Now()}
	}()
	if err := s.queued(ctx, 2); err != nil {
		return err
	}
	s.bob.cable.Unplug()
	s.say(time.Now(), "bob's packets vanish; nobody is told")
	<-bobs.Context().Done()
	stopped := time.Now()
	s.say(stopped, "bob's context ends: %s", reason(context.Cause(bobs.Context())))
	carols := <-granted
	if carols.err != nil {
		return carols.err
	}
	s.say(carols.when, "carol holds the lock with fencing token %d", carols.held.Token())
	s.promise(carols.when.After(stopped), "bob stopped %v before carol began", carols.when.Sub(stopped).Round(time.Millisecond))
	if err := s.stale(ctx, bobs, carols.held); err != nil {
		return err
	}
	return carols.held.Unlock(ctx)
}

// stale lets the former holder try to write.
func (s *story) stale(ctx context.Context, old, present *lock.Held) error {
	s.title("4. Bob is back and has not heard that the lock moved on. He writes, guarded by his old claim.")
	s.bob.cable.Plug()
	if err := s.bob.cli.WaitConnected(ctx); err != nil {
		return err
	}
	_, err := s.bob.cli.Multi(ctx, []framework.Op{old.Check(), framework.SetOp("/orders", []byte("bob"), framework.AnyVersion)})
	var refused *framework.MultiError
	s.say(time.Now(), "bob writes:   %v", short(err))
	s.promise(errors.As(err, &refused) && refused.Index == 0, "the servers refuse the write of a holder that is none")
	_, err = present.Set(ctx, "/orders", []byte("carol"), framework.AnyVersion)
	s.say(time.Now(), "carol writes: %v", short(err))
	node, getErr := s.carol.cli.Get(ctx, "/orders")
	if getErr != nil {
		return getErr
	}
	s.promise(err == nil && string(node.Data) == "carol", "the holder's own write goes through: /orders is %q", node.Data)
	if err := old.Unlock(ctx); err == nil {
		s.promise(false, "bob's Unlock should say that the lock was lost")
	}
	return nil
}

// blip: with Hold a short disconnection is none of the leader's business.
func (s *story) blip(ctx context.Context) error {
	s.title("5. Alice leads with Hold, and her connection breaks for a moment.")
	news := make(chan term, 64)
	defer s.alice.stand("/hold", news, leader.Hold(0))()
	begin, err := await(ctx, news, begins)
	if err != nil {
		return err
	}
	s.say(begin.when, "alice leads with fencing token %d", begin.token)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	states := s.alice.cli.States(watching)
	before := <-states
	s.alice.cable.Blip()
	for change := range states {
		s.say(change.Time, "alice's connection is %v", change.State)
		if change.State == framework.Reconnected || change.State == framework.Connected {
			s.promise(change.SessionID == before.SessionID, "it is the same session")
			break
		}
	}
	candidates, err := leader.New(s.alice.cli, "/hold").Participants(ctx)
	if err != nil {
		return err
	}
	same := len(candidates) == 1 && candidates[0].Token == begin.token
	s.promise(same && len(news) == 0, "alice leads on with the same token; her leader function was not disturbed")
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

// queued waits until n stand in the lock's queue.
func (s *story) queued(ctx context.Context, n int) error {
	for {
		names, _, changed, err := s.carol.cli.WatchChildren(ctx, "/locks/orders")
		if err != nil {
			return err
		}
		if len(names) >= n {
			changed.Stop()
			return nil
		}
		select {
		case <-changed.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
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
