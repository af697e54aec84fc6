package contend

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/docent-zk/docent/framework"
)

// Bundle is several claims of one session that stand together: when one of them ends, so does the context of the bundle.
type Bundle struct {
	claims []*Claim // at least one
	ctx    context.Context
	cancel context.CancelCauseFunc

	revoked context.Context
	revoke  context.CancelFunc

	releasing atomic.Bool
	released  chan struct{} // closed when err is set
	err       error         // what Release returned
}

// NewBundle ties claims of one session together. What ends a session ends all of its claims, and the bundle hangs on the
// first: its context is never later than that. A node that is deleted ends one claim, which then ends the bundle.
func NewBundle(claims []*Claim) *Bundle {
	b := &Bundle{claims: claims, released: make(chan struct{})}
	b.ctx, b.cancel = framework.WithCancelCause(claims[0].ctx)
	for _, c := range claims[1:] {
		context.AfterFunc(c.ctx, func() { b.cancel(context.Cause(c.ctx)) })
	}
	b.revoked, b.revoke = context.WithCancel(context.WithoutCancel(b.ctx))
	for _, c := range claims {
		context.AfterFunc(c.Revoked(), b.revoke)
	}
	return b
}

// Revoked ends when somebody asks for any of the claims to be released.
func (b *Bundle) Revoked() context.Context { return b.revoked }

// Claims are what the bundle consists of.
func (b *Bundle) Claims() []*Claim { return b.claims }

// Context ends when the first of the claims does; its cause says why.
func (b *Bundle) Context() context.Context { return b.ctx }

// Session is the session that the bundle hangs on.
func (b *Bundle) Session() *framework.Session { return b.claims[0].Session() }

// Multi applies operations if, and only if, all claims still stand.
func (b *Bundle) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return guarded(ctx, b.claims, operations, opts)
}

// Release ends the bundle and releases the claims, the last one first. It returns nil if all of them stood until the servers had
// applied that, and what their releases say otherwise: see [Claim.Release]. framework.ErrReleasing is not among it if one of
// them was lost. Further calls wait for the first one and return the same.
func (b *Bundle) Release(ctx context.Context) error {
	if b.releasing.CompareAndSwap(false, true) {
		b.err = b.release(ctx)
		close(b.released)
	}
	return Outcome(ctx, b.released, &b.err)
}

func (b *Bundle) release(ctx context.Context) error {
	b.cancel(ErrReleased)
	var lost, late []error
	for _, c := range slices.Backward(b.claims) {
		if err := c.Release(ctx); errors.Is(err, framework.ErrReleasing) {
			late = append(late, err)
		} else {
			lost = append(lost, err)
		}
	}
	if err := errors.Join(lost...); err != nil {
		return err
	}
	return errors.Join(late...)
}
