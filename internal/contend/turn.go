package contend

import (
	"context"
	"errors"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// MaxTurns is how often a claim can be handed on.
const MaxTurns = seqnode.MaxTurn

// ErrTokenRange means that the czxid of a node is too large for a fencing token.
var ErrTokenRange = seqnode.ErrTokenRange

// Turn is a claim while one of several successive local holders has it. The holders share the node, and the servers do
// not know of their turns. Turns differ in their token, and a turn that has ended refuses operations.
//
//	Claim --Turn(0)--> in use --End--> ended, the claim can be handed on --Turn(1)--> ...
//	                              \--> ended, the claim has to be released
//
// The servers cannot tell turns apart. So a claim is only handed on if nothing of the earlier turn can still reach
// them. After a guarded transaction with an unknown outcome, or a call of Check, the claim has to be released, which
// removes the node that they depend on.
type Turn struct {
	claim   *Claim
	n       int
	ctx     context.Context
	cancel  context.CancelCauseFunc
	revoked context.Context
	forget  func() bool // stops the callback

	mu    sync.Mutex
	over  bool
	open  int  // running guarded transactions
	doubt bool // something of this turn may reach the servers later
}

// Turn returns the n-th turn of the claim, counted from 0. It ends when the claim does, and has the values of ctx.
func (c *Claim) Turn(ctx context.Context, n int) *Turn {
	t := &Turn{claim: c, n: n}
	t.ctx, t.cancel = framework.WithCancelCause(borrowed{c.ctx, context.WithoutCancel(ctx)})
	revoked, revoke := context.WithCancel(context.WithoutCancel(ctx))
	t.revoked, t.forget = revoked, context.AfterFunc(c.Revoked(), revoke)
	return t
}

// borrowed is a context with the values of another one. Its own values come second; the runtime uses them to propagate
// the end.
type borrowed struct {
	context.Context
	values context.Context
}

// Value implements context.Context.
func (b borrowed) Value(key any) any {
	if v := b.values.Value(key); v != nil {
		return v
	}
	return b.Context.Value(key)
}

// Context returns a context that ends with the turn or the claim. Its cause says why.
func (t *Turn) Context() context.Context { return t.ctx }

// Token returns a number that grows from turn to turn and from claim to claim. The first turn has the token of the
// claim.
func (t *Turn) Token() int64 { return seqnode.Token(t.claim.place.node.Stat.Czxid, t.n) }

// Path returns the claim's node.
func (t *Turn) Path() string { return t.claim.Path() }

// Session returns the session of the claim.
func (t *Turn) Session() *framework.Session { return t.claim.Session() }

// Revoked returns a context that ends when another client asks for the claim.
func (t *Turn) Revoked() context.Context { return t.revoked }

// Check returns an operation that makes a multi fail unless the claim's node exists. The caller may use it at any time,
// so the claim is not handed on after this turn. After the end of the turn, it always fails.
func (t *Turn) Check() framework.Op { return t.Checks()[0] }

// Checks returns operations that make a multi fail unless all of the claim's nodes exist. Otherwise it is as Check.
func (t *Turn) Checks() []framework.Op {
	if !t.note() {
		return []framework.Op{never(t.Path())}
	}
	return t.claim.Checks()
}

// note keeps the claim from being handed on. It returns false if the turn has ended.
func (t *Turn) note() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.doubt = true
	return true
}

// Multi applies operations only if the turn has not ended when they are sent, and the claim is held when they are
// applied. Operations that are sent in a turn are applied before the next one begins, or never.
func (t *Turn) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	if !t.begin() {
		return nil, t.claim.notHeld(context.Cause(t.ctx))
	}
	results, err := t.claim.Multi(ctx, operations, opts...)
	t.finish(err)
	return results, err
}

func (t *Turn) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.open++
	return true
}

func (t *Turn) finish(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open--
	t.doubt = t.doubt || !settled(err)
}

// settled reports whether a guarded transaction that returned err cannot be applied later.
func settled(err error) bool {
	var refused *framework.MultiError
	var op *framework.OpError
	switch {
	case err == nil:
		return true
	case errors.Is(err, framework.ErrOutcomeUnknown):
		return false
	case errors.As(err, &refused), !errors.As(err, &op):
		return true // refused by a server, or not sent
	}
	return op.Attempts == 0
}

// End ends the turn. It reports whether the claim can be handed on: it is held, no other client has asked for it, and
// nothing of this turn is pending.
func (t *Turn) End() (handOn bool) {
	t.forget()
	handOn = t.claim.standing() == nil && !t.claim.revocable.revoked()
	t.cancel(ErrReleased)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	return handOn && t.open == 0 && !t.doubt
}
