package lock

import (
	"context"

	"github.com/docent-zk/docent/internal/contend"
)

// Holding is what a lock gives: a [Held] or a [Bundle].
type Holding interface {
	// Context ends when it is no longer held.
	Context() context.Context
	// Unlock gives it up.
	Unlock(ctx context.Context) error
}

// OnRevoke calls f, in a goroutine of its own, when somebody asks for the lock while it is held: see [Mutex.Revoke]. f may
// unlock, or have the work come to its end first, or refuse by doing nothing. Unlock does not wait for f. A panic in f is logged
// and counted, as framework.Client's Guard says, and the lock is still held.
func OnRevoke(f func(h Holding)) Option {
	return func(s *settings) { s.onRevoke = f }
}

// Revoked is closed when somebody asks for the lock: see [Mutex.Revoke]. It costs no request.
func (h *Held) Revoked() <-chan struct{} { return h.claim.Revoked().Done() }

// Revoked is closed when somebody asks for any part: see [Mutex.Revoke]. It costs no request.
func (b *Bundle) Revoked() <-chan struct{} { return b.claims.Revoked().Done() }

// tell has OnRevoke's function called.
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

// held is a claim as the user gets it.
func (r *recipe) held(claim claim) *Held {
	h := &Held{claim: claim}
	h.ctx, h.hold = r.hold(claim.Context(), claim.Token())
	r.tell(claim, h)
	return h
}

// bundle is several claims as the user gets them.
func (r *recipe) bundle(claims *contend.Bundle) *Bundle {
	b := &Bundle{claims: claims}
	b.ctx, b.hold = r.hold(claims.Context(), claims.Claims()[0].Token())
	r.tell(claims, b)
	return b
}

// Revoke asks a contender to unlock, by writing into its node as Curator's Revoker does; what was in there is lost. Whether
// it unlocks is its own affair. Its [Held.Revoked] is closed, if it holds or once it does, and OnRevoke's function is called.
// The asker must be allowed to write the node.
//
// A contender that has gone is no error. Others are those of framework.Client's Set.
func (m *Mutex) Revoke(ctx context.Context, c Contender) error {
	return m.recipe.revoke(ctx, m.queue, c)
}

// Revoke asks a reader or writer to unlock: see [Mutex.Revoke].
func (m *RWMutex) Revoke(ctx context.Context, c Contender) error { return m.writing.Revoke(ctx, c) }

// Revoke asks for the permits that were taken together with a contender's: see [Mutex.Revoke].
func (s *Semaphore) Revoke(ctx context.Context, c Contender) error {
	return s.recipe.revoke(ctx, s.pool.Leases, c)
}

func (r recipe) revoke(ctx context.Context, q contend.Queue, c Contender) error {
	if err := q.Revoke(ctx, r.cli, c.Path); err != nil {
		return r.wrap(err)
	}
	return nil
}
