package leader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// What a term's context ends with, besides the causes of package framework.
var (
	// ErrResigned says that the leader function has returned.
	ErrResigned = contend.ErrReleased
	// ErrDeleted says that somebody else has deleted the leader's node; or the servers have, at the end of its session, and
	// that news came first.
	ErrDeleted = contend.ErrDeleted
	// ErrNotLeader is returned by Term.Multi when the term is over. Nothing was applied.
	ErrNotLeader = contend.ErrNotHeld
)

// campaign is one Run.
type campaign struct {
	queue   contend.Queue
	holding framework.Policy
	lead    func(context.Context, *Term) error
	caller  context.Context // of Run
	result  error           // of Run, when cli.Run returns nil
}

// Option changes how Run behaves.
type Option func(*campaign)

// Hold keeps leadership through SUSPENDED, for as long as the session can be trusted to live. Without it leadership ends as
// soon as the connection breaks. grace, if it is not 0, bounds that further, counted from SUSPENDED.
func Hold(grace time.Duration) Option {
	return func(c *campaign) { c.holding.OnSuspended, c.holding.Grace = framework.Hold, grace }
}

// WithID sets what the candidate's node says who it is. Defaults to host name and process id.
func WithID(id string) Option {
	return func(c *campaign) { c.queue.Data = []byte(id) }
}

// WithACL sets the access-control list of the candidate's node. All candidates must be allowed to read it: that is how they
// wait for each other. Defaults to the client's.
func WithACL(acl []framework.ACL) Option {
	return func(c *campaign) { c.queue.ACL = acl }
}

func queueAt(path string) contend.Queue {
	return contend.Queue{Dir: path, Name: "latch-", Dialect: seqnode.AnyElection}
}

// Run stands as a candidate in the election at path and calls lead when it is elected, again and again, until
//
//   - lead returns while its context is alive: Run gives up leadership and returns what lead returned;
//   - ctx ends: Run waits for lead to return, and returns what it returned, or the cause of ctx if that was nil;
//   - the client is closed: framework.ErrClosed;
//   - the servers refuse the candidate, for example with framework.ErrNoAuth.
//
// When the term ends for another reason, what lead returns is not looked at and the candidate stands again.
func Run(ctx context.Context, cli *framework.Client, path string, lead func(ctx context.Context, t *Term) error, opts ...Option) error {
	c := &campaign{
		queue:   queueAt(path),
		holding: framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Rebuild},
		lead:    lead,
		caller:  ctx,
	}
	c.queue.Data = []byte(defaultID())
	for _, opt := range opts {
		opt(c)
	}
	if err := errors.Join(framework.ValidatePath(path), c.holding.Validate()); err != nil {
		return fmt.Errorf("leader %s: %w", path, err)
	}
	err := cli.Run(ctx, framework.Recipe{Name: "leader", Path: path, Policy: contend.Waiting, Run: c.stand})
	if err != nil {
		return err
	}
	return c.result
}

func defaultID() string {
	host, _ := os.Hostname() // an id without a host is still an id
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// stand campaigns and leads in one session, until the session or the campaign is over.
func (c *campaign) stand(ctx context.Context, s *framework.Session) error {
	for {
		claim, err := c.queue.Acquire(ctx, s, c.holding)
		if err != nil {
			return err
		}
		again, err := c.term(ctx, claim)
		if !again {
			return err
		}
	}
}

// term calls lead and releases behind it, however it ends. What lead returns is never shown to the engine, which would
// take a framework.ErrSessionLost out of some other session for the end of this one: where it counts, it is c.result.
func (c *campaign) term(ctx context.Context, claim *contend.Claim) (again bool, err error) {
	defer release(ctx, claim)
	term, stop := context.WithCancelCause(claim.Context())
	defer stop(ErrResigned)
	defer context.AfterFunc(ctx, func() { stop(context.Cause(ctx)) })()
	err = c.lead(term, &Term{claim: claim, ctx: term})
	cause := context.Cause(term)
	switch {
	case cause == nil: // lead has had enough
		c.result = err
		return false, nil
	case c.caller.Err() != nil:
		c.result = cmp.Or(err, context.Cause(c.caller))
		return false, nil
	case ctx.Err() != nil: // the session or the client is over
		return false, context.Cause(ctx)
	case errors.Is(cause, ErrDeleted):
		return true, nil
	}
	return false, cause // suspended or untrusted: the engine runs the campaign again
}

// release removes the node before Run goes on, so that whoever sees Run return sees the next leader soon; when the servers
// do not answer, it goes on in the background.
func release(ctx context.Context, claim *contend.Claim) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claim.Session().Timeout()/4)
	defer cancel()
	_ = claim.Release(ctx) // why the term ended is in its context
}

// Term is one period of leadership. It is safe for use by many goroutines.
type Term struct {
	claim *contend.Claim
	ctx   context.Context
}

// Context is the context that the leader function was called with. context.Cause of it says why the term ended:
// framework.ErrSuspended, framework.ErrUntrusted, framework.ErrSessionLost, framework.ErrClosed, [ErrDeleted],
// [ErrResigned], or the cause of the ctx given to Run.
func (t *Term) Context() context.Context { return t.ctx }

// Token is the fencing token: larger than the token of every earlier leader. It is the czxid of the leader's node.
func (t *Term) Token() int64 { return t.claim.Token() }

// Path is the leader's node, in the client's namespace.
func (t *Term) Path() string { return t.claim.Path() }

// TrustedUntil is when leadership will have to be given up unless the servers answer once more. Each answer moves it.
func (t *Term) TrustedUntil() time.Time { return t.claim.Session().TrustedUntil() }

// Check is an operation that makes a multi fail unless the term still stands. [Term.Multi] adds it by itself.
func (t *Term) Check() framework.Op { return t.claim.Check() }

// Multi applies operations as one change if the term still stands at that moment, and returns [ErrNotLeader] if it does
// not. It is decided by the servers and by no clock.
func (t *Term) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return t.claim.Multi(ctx, operations, opts...)
}

// Set writes a node's data if the term still stands: [Term.Multi] with one set.
func (t *Term) Set(ctx context.Context, path string, data []byte, version int32) (framework.Stat, error) {
	results, err := t.Multi(ctx, []framework.Op{framework.SetOp(path, data, version)})
	if err != nil {
		return framework.Stat{}, err
	}
	return results[0].Stat, nil
}

// Candidate is one node in an election. Data is its id.
type Candidate = contend.Contender

// Candidates lists who stands in the election at path, in order: the first one leads. It is a look at a moment that has
// passed when it returns.
func Candidates(ctx context.Context, cli *framework.Client, path string) ([]Candidate, error) {
	list, err := queueAt(path).Contenders(ctx, cli)
	if err != nil {
		return nil, fmt.Errorf("leader %s: %w", path, err)
	}
	return list, nil
}
