package lock

import (
	"context"
	"slices"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/telemetry"
)

// Bundle is several nodes that are held together: the permits of a [Semaphore] or the locks of a [Multi]. It is safe
// for concurrent use.
type Bundle struct {
	claims *contend.Bundle
	ctx    context.Context // ends with the claims
	hold   *telemetry.Hold
}

// Context returns a context that ends when any part is no longer held or can no longer be relied on. Its causes are
// those of [Held.Context].
func (b *Bundle) Context() context.Context { return b.ctx }

// Tokens returns the fencing token of each part: see [Held.Token].
func (b *Bundle) Tokens() []int64 { return each(b, (*contend.Claim).Token) }

// Paths returns the nodes, in the client's namespace; with [Shared], one for each part.
func (b *Bundle) Paths() []string { return each(b, (*contend.Claim).Path) }

// Checks returns operations that make a multi fail unless all parts are still held. [Bundle.Multi] adds them by itself.
func (b *Bundle) Checks() []framework.Op { return slices.Concat(each(b, (*contend.Claim).Checks)...) }

// each calls ask for every claim.
func each[T any](b *Bundle, ask func(*contend.Claim) T) []T {
	answers := make([]T, 0, len(b.claims.Claims()))
	for _, c := range b.claims.Claims() {
		answers = append(answers, ask(c))
	}
	return answers
}

// TrustedUntil returns the time at which all parts have to be given up, unless the servers reply before. Each reply
// moves it forward.
func (b *Bundle) TrustedUntil() time.Time { return b.claims.Session().TrustedUntil() }

// Multi applies operations in one transaction if all parts are still held at that moment. It returns [ErrNotHeld] if
// not. Otherwise it behaves as [Held.Multi].
func (b *Bundle) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return b.claims.Multi(ctx, operations, opts...)
}

// Set writes the data of a node if all parts are still held. It is [Bundle.Multi] with one set.
func (b *Bundle) Set(ctx context.Context, path string, data []byte, version int32) (framework.Stat, error) {
	return only(b.Multi(ctx, []framework.Op{framework.SetOp(path, data, version)}))
}

// only returns the Stat of a multi with one set.
func only(results []framework.OpResult, err error) (framework.Stat, error) {
	if err != nil {
		return framework.Stat{}, err
	}
	return results[0].Stat, nil
}

// Unlock releases all parts, the last one first. Errors and ctx are those of [Held.Unlock].
func (b *Bundle) Unlock(ctx context.Context) error {
	err := b.claims.Release(ctx)
	b.hold.End(context.Cause(b.ctx))
	b.hold.Told(ctx)
	return err
}
