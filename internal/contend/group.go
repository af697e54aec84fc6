package contend

import (
	"context"
	"errors"

	"github.com/docent-zk/docent/framework"
)

// Group is queues that are acquired as one, in this order, which all who share some of them must agree on.
type Group []Queue

// errPartEnded is what waiting for the rest ends with when a part ends. It hides the cause, which is about that part and
// would mean something else to whoever waits.
var errPartEnded = errors.New("a part has ended")

// Acquire returns when it holds all. When it returns an error, or panics, it holds none.
func (g Group) Acquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Bundle, error) {
	return g.acquire(ctx, s, holding, Queue.Acquire)
}

// TryAcquire returns [ErrTaken] instead of waiting.
func (g Group) TryAcquire(ctx context.Context, s *framework.Session, holding framework.Policy) (*Bundle, error) {
	return g.acquire(ctx, s, holding, Queue.TryAcquire)
}

// acquireFunc is a way to acquire one queue.
type acquireFunc func(Queue, context.Context, *framework.Session, framework.Policy) (*Claim, error)

// acquire begins again when somebody has removed the node of a part that was held: that costs the places, not the wish.
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

// partEnded returns why one of the claims has ended if that is what err says, or if there is no err.
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
