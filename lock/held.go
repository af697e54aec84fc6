package lock

import (
	"context"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/telemetry"
)

// Held is one acquisition of a lock. It is safe for use by many goroutines.
type Held struct {
	claim   claim
	ctx     context.Context // the claim's
	hold    *telemetry.Hold
	reading *Mutex // what it can be downgraded to, nil if it cannot
}

// claim is what stands behind a Held: one place in the queue, or a turn of it.
type claim interface {
	Context() context.Context
	Token() int64
	Path() string
	Session() *framework.Session
	Check() framework.Op
	Checks() []framework.Op
	Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error)
	Revoked() context.Context
	Release(ctx context.Context) error
}

var _ claim = (*contend.Claim)(nil)

// Context ends when the lock is no longer held or can no longer be relied on. context.Cause of it says why: [ErrReleased],
// framework.ErrSuspended, framework.ErrUntrusted, framework.ErrSessionLost, [ErrDeleted] or framework.ErrClosed. It carries
// the values of the ctx that was given to Lock, but not its deadline or cancellation.
func (h *Held) Context() context.Context { return h.ctx }

// Token is the fencing token: larger than the token of every earlier holder of the lock. It is the czxid of the node, or what
// [LocalHandover] makes of it.
func (h *Held) Token() int64 { return h.claim.Token() }

// Path is the node that stands for this acquisition, in the client's namespace; with [Shared] the one that Curator sees.
func (h *Held) Path() string { return h.claim.Path() }

// TrustedUntil is when the lock will have to be given up unless the servers answer once more. Each answer moves it.
func (h *Held) TrustedUntil() time.Time { return h.claim.Session().TrustedUntil() }

// Check is an operation that makes a multi fail unless the lock's node still stands. [Held.Multi] adds it by itself. It knows
// one node, and nothing of turns: prefer [Held.Checks] with [Shared], and [Held.Multi] with [LocalHandover], which then stays
// possible. With that, one that is asked for after Unlock always fails.
func (h *Held) Check() framework.Op { return h.claim.Check() }

// Checks make a multi fail unless all nodes of the lock still stand: two with [Shared], one without.
func (h *Held) Checks() []framework.Op { return h.claim.Checks() }

// Multi applies operations as one change if the lock is still held at that moment, and returns [ErrNotHeld] if it is not.
// It is decided by the servers and by no clock. Errors otherwise are those of [framework.Client]'s Multi; in particular
// framework.ErrOutcomeUnknown when the answer was lost.
func (h *Held) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return h.claim.Multi(ctx, operations, opts...)
}

// Set writes a node's data if the lock is still held: [Held.Multi] with one set.
func (h *Held) Set(ctx context.Context, path string, data []byte, version int32) (framework.Stat, error) {
	return only(h.Multi(ctx, []framework.Op{framework.SetOp(path, data, version)}))
}

// Unlock gives the lock up. Its node is removed even if ctx has ended or the servers are away: by this client while the session
// lives, by the servers when it does not. If ctx has ended, Unlock sends the delete and does not wait for the answer.
//
// Unlock returns nil if the lock was held until the servers had applied the release. framework.ErrReleasing says that the lock
// was held until Unlock, and that its node is still being removed in the background: ctx ended first, and the error also matches
// its cause; or the servers refuse the delete (framework.ErrNoAuth), which the client repeats while the session lives. Every other error
// says that the lock had ended before, or may have (framework.ErrSessionLost, [ErrDeleted], framework.ErrUntrusted, ...): work
// done since may have overlapped with the next holder's. Further calls wait for the first one and return the same.
//
// With [LocalHandover] an Unlock that hands the lock to another goroutine asks no server. Its nil means that the lock was held as
// far as this client can tell.
func (h *Held) Unlock(ctx context.Context) error {
	err := h.claim.Release(ctx)
	h.hold.End(context.Cause(h.ctx))
	h.hold.Told(ctx)
	return err
}
