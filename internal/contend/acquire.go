package contend

import (
	"context"
	"errors"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/telemetry"
)

// ErrTaken means that an attempt without waiting found another contender in the queue.
var ErrTaken = errors.New("another contender holds it or is queued for it")

// Waiting is the policy of a place in the queue: it is kept through SUSPENDED, and replaced in the next session.
var Waiting = framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}

// Acquire joins the queue in session s and returns when no place ahead is left to wait for. holding is the policy of
// the claim. If it returns an error, or panics, its node is removed, in the background if necessary. If ctx ends just
// as the claim is granted, it returns either of the two.
//
// Errors of package framework, for the end of the session or of ctx, are returned unchanged, for [framework.Client.Run]
// to judge.
func (q Queue) Acquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Claim, error) {
	q.heirs = true
	return claimed(ctx, holding)(q.queueUntil(ctx, s, (*Place).wait))
}

// TryAcquire returns [ErrTaken] instead of waiting for others. It creates a node only if there is nothing to wait for.
// It waits for nodes that this client is removing.
func (q Queue) TryAcquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Claim, error) {
	if err := q.vacant(ctx, s); err != nil {
		return nil, err
	}
	q.Strict = false // it does not wait in a line, and needs the list
	return claimed(ctx, holding)(q.queueUntil(ctx, s, (*Place).free))
}

// free returns ErrTaken if there is another contender to wait for.
func (p *Place) free(_ context.Context, names []string) error {
	before, _, err := p.nextAhead(names)
	if err == nil && before != "" {
		return ErrTaken
	}
	return err
}

// claimed turns a place whose turn has come into a claim, or leaves it.
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

// queueUntil queues until wait returns nil. If another client has deleted the node, it queues again with a new place.
func (q Queue) queueUntil(ctx context.Context, s *framework.Session, wait waitFunc) (*Place, error) {
	for {
		place, err := q.attempt(ctx, s, wait)
		if !errors.Is(err, ErrDeleted) {
			return place, err
		}
	}
}

// waitFunc returns nil when a place has nothing to wait for. names is the last list of the directory.
type waitFunc func(p *Place, ctx context.Context, names []string) error

// attempt enters the queue and waits. After an error, the node is removed.
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
