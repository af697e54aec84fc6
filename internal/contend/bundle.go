package contend

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/docent-zk/docent/framework"
)

// Bundle is several claims of one session that are held together: its context ends when any of them ends.
type Bundle struct {
	claims []*Claim // at least one
	ctx    context.Context
	cancel context.CancelCauseFunc

	revoked context.Context
	revoke  context.CancelFunc

	releasing atomic.Bool
	released  chan struct{} // closed when err is set
	err       error         // the result of Release
}

// NewBundle combines claims of one session. The end of the session ends all of them, and the context of the bundle is
// derived from the first, so it never ends later than that. The deletion of a node ends one claim, which ends the
// bundle.
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

// Revoked returns a context that ends when another client asks for any of the claims.
func (b *Bundle) Revoked() context.Context { return b.revoked }

// Claims returns the claims.
func (b *Bundle) Claims() []*Claim { return b.claims }

// Context returns a context that ends when the first of the claims does. Its cause says why.
func (b *Bundle) Context() context.Context { return b.ctx }

// Session returns the session of the claims.
func (b *Bundle) Session() *framework.Session { return b.claims[0].Session() }

// Multi applies operations only if all claims are still held.
func (b *Bundle) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return guarded(ctx, b.claims, operations, opts)
}

// Release ends the bundle and releases the claims, the last one first. It returns nil if all of them were held until
// the servers had applied the release, and otherwise the errors of [Claim.Release]. If a claim was lost, the error does
// not match framework.ErrReleasing. Further calls wait for the first one and return the same error.
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
