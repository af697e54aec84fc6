package lock

import (
	"context"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/telemetry"
)

// Held is one acquisition of a lock. It is safe for concurrent use.
type Held struct {
	claim   claim
	ctx     context.Context // ends with the claim
	hold    *telemetry.Hold
	reading *Mutex // the lock that Downgrade acquires; nil if it is not possible
}

// claim is what a Held represents: a place in the queue, or one turn of it.
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

// Context returns a context that ends when the lock is no longer held or can no longer be relied on. context.Cause says
// why: [ErrReleased], framework.ErrSuspended, framework.ErrUntrusted, framework.ErrSessionLost, [ErrDeleted] or
// framework.ErrClosed. It has the values of the ctx that Lock was called with, but neither its deadline nor its
// cancellation: see [Held.Bind].
func (h *Held) Context() context.Context { return h.ctx }

// Token returns the fencing token, which is larger than the token of every earlier holder of the lock. It is 256 times
// the czxid of the node, plus the number of hand-overs so far with [LocalHandover].
func (h *Held) Token() int64 { return h.claim.Token() }

// Path returns the node of this acquisition, in the client's namespace. With [Shared] it is the node that Curator sees.
func (h *Held) Path() string { return h.claim.Path() }

// TrustedUntil returns the time at which the lock has to be given up, unless the servers reply before. Each reply
// moves it forward.
func (h *Held) TrustedUntil() time.Time { return h.claim.Session().TrustedUntil() }

// Check returns an operation that makes a multi fail unless the lock's node still exists. [Held.Multi] adds it by
// itself.
//
// Check covers a single node and cannot tell turns apart. With [Shared], use [Held.Checks]. With [LocalHandover], use
// [Held.Multi]: calling Check disables hand-over for this turn, and a check that was created after Unlock always fails.
func (h *Held) Check() framework.Op { return h.claim.Check() }

// Checks returns operations that make a multi fail unless all nodes of the lock still exist: two with [Shared], one
// without.
func (h *Held) Checks() []framework.Op { return h.claim.Checks() }

// Multi applies operations in one transaction if the lock is still held at that moment. It returns [ErrNotHeld] if not.
// The servers decide this; no clock is involved. Other errors are those of [framework.Client]'s Multi. In particular,
// framework.ErrOutcomeUnknown means that the reply was lost.
func (h *Held) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return h.claim.Multi(ctx, operations, opts...)
}

// Set writes the data of a node if the lock is still held. It is [Held.Multi] with one set.
func (h *Held) Set(ctx context.Context, path string, data []byte, version int32) (framework.Stat, error) {
	return only(h.Multi(ctx, []framework.Op{framework.SetOp(path, data, version)}))
}

// Unlock releases the lock. The node is removed even if ctx has ended or there is no connection: by this client while
// the session lives, by the servers when it does not. If ctx has ended, Unlock sends the delete and does not wait for
// the reply.
//
// Unlock returns nil if the lock was held until the servers had applied the release. framework.ErrReleasing means that
// the lock was held until Unlock was called, and that its node is still being removed in the background. Either ctx
// ended first, and the error also matches its cause, or the servers refuse the delete (framework.ErrNoAuth), and the
// client repeats it while the session lives. Any other error means that the lock had been lost before, or may have been
// (framework.ErrSessionLost, [ErrDeleted], framework.ErrUntrusted, ...): the work may have overlapped with that of the
// next holder. Further calls wait for the first one and return the same error.
//
// With [LocalHandover], an Unlock that hands the lock to another goroutine sends no request. Its nil error means that
// the lock was held as far as this client knows.
func (h *Held) Unlock(ctx context.Context) error {
	err := h.claim.Release(ctx)
	h.hold.End(context.Cause(h.ctx))
	h.hold.Told(ctx)
	return err
}
