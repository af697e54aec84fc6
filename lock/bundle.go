package lock

import (
	"context"
	"slices"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/telemetry"
)

// Bundle is several nodes that are held as one: the permits of a [Semaphore], the locks of a [Multi]. It is safe for use by
// many goroutines.
type Bundle struct {
	claims *contend.Bundle
	ctx    context.Context // theirs
	hold   *telemetry.Hold
}

// Context ends when any part is no longer held or can no longer be relied on. Its causes are those of [Held.Context].
func (b *Bundle) Context() context.Context { return b.ctx }

// Tokens are the czxids of the nodes.
func (b *Bundle) Tokens() []int64 { return each(b, (*contend.Claim).Token) }

// Paths are the nodes, in the client's namespace; with [Shared] one of each part.
func (b *Bundle) Paths() []string { return each(b, (*contend.Claim).Path) }

// Checks are operations that make a multi fail unless all parts are still held. [Bundle.Multi] adds them by itself.
func (b *Bundle) Checks() []framework.Op { return slices.Concat(each(b, (*contend.Claim).Checks)...) }

// each asks every claim for something.
func each[T any](b *Bundle, ask func(*contend.Claim) T) []T {
	answers := make([]T, 0, len(b.claims.Claims()))
	for _, c := range b.claims.Claims() {
		answers = append(answers, ask(c))
	}
	return answers
}

// TrustedUntil is when all will have to be given up unless the servers answer once more. Each answer moves it.
func (b *Bundle) TrustedUntil() time.Time { return b.claims.Session().TrustedUntil() }

// Multi applies operations as one change if all parts are still held at that moment, and returns [ErrNotHeld] if one is not.
// Otherwise it is as [Held.Multi].
func (b *Bundle) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return b.claims.Multi(ctx, operations, opts...)
}

// Set writes a node's data if all parts are still held: [Bundle.Multi] with one set.
func (b *Bundle) Set(ctx context.Context, path string, data []byte, version int32) (framework.Stat, error) {
	return only(b.Multi(ctx, []framework.Op{framework.SetOp(path, data, version)}))
}

// only is the Stat that a multi with one set returns.
func only(results []framework.OpResult, err error) (framework.Stat, error) {
	if err != nil {
		return framework.Stat{}, err
	}
	return results[0].Stat, nil
}

// Unlock gives all parts up, the last one first. All that is said of [Held.Unlock] holds.
func (b *Bundle) Unlock(ctx context.Context) error {
	err := b.claims.Release(ctx)
	b.hold.End(context.Cause(b.ctx))
	b.hold.Told(ctx)
	return err
}
