package lock

import (
	"context"

	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Holding is what an acquired lock returns: a [Held] or a [Bundle].
type Holding interface {
	// Context returns a context that ends when the lock is no longer held.
	Context() context.Context
	// Unlock releases the lock.
	Unlock(ctx context.Context) error
}

// OnRevoke calls f, in its own goroutine, when another client asks for the lock while it is held: see [Mutex.Revoke]. f
// may unlock, let the work finish first, or refuse by doing nothing. Unlock does not wait for f. A panic in f is logged
// and counted, as framework.Client's Guard says, and the lock stays held.
func OnRevoke(f func(h Holding)) Option {
	return func(s *settings) {
		if s.onRevoke = f; f == nil {
			s.refuse("the function of OnRevoke is nil")
		}
	}
}

// Revoked returns a channel that is closed when another client asks for the lock: see [Mutex.Revoke]. It costs no
// request.
func (h *Held) Revoked() <-chan struct{} { return h.claim.Revoked().Done() }

// Revoked returns a channel that is closed when another client asks for any part: see [Mutex.Revoke]. It costs no
// request.
func (b *Bundle) Revoked() <-chan struct{} { return b.claims.Revoked().Done() }

// tell calls the function of OnRevoke when the claim is revoked.
func (r *recipe) tell(claim interface{ Revoked() context.Context }, h Holding) {
	f := r.onRevoke
	if f == nil {
		return
	}
	context.AfterFunc(claim.Revoked(), func() {
		_ = r.cli.Guard("revocation", r.path, func() error {
			f(h)
			return nil
		})
	})
}

// held returns a claim as a Held.
func (r *recipe) held(claim claim) *Held {
	h := &Held{claim: claim}
	h.ctx, h.hold = r.hold(claim.Context(), claim.Token())
	r.tell(claim, h)
	return h
}

// bundle returns claims as a Bundle.
func (r *recipe) bundle(claims *contend.Bundle) *Bundle {
	b := &Bundle{claims: claims}
	b.ctx, b.hold = r.hold(claims.Context(), claims.Claims()[0].Token())
	r.tell(claims, b)
	return b
}

// Revoke asks a contender to unlock, by writing to its node as Curator's Revoker does. This replaces the node's data,
// and the client must be allowed to write it. The contender's [Held.Revoked] is closed, and its OnRevoke function is
// called, now if it holds the lock, or once it does. It is free to keep the lock.
//
// Revoke returns nil if the contender has gone. Errors are those of framework.Client's Set.
func (m *Mutex) Revoke(ctx context.Context, c Contender) error {
	return m.recipe.revoke(ctx, m.queue, c)
}

// Revoke asks a reader or writer to unlock: see [Mutex.Revoke].
func (m *RWMutex) Revoke(ctx context.Context, c Contender) error { return m.writing.Revoke(ctx, c) }

// Revoke asks for the contender's permits, all that one Acquire took: see [Mutex.Revoke].
func (s *Semaphore) Revoke(ctx context.Context, c Contender) error {
	return s.recipe.revoke(ctx, s.pool.Leases, c)
}

func (r recipe) revoke(ctx context.Context, q contend.Queue, c Contender) error {
	err := recipekit.Usable(r.cli)
	if err == nil {
		err = q.Revoke(ctx, r.cli, c.Path)
	}
	if err != nil {
		return r.wrap(err)
	}
	return nil
}
