package contend

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
)

// ErrTaken says that an attempt which does not wait found somebody else in the queue.
var ErrTaken = errors.New("somebody else holds it or is in the queue for it")

// Waiting is how a place in the queue answers SUSPENDED and LOST: it is kept, and taken anew in the next session.
var Waiting = framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}

// Acquire joins the queue in session s and returns when it is first. holding is the policy of the claim. When it returns
// an error, or panics, its node is removed, in the background if need be.
//
// The errors of package framework that a session's end or ctx brings come through, for [framework.Client.Run] to judge.
func (q Queue) Acquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Claim, error) {
	for {
		claim, err := q.attempt(ctx, s, holding, (*Place).wait)
		if !errors.Is(err, ErrDeleted) {
			return claim, err
		}
		// Somebody has removed the waiting node: that costs the place, not the wish.
	}
}

// TryAcquire returns [ErrTaken] instead of waiting. It creates a node only when it sees nobody else.
func (q Queue) TryAcquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Claim, error) {
	names, _, err := s.Children(ctx, q.Dir)
	if err != nil && !errors.Is(err, framework.ErrNoNode) {
		return nil, err
	}
	order, _, err := q.Dialect.Arrange(names)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.Dir, err)
	}
	if len(order) > 0 {
		return nil, ErrTaken
	}
	return q.attempt(ctx, s, holding, func(p *Place, _ context.Context, names []string) error {
		ahead, _, err := p.rank(names)
		if err == nil && ahead > 0 {
			err = ErrTaken
		}
		return err
	})
}

// attempt enters the queue, waits and claims. Whatever goes wrong, the node does not stay.
func (q Queue) attempt(ctx context.Context, s *framework.Session, holding framework.Policy,
	wait func(*Place, context.Context, []string) error) (claim *Claim, err error) {
	place, names, err := q.enter(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() {
		if claim == nil {
			place.withdraw()
		}
	}()
	if err := wait(place, ctx, names); err != nil {
		return nil, err
	}
	return place.claim(ctx, holding)
}
