package leader

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
)

// Election is an election at a path, as one participant sees it. It has no state of its own: any number of goroutines, and
// of Elections at the same path, may stand in it, and each does so for itself.
type Election struct {
	settings
	cli  *framework.Client
	path string
}

// New returns the election at path. It asks nothing of the servers; what is invalid is an error of the methods.
func New(cli *framework.Client, path string, opts ...Option) *Election {
	e := &Election{settings: defaults(), cli: cli, path: framework.Abs(path)}
	for _, opt := range opts {
		opt(&e.settings)
	}
	return e
}

// Policy is how a term answers SUSPENDED and LOST: it ends, unless [Hold] is given, and Run stands again.
func (e *Election) Policy() framework.Policy { return e.holding }

// WaitPolicy is how a campaign answers SUSPENDED and LOST while it waits: it keeps its place, and takes a new one in the
// next session.
func (e *Election) WaitPolicy() framework.Policy { return contend.Waiting }

// Campaign stands in the election and waits until it is won. It waits through disconnections and lost sessions. On every
// error its node is removed from the queue. While there is a connection the delete has been sent when Campaign returns; a node
// whose create is unanswered when ctx ends is waited for, an eighth of the session timeout at most. When ctx ends at the moment of
// the election, either a Term or an error is returned. The term does not end with ctx, but carries its values.
//
// Whoever gets a Term resigns from it in the end, in time before the client is closed: Close does not wait for it.
// A term that is over is resigned from too, and then one can campaign again.
//
// Errors: the cause of ctx, framework.ErrClosed, and what the servers refuse before it has been in the queue
// (framework.ErrNoAuth, ...). Later refusals are tried again, as in [Election.Run]. Children of path that no contender has made
// are ignored.
func (e *Election) Campaign(ctx context.Context) (*Term, error) {
	var claim *contend.Claim
	err := e.enter(ctx, func(ctx context.Context, s *framework.Session) (err error) {
		q := e.queue()
		q.Recipe = "leader" // until the term is resigned from
		claim, err = e.acquire(ctx, s, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	s := &seat{election: e}
	s.take(claim)
	return &Term{s}, nil
}

// enter runs what a candidate does in one session, in one session after the other.
func (e *Election) enter(ctx context.Context, stand func(ctx context.Context, s *framework.Session) error) error {
	if err := errors.Join(framework.ValidatePath(e.path), e.holding.Validate()); err != nil {
		return e.wrap(err)
	}
	return e.cli.Run(ctx, framework.Recipe{Name: "leader", Path: e.path, Policy: e.WaitPolicy(), Run: stand})
}

// wrap puts the recipe's name and path in front of an error, as framework.Client.Run does.
func (e *Election) wrap(err error) error { return fmt.Errorf("leader %s: %w", e.path, err) }
