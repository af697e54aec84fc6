package leader

import (
	"context"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
)

// Term is one period of leadership. It is safe for use by many goroutines.
type Term struct{ office office }

// office is what Run and Campaign do differently: Run lets go when the leader function has returned, a Term from Campaign
// at once.
type office interface {
	present() *contend.Claim
	context() context.Context
	resign(ctx context.Context) error
	resignTo(ctx context.Context, id string) error
}

// Context ends when leadership does or can no longer be relied on. In a leader function it is the ctx of its call. context.Cause
// of it says why: framework.ErrSuspended, framework.ErrUntrusted, framework.ErrSessionLost, framework.ErrClosed,
// [ErrDeleted], [ErrResigned], or the cause of the ctx given to Run.
//
// A term from Campaign whose ResignTo has failed after its context had ended has a new one from then on.
func (t *Term) Context() context.Context { return t.office.context() }

// Token is the fencing token: larger than the token of every earlier leader. It is the czxid of the leader's node.
func (t *Term) Token() int64 { return t.office.present().Token() }

// Path is the leader's node, in the client's namespace; with [Shared] the one that LeaderLatch sees.
func (t *Term) Path() string { return t.office.present().Path() }

// TrustedUntil is when leadership will have to be given up unless the servers answer once more. Each answer moves it.
func (t *Term) TrustedUntil() time.Time { return t.office.present().Session().TrustedUntil() }

// Check is an operation that makes a multi fail unless the term still stands. [Term.Multi] adds it by itself. With [Shared]
// it looks at one node of three: prefer [Term.Checks].
func (t *Term) Check() framework.Op { return t.office.present().Check() }

// Checks make a multi fail unless all nodes of the term still stand: three with [Shared], one without. [Term.Multi] adds them
// by itself.
func (t *Term) Checks() []framework.Op { return t.office.present().Checks() }

// Multi applies operations as one change if the term still stands at that moment, and returns [ErrNotLeader] if it does
// not. It is decided by the servers and by no clock.
func (t *Term) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return t.office.present().Multi(ctx, operations, opts...)
}

// Set writes a node's data if the term still stands: [Term.Multi] with one set.
func (t *Term) Set(ctx context.Context, path string, data []byte, version int32) (framework.Stat, error) {
	results, err := t.Multi(ctx, []framework.Op{framework.SetOp(path, data, version)})
	if err != nil {
		return framework.Stat{}, err
	}
	return results[0].Stat, nil
}

// Resign gives up the term. Further calls do nothing and return the same.
//
// A term from Campaign is over at once. Its node is removed even if ctx has ended or the servers are away: by this client while the
// session lives, by the servers when it does not. Resign returns nil if the term stood until the servers had applied that.
// framework.ErrReleasing says that the term stood until Resign, and that its node is still being removed in the background: ctx ended
// first, and the error also matches its cause, or the servers refuse it (framework.ErrNoAuth). Every other error says that the term
// had ended before, or may have, and why.
//
// In a leader function Resign ends the context and returns. The node is removed when the function has returned, so nil only means
// that the term stood as far as this client can tell. Run then stands again, at the end of the queue. To stop altogether, return from
// the function.
func (t *Term) Resign(ctx context.Context) error { return t.office.resign(ctx) }

// ResignTo gives up the term in favour of the participant with that id: nobody leads in between. Those who stand before it in
// the queue lose their places and queue again. See the package documentation.
//
// [ErrNoParticipant], [ErrAmbiguousID] and [ErrOwnID] come before anything has been done: the term goes on.
//
// A term from Campaign is handed over at once. Stop what depends on it first: its context ends before the servers are
// asked. If the successor leaves at that very moment, or the servers refuse the transfer, the error says so and the term goes
// on, with a new Context. When ctx ends first, or the connection does not come back while the session lives, the term is
// over like one that was resigned from, and framework.ErrOutcomeUnknown says that it may have gone to the successor.
// On a term that is over it returns [ErrNotLeader].
//
// In a leader function ResignTo ends the context and returns. Leadership is handed over when the function has returned, to
// the participant that has the id then, and Run stands again, at the end of the queue. If the successor has left by then,
// the function is called again, with the same token. If Run's ctx has ended by then, or the claim was lost in another way
// meanwhile (SUSPENDED without [Hold]), the term is resigned from.
func (t *Term) ResignTo(ctx context.Context, id string) error { return t.office.resignTo(ctx, id) }
