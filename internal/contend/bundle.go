package contend

import (
	"context"
	"errors"
	"slices"

	"github.com/docent-zk/docent/framework"
)

// Bundle is several claims of one session that stand together: when one of them ends, so does the context of the bundle.
type Bundle struct {
	claims []*Claim // at least one
	ctx    context.Context
	cancel context.CancelCauseFunc

	revoked context.Context
	revoke  context.CancelFunc
}

// NewBundle ties claims of one session together. What ends a session ends all of its claims, and the bundle hangs on the
// first: its context is never later than that. A node that is deleted ends one claim, which then ends the bundle.
func NewBundle(claims []*Claim) *Bundle {
	b := &Bundle{claims: claims}
	b.ctx, b.cancel = framework.WithCancelCause(claims[0].ctx)
	for _, c := range claims[1:] {
		context.AfterFunc(c.ctx, func() { b.cancel(context.Cause(c.ctx)) })
	}
	b.revoked, b.revoke = context.WithCancel(context.WithoutCancel(b.ctx))
	for _, c := range claims {
		context.AfterFunc(c.revoked, b.revoke)
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

// Release ends the bundle and releases the claims, the last one first. It returns nil if all of them stood until then, and
// why not otherwise.
func (b *Bundle) Release(ctx context.Context) error {
	b.cancel(ErrReleased)
	var errs []error
	for _, c := range slices.Backward(b.claims) {
		errs = append(errs, c.Release(ctx))
	}
	return errors.Join(errs...)
}
