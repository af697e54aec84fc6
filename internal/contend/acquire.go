package contend

import (
	"context"
	"errors"
	"slices"

	"github.com/docent-zk/docent/framework"
)

// ErrTaken says that an attempt which does not wait found somebody else in the queue.
var ErrTaken = errors.New("somebody else holds it or is in the queue for it")

// Waiting is how a place in the queue answers SUSPENDED and LOST: it is kept, and taken anew in the next session.
var Waiting = framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}

// Acquire joins the queue in session s and returns when nobody is left to wait for. holding is the policy of the claim. When it returns
// an error, or panics, its node is removed, in the background if need be. When ctx ends at the moment of the grant, either
// of the two is returned.
//
// The errors of package framework that a session's end or ctx brings come through, for [framework.Client.Run] to judge.
func (q Queue) Acquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Claim, error) {
	return q.untilNotDeleted(ctx, s, holding, (*Place).wait)
}

// TryAcquire returns [ErrTaken] instead of waiting. It creates a node only when it sees nobody to wait for.
func (q Queue) TryAcquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Claim, error) {
	names, _, err := s.Children(ctx, q.Dir)
	if err != nil && !errors.Is(err, framework.ErrNoNode) {
		return nil, err
	}
	order, err := q.arrange(names)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(order, q.yields) {
		return nil, ErrTaken
	}
	return q.untilNotDeleted(ctx, s, holding, (*Place).free)
}

// free returns ErrTaken if there is somebody to wait for.
func (p *Place) free(_ context.Context, names []string) error {
	before, err := p.nextAhead(names)
	if err == nil && before != "" {
		return ErrTaken
	}
	return err
}

// untilNotDeleted takes a new place when somebody has removed the node: that costs the place, not the wish.
func (q Queue) untilNotDeleted(ctx context.Context, s *framework.Session, holding framework.Policy, wait waitFunc) (*Claim, error) {
	for {
		claim, err := q.attempt(ctx, s, holding, wait)
		if !errors.Is(err, ErrDeleted) {
			return claim, err
		}
	}
}

// waitFunc returns nil when a place has nobody to wait for. names is the directory as it was listed last.
type waitFunc func(p *Place, ctx context.Context, names []string) error

// attempt enters the queue, waits and claims. Whatever goes wrong, the node does not stay.
func (q Queue) attempt(ctx context.Context, s *framework.Session, holding framework.Policy, wait waitFunc) (claim *Claim, err error) {
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
