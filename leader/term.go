package leader

import (
	"context"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
)

// Term is one period of leadership. It is safe for concurrent use.
type Term struct{ office office }

// office is what differs between Run and Campaign. Run releases leadership when the leader function has returned; a
// Term of Campaign releases it immediately.
type office interface {
	present() *contend.Claim
	context() context.Context
	resign(ctx context.Context) error
	resignTo(ctx context.Context, id string) error
}

// Context returns a context that ends when leadership ends or can no longer be relied on. In a leader function it is
// the function's ctx. context.Cause says why: framework.ErrSuspended, framework.ErrUntrusted, framework.ErrSessionLost,
// framework.ErrClosed, [ErrDeleted], [ErrResigned], or the cause of the ctx of Run.
//
// If a ResignTo of a term of Campaign fails after the context has ended, the term has a new context from then on.
func (t *Term) Context() context.Context { return t.office.context() }

// Token returns the fencing token, which is larger than the token of every earlier leader. It is 256 times the czxid of
// the leader's node, as the tokens of package lock are.
func (t *Term) Token() int64 { return t.office.present().Token() }

// Path returns the leader's node, in the client's namespace. With [Shared] it is the node that LeaderLatch sees.
func (t *Term) Path() string { return t.office.present().Path() }

// TrustedUntil returns the time at which leadership has to be given up, unless the servers reply before. Each reply
// moves it forward.
func (t *Term) TrustedUntil() time.Time { return t.office.present().Session().TrustedUntil() }

// Check returns an operation that makes a multi fail unless the leader's node still exists. [Term.Multi] adds it by
// itself. With [Shared], use [Term.Checks]: Check covers only one of the three nodes.
func (t *Term) Check() framework.Op { return t.office.present().Check() }

// Checks returns operations that make a multi fail unless all nodes of the leader still exist: three with [Shared], one
// without. [Term.Multi] adds them by itself.
func (t *Term) Checks() []framework.Op { return t.office.present().Checks() }

// Multi applies operations in one transaction if this term still leads at that moment. It returns [ErrNotLeader] if
// not. The servers decide this; no clock is involved.
func (t *Term) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return t.office.present().Multi(ctx, operations, opts...)
}

// Set writes the data of a node if this term still leads. It is [Term.Multi] with one set.
func (t *Term) Set(ctx context.Context, path string, data []byte, version int32) (framework.Stat, error) {
	results, err := t.Multi(ctx, []framework.Op{framework.SetOp(path, data, version)})
	if err != nil {
		return framework.Stat{}, err
	}
	return results[0].Stat, nil
}

// Resign ends the term. Further calls do nothing and return the same error.
//
// A term of Campaign ends immediately. Its node is removed even if ctx has ended or there is no connection: by this
// client while the session lives, by the servers when it does not. Resign returns nil if the term lasted until the
// servers had applied the release. framework.ErrReleasing means that the term lasted until Resign was called, and that
// its node is still being removed in the background. Either ctx ended first, and the error also matches its cause, or
// the servers refuse the delete (framework.ErrNoAuth). Any other error says why the term had ended before, or may have.
//
// In a leader function, Resign ends the context and returns. The node is removed when the function has returned, so nil
// only means that the term lasted as far as this client knows. Run then campaigns again, at the end of the queue. To
// stop altogether, return from the function.
func (t *Term) Resign(ctx context.Context) error { return t.office.resign(ctx) }

// ResignTo ends the term and makes the participant with that id the leader. There is no gap, and no other participant
// can lead in between. Participants ahead of it in the queue lose their places and queue again. See the package
// documentation.
//
// [ErrNoParticipant], [ErrAmbiguousID] and [ErrOwnID] are returned before anything is done: the term continues. If the
// term has ended, ResignTo returns [ErrNotLeader].
//
// A term of Campaign is handed over immediately. Stop the work that depends on it first: its context ends before the
// request is sent. If the successor leaves at that moment, or the servers refuse the transfer, ResignTo returns the
// error and the term continues, with a new Context. If ctx ends first, or the connection does not come back while the
// session lives, the term ends as with Resign, and framework.ErrOutcomeUnknown means that the successor may have become
// the leader.
//
// In a leader function, ResignTo ends the context and returns. Leadership is handed over when the function has
// returned, to the participant that has the id then, and Run campaigns again, at the end of the queue. If the successor
// has left by then, the function is called again, with the same token. If by then the ctx of Run has ended, or the
// claim was lost (as by SUSPENDED without [Hold]), the term ends as with Resign.
func (t *Term) ResignTo(ctx context.Context, id string) error { return t.office.resignTo(ctx, id) }
