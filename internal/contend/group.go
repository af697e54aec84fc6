package contend

import (
	"context"
	"errors"

	"github.com/docent-zk/docent/framework"
)

// Group is queues that are acquired together, in this order. Groups that share queues must have them in the same order.
type Group []Queue

// errPartEnded ends the wait for the remaining parts when a part has ended. It hides the cause, which concerns that
// part only.
var errPartEnded = errors.New("a part has ended")

// Acquire returns when it holds all claims. If it returns an error, or panics, it holds none.
func (g Group) Acquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Bundle, error) {
	return g.acquire(ctx, s, holding, Queue.Acquire)
}

// TryAcquire returns [ErrTaken] instead of waiting.
func (g Group) TryAcquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Bundle, error) {
	return g.acquire(ctx, s, holding, Queue.TryAcquire)
}

// acquireFunc acquires one queue.
type acquireFunc func(Queue, context.Context, *framework.Session, framework.Policy) (*Claim, error)

// acquire starts again if another client has deleted the node of a part that was held.
func (g Group) acquire(ctx context.Context, s *framework.Session, holding framework.Policy, get acquireFunc) (*Bundle, error) {
	for {
		b, err := g.attempt(ctx, s, holding, get)
		if !errors.Is(err, ErrDeleted) {
			return b, err
		}
	}
}

func (g Group) attempt(ctx context.Context, s *framework.Session, holding framework.Policy, get acquireFunc) (b *Bundle, err error) {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	claims := make([]*Claim, 0, len(g))
	defer func() {
		if b == nil {
			abandon(claims...)
		}
	}()
	for _, q := range g {
		c, err := get(q, waiting, s, holding)
		if err != nil {
			return nil, partEnded(err, claims)
		}
		claims = append(claims, c)
		defer context.AfterFunc(c.ctx, func() { cancel(errPartEnded) })()
	}
	if err := partEnded(nil, claims); err != nil {
		return nil, err
	}
	return NewBundle(claims), nil
}

// partEnded returns why a claim has ended, if err says so or is nil.
func partEnded(err error, claims []*Claim) error {
	if err != nil && !errors.Is(err, errPartEnded) {
		return err
	}
	for _, c := range claims {
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
	}
	return err
}
