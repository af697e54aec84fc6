package contend

import (
	"context"

	"github.com/docent-zk/docent/framework"
)

// WaitFunc is a wait of one's own; see AcquireWith.
type WaitFunc = waitFunc

// AcquireWith is Acquire with another way of waiting.
func (q Queue) AcquireWith(ctx context.Context, s *framework.Session, holding framework.Policy, wait WaitFunc) (*Claim, error) {
	return claimed(ctx, holding)(q.attempt(ctx, s, wait))
}

// Wait is how Acquire waits.
func Wait(p *Place, ctx context.Context, names []string) error { return p.wait(ctx, names) } // as the method expression has it

// ClaimOf claims a place as if its node had been created with the czxid.
func ClaimOf(ctx context.Context, p *Place, czxid int64, holding framework.Policy) (*Claim, error) {
	p.node.Stat.Czxid = czxid
	return claimed(ctx, holding)(p, nil)
}

// Settled reports whether a guarded transaction cannot be applied any more.
var Settled = settled

// Enter adds a place to the queue.
func (q Queue) Enter(ctx context.Context, s *framework.Session) (*Place, error) {
	p, _, err := q.enter(ctx, s, false)
	return p, err
}

// ClaimAll claims places as a batch does.
func ClaimAll(ctx context.Context, holding framework.Policy, places ...*Place) (*Bundle, error) {
	return batch(places).claim(ctx, holding)
}

// AboutToQueue adds n places to a line that are never created.
func (q Queue) AboutToQueue(s *framework.Session, n int) {
	for range n {
		q.line(s)
	}
}
