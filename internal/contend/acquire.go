package contend

import (
	"context"
	"errors"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/telemetry"
)

// ErrTaken says that an attempt which does not wait found somebody else in the queue.
var ErrTaken = errors.New("another contender holds it or is queued for it")

// Waiting is how a place in the queue answers SUSPENDED and LOST: it is kept, and taken anew in the next session.
var Waiting = framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}

// Acquire joins the queue in session s and returns when nobody is left to wait for. holding is the policy of the claim. When it returns
// an error, or panics, its node is removed, in the background if need be. When ctx ends at the moment of the grant, either
// of the two is returned.
//
// The errors of package framework that a session's end or ctx brings come through, for [framework.Client.Run] to judge.
func (q Queue) Acquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Claim, error) {
	q.heirs = true
	return claimed(ctx, holding)(q.stand(ctx, s, (*Place).wait))
}

// TryAcquire returns [ErrTaken] instead of waiting for others. It creates a node only when it sees nobody to wait for; nodes that
// this client is removing are nobody, and waited for.
func (q Queue) TryAcquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Claim, error) {
	if err := q.vacant(ctx, s); err != nil {
		return nil, err
	}
	q.Strict = false // it does not wait in a line, and needs the list
	return claimed(ctx, holding)(q.stand(ctx, s, (*Place).free))
}

// free returns ErrTaken if there is somebody to wait for.
func (p *Place) free(_ context.Context, names []string) error {
	before, _, err := p.nextAhead(names)
	if err == nil && before != "" {
		return ErrTaken
	}
	return err
}

// claimed turns a place whose turn it is into a claim, or leaves it.
func claimed(ctx context.Context, holding framework.Policy) func(*Place, error) (*Claim, error) {
	return func(p *Place, err error) (*Claim, error) {
		if err != nil {
			return nil, err
		}
		claim, err := p.claim(ctx, holding)
		if err != nil {
			p.withdraw()
			p.line.yield(p, false)
		}
		return claim, err
	}
}

// stand queues until wait is content. It takes a new place when somebody has removed the node: that costs the place, not
// the wish.
func (q Queue) stand(ctx context.Context, s *framework.Session, wait waitFunc) (*Place, error) {
	for {
		place, err := q.attempt(ctx, s, wait)
		if !errors.Is(err, ErrDeleted) {
			return place, err
		}
	}
}

// waitFunc returns nil when a place has nobody to wait for. names is the directory as it was listed last.
type waitFunc func(p *Place, ctx context.Context, names []string) error

// attempt enters the queue and waits. Whatever goes wrong, the node does not stay.
func (q Queue) attempt(ctx context.Context, s *framework.Session, wait waitFunc) (place *Place, err error) {
	if err := q.clear(ctx, s); err != nil {
		return nil, err
	}
	l, crowded := q.line(s)
	var entered *Place
	defer func() { l.leave(entered) }()
	entered, names, err := q.enter(ctx, s, crowded)
	if err != nil {
		return nil, err
	}
	entered.line = l
	defer func() {
		if place == nil {
			entered.withdraw()
		}
	}()
	telemetry.Queued(ctx, entered.node.Path, s.Epoch())
	if err := wait(entered, ctx, names); err != nil {
		return nil, err
	}
	return entered, nil
}
