package leader

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
)

// Election is an election at a path. It is stateless: any number of goroutines, and of Elections at the same path, may
// campaign, each as its own participant.
type Election struct {
	settings
	cli  *framework.Client
	path string
}

// New returns the election at path. It does not contact the servers; invalid arguments are reported by the methods.
func New(cli *framework.Client, path string, opts ...Option) *Election {
	e := &Election{settings: defaults(), cli: cli, path: framework.Abs(path)}
	for _, opt := range opts {
		opt(&e.settings)
	}
	return e
}

// Policy returns how a term responds to SUSPENDED and LOST. It ends, unless [Hold] is set, and Run campaigns again.
func (e *Election) Policy() framework.Policy { return e.holding }

// WaitPolicy returns how a campaign responds to SUSPENDED and LOST while it waits. It keeps its place through SUSPENDED
// and queues again in the next session.
func (e *Election) WaitPolicy() framework.Policy { return contend.Waiting }

// Campaign waits in the queue until it becomes the leader. It keeps waiting through disconnections and lost sessions.
// The term does not end with ctx, but has its values. If ctx ends just as leadership is granted, Campaign returns
// either a Term or an error.
//
// If Campaign returns an error, its node is removed from the queue. With a connection, the delete has been sent when
// Campaign returns. If the create is unanswered when ctx ends, Campaign waits for its reply, up to an eighth of the
// session timeout.
//
// The caller must call Resign on every Term, even on one that has ended, and before the client is closed: Close does
// not wait for it. After Resign, it can campaign again.
//
// Errors are the cause of ctx, framework.ErrClosed, and what the servers refuse before the candidate has been in the
// queue (framework.ErrNoAuth, ...). What they refuse later is retried, as in [Election.Run]. Children of path that are
// not candidates are ignored.
func (e *Election) Campaign(ctx context.Context) (*Term, error) {
	var claim *contend.Claim
	err := e.enter(ctx, func(ctx context.Context, s *framework.Session) (err error) {
		q := e.queue()
		q.Recipe = "leader" // until Resign
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

// invalid returns what is wrong with the path and the options, or nil.
func (e *Election) invalid() error {
	err := errors.Join(framework.ValidatePath(e.path), e.holding.Validate())
	if e.id == "" {
		err = errors.Join(err, errors.New("the id of WithID is empty"))
	}
	return err
}

// enter runs stand in successive sessions.
func (e *Election) enter(ctx context.Context, stand func(ctx context.Context, s *framework.Session) error) error {
	if err := e.invalid(); err != nil {
		return e.wrap(err)
	}
	return e.cli.Run(ctx, framework.Recipe{Name: "leader", Path: e.path, Policy: e.WaitPolicy(), Run: stand})
}

// wrap prefixes an error with the recipe's name and path, as framework.Client.Run does.
func (e *Election) wrap(err error) error { return fmt.Errorf("leader %s: %w", e.path, err) }
