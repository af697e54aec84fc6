package framework

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// binding is a context that depends on an epoch, under a policy.
type binding struct {
	n      uint64 // in the order of creation
	policy Policy
	claim  bool // ends when trust ends, whatever the policy
	cancel context.CancelCauseFunc
	grace  *time.Timer // running while suspended
}

// bindings are the contexts of an epoch, guarded by the epoch's mutex. No code of the user runs while it is held: see
// bind.
type bindings struct {
	m         map[*binding]struct{}
	n         uint64
	suspended time.Time // since when; zero while connected
	ended     error     // set once, when the epoch has ended or the client is closing
}

// ordered lists the bindings from the oldest to the newest, so that simulations are reproducible.
func (bs *bindings) ordered() []*binding {
	return slices.SortedFunc(maps.Keys(bs.m), func(a, b *binding) int { return cmp.Compare(a.n, b.n) })
}

// bind derives a context from parent that ends when policy says so. The caller must cancel it.
//
// When a context is cancelled, it removes itself from its parent, and a parent of a user's own type may be slow.
// Therefore a context of the standard library is inserted, which only the caller's cancel removes from the parent. So
// cancelling a binding is always fast. (AfterFuncs run in goroutines of their own.)
func (e *epoch) bind(parent context.Context, p Policy, claim bool) (context.Context, context.CancelCauseFunc) {
	between, detach := context.WithoutCancel(parent), func() {}
	if parent.Done() != nil {
		between, detach = context.WithCancel(parent)
	}
	inner, cancel := context.WithCancelCause(between)
	b := &binding{policy: p, claim: claim, cancel: cancel}
	e.admit(b)
	ctx := &looking{inner, func() {
		endWith(parent, cancel)
		e.look(b)
	}}
	return ctx, func(cause error) {
		ctx.find() // if parent has already ended, this does not end the new context
		cancel(cause)
		e.unbind(b)
		detach()
	}
}

// admit adds b to the bindings of the epoch.
func (e *epoch) admit(b *binding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	bs := &e.bindings
	if bs.ended != nil {
		b.cancel(bs.ended)
		return
	}
	if bs.m == nil {
		bs.m = make(map[*binding]struct{})
	}
	bs.n++
	b.n = bs.n
	bs.m[b] = struct{}{}
	if b.claim && !e.trusted() {
		b.cancel(ErrUntrusted)
		e.signals.wake()
	}
	if !bs.suspended.IsZero() {
		b.suspend(bs.away())
	}
}

// claimsCancel reports whether there is a claim that SUSPENDED would end.
func (e *epoch) claimsCancel() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for b := range e.bindings.m {
		if b.claim && b.policy.OnSuspended == Cancel {
			return true
		}
	}
	return false
}

func (e *epoch) unbind(b *binding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b.stopGrace()
	delete(e.bindings.m, b)
}

// suspend applies the policy for SUSPENDED, which began the given time ago.
func (b *binding) suspend(ago time.Duration) {
	switch grace := b.policy.Grace; {
	case b.policy.OnSuspended == Cancel:
		b.cancel(ErrSuspended)
	case grace > 0 && ago >= grace:
		b.endGrace()
	case grace > 0 && b.grace == nil:
		b.grace = time.AfterFunc(grace-ago, b.endGrace)
	}
}

func (b *binding) endGrace() {
	b.cancel(fmt.Errorf("%w for longer than the grace of %v", ErrSuspended, b.policy.Grace))
}

func (b *binding) stopGrace() {
	if b.grace != nil {
		b.grace.Stop()
		b.grace = nil
	}
}

// suspendBindings is called when the connection breaks.
func (e *epoch) suspendBindings() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bindings.suspended = time.Now()
	for _, b := range e.bindings.ordered() {
		b.suspend(0)
	}
}

// resumeBindings is called when the same session is connected again. It ends a binding whose grace has passed, even if
// its timer has not run yet.
func (e *epoch) resumeBindings() {
	e.mu.Lock()
	defer e.mu.Unlock()
	away := e.bindings.away()
	e.bindings.suspended = time.Time{}
	for _, b := range e.bindings.ordered() {
		b.suspend(away)
		b.stopGrace()
	}
}

// away returns for how long the connection has been suspended.
func (bs *bindings) away() time.Duration {
	if bs.suspended.IsZero() {
		return 0
	}
	return time.Since(bs.suspended)
}

// look ends what has expired by now: b with its session, every claim of the session with its trust, or b with its
// grace. The supervisor does the rest.
func (e *epoch) look(b *binding) {
	switch {
	case e.lookLost():
	case b.claim && !e.trusted():
		e.distrust()
		e.signals.wake()
	case b.policy.Grace > 0:
		e.lookSuspended(b)
	}
}

// lookSuspended ends b if its grace has passed.
func (e *epoch) lookSuspended(b *binding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bindings.away() >= b.policy.Grace {
		b.endGrace()
	}
}

// lookLost reports whether the session has ended, and ends its bindings if so. A session has ended if a server has said
// so, or if it is presumed lost.
func (e *epoch) lookLost() bool {
	switch {
	case e.ctx.Err() != nil:
	case !e.silent():
		return false
	default:
		cause := e.silence()
		e.fence(cause)
		e.signals.push(signal{kind: sessionExpired, cause: cause})
	}
	e.endBindings(context.Cause(e.ctx))
	return true
}

// distrust ends every claim.
func (e *epoch) distrust() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, b := range e.bindings.ordered() {
		if b.claim {
			b.cancel(ErrUntrusted)
		}
	}
}

// endBindings ends every context of the epoch, including later ones. The first cause is kept.
func (e *epoch) endBindings(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bindings.ended != nil {
		return // each remaining binding looks for itself and finds that the epoch has ended
	}
	e.bindings.ended = cause
	for _, b := range e.bindings.ordered() {
		b.stopGrace()
		b.cancel(cause)
	}
}
