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

// ErrTokenRange says that the czxid of a node is too large for a fencing token.
var ErrTokenRange = seqnode.ErrTokenRange

// Turn is a claim in the hands of one of several holders, who have it one after the other without the servers' knowing. They
// have the node in common. What tells them apart is the token, and that a turn which is over refuses.
//
//	Claim --Turn(0)--> in use --End--> over, the claim can be handed on --Turn(1)--> ...
//	                              \--> over, the claim has to be released
//
// The servers cannot tell turns apart. So a claim is only handed on if nothing of the earlier turn can still reach them: a
// guarded transaction whose outcome is open, or a check that was given away, means that the claim has to be released, which
// takes the node that they hang on.
type Turn struct {
	claim   *Claim
	n       int
	ctx     context.Context
	cancel  context.CancelCauseFunc
	revoked context.Context
	forget  func() bool // stops asking

	mu    sync.Mutex
	over  bool
	open  int  // guarded transactions under way
	doubt bool // something of this turn may reach the servers later
}

// Turn gives the claim to its n-th holder, counted from 0. The turn ends when the claim does. It has the values of ctx.
func (c *Claim) Turn(ctx context.Context, n int) *Turn {
	t := &Turn{claim: c, n: n}
	t.ctx, t.cancel = framework.WithCancelCause(borrowed{c.ctx, context.WithoutCancel(ctx)})
	revoked, revoke := context.WithCancel(context.WithoutCancel(ctx))
	t.revoked, t.forget = revoked, context.AfterFunc(c.Revoked(), revoke)
	return t
}

// borrowed is a context with the values of another one. It looks there first and then into its own, where the runtime finds
// what its end is handed on by.
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

// Context ends when the turn or the claim does; its cause says why.
func (t *Turn) Context() context.Context { return t.ctx }

// Token grows from turn to turn, and from claim to claim. The first turn has the token of the claim.
func (t *Turn) Token() int64 { return seqnode.Token(t.claim.place.node.Stat.Czxid, t.n) }

// Path is the claim's node.
func (t *Turn) Path() string { return t.claim.Path() }

// Session is the session that the claim hangs on.
func (t *Turn) Session() *framework.Session { return t.claim.Session() }

// Revoked ends when somebody asks for the claim to be released.
func (t *Turn) Revoked() context.Context { return t.revoked }

// Check makes a multi fail unless the claim's node stands. Nobody knows where it goes from here, so the claim cannot be handed
// on after this turn. One of a turn that is over always fails.
func (t *Turn) Check() framework.Op { return t.Checks()[0] }

// Checks make a multi fail unless all of the claim's nodes stand. All that is said of Check holds.
func (t *Turn) Checks() []framework.Op {
	if !t.note() {
		return []framework.Op{never(t.Path())}
	}
	return t.claim.Checks()
}

// note keeps the claim from being handed on. It returns false if the turn is over.
func (t *Turn) note() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.doubt = true
	return true
}

// Multi applies operations if, and only if, the turn still lasts when it is sent, and the claim stands when it is applied. What
// is sent in a turn is applied before the next one begins, or never.
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

// settled reports whether a guarded transaction that has returned err cannot be applied any more, if it was not before.
func settled(err error) bool {
	var refused *framework.MultiError
	var op *framework.OpError
	switch {
	case err == nil:
		return true
	case errors.Is(err, framework.ErrOutcomeUnknown):
		return false
	case errors.As(err, &refused), !errors.As(err, &op):
		return true // by a server, or without asking
	}
	return op.Attempts == 0
}

// End ends the turn and reports whether the claim can be handed on: it stands, nobody has asked for it, and nothing of this
// turn is on its way.
func (t *Turn) End() (handOn bool) {
	t.forget()
	handOn = t.claim.standing() == nil && !t.claim.revocable.revoked()
	t.cancel(ErrReleased)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	return handOn && t.open == 0 && !t.doubt
}
