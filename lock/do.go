package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
)

// ErrLost means that the lock that Do held was lost before the function returned. The work may have overlapped with
// that of the next holder.
var ErrLost = errors.New("the lock was lost while it was held")

// Locker is what [Do] can lock: a [Mutex], the write lock of an [RWMutex], or its read lock ([RWMutex.RLocker]).
type Locker interface {
	// Lock waits until it holds the lock, as [Mutex.Lock] does.
	Lock(ctx context.Context) (*Held, error)
}

// RLocker returns the read lock as a [Locker].
func (m *RWMutex) RLocker() Locker { return &m.reading }

// Do acquires l, calls f and releases l, even if f panics. The context of f ends when the lock is no longer held or
// when ctx ends; context.Cause says which. Do does not release the lock before f has returned.
//
// Do returns the error of Lock or of f. It joins two errors to that of f. [ErrLost], with the cause, means that the
// lock was lost, or may have been lost, before it was released. framework.ErrReleasing means that the servers refuse
// the release, or have not confirmed it within a quarter of the session timeout. A nil error means that the lock was
// held until the servers had applied the release.
func Do(ctx context.Context, l Locker, f func(ctx context.Context, held *Held) error) error {
	switch {
	case f == nil:
		return errors.New("lock.Do: the function is nil")
	case l == nil:
		return errors.New("lock.Do: the Locker is nil")
	}
	return do(ctx, f, l.Lock)
}

// Do acquires n permits, calls f and releases the permits, even if f panics. Contexts and errors are those of the
// function [Do]. ErrLost then refers to any of the permits.
func (s *Semaphore) Do(ctx context.Context, n int, f func(ctx context.Context, permits *Bundle) error) error {
	return doBundle(ctx, f, func(ctx context.Context) (*Bundle, error) { return s.Acquire(ctx, n) })
}

// Do acquires all locks, calls f and releases the locks, even if f panics. Contexts and errors are those of the
// function [Do]. ErrLost then refers to any of the locks.
func (m *Multi) Do(ctx context.Context, f func(ctx context.Context, locks *Bundle) error) error {
	return doBundle(ctx, f, m.Lock)
}

func doBundle(ctx context.Context, f func(ctx context.Context, held *Bundle) error, acquire func(context.Context) (*Bundle, error)) error {
	if f == nil {
		return errors.New("Do: the function is nil")
	}
	return do(ctx, f, acquire)
}

// inSession is a [Holding] with its session.
type inSession interface {
	Holding
	session() *framework.Session
}

func (h *Held) session() *framework.Session   { return h.claim.Session() }
func (b *Bundle) session() *framework.Session { return b.claims.Session() }

func do[H inSession](ctx context.Context, f func(ctx context.Context, h H) error, acquire func(context.Context) (H, error)) (err error) {
	h, err := acquire(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lost(ctx, h)) }()
	work, stop := bind(h.Context(), ctx)
	defer stop()
	return f(work, h)
}

// Bind returns a context that ends when the lock is no longer held, as [Held.Context] does, and when ctx ends.
// context.Cause says which. The values are those of Held.Context. Call stop when the work is done; it does not release
// the lock.
func (h *Held) Bind(ctx context.Context) (work context.Context, stop context.CancelFunc) {
	return bind(h.Context(), ctx)
}

// Bind returns a context that ends when any part is no longer held, as [Bundle.Context] does, and when ctx ends. See
// [Held.Bind].
func (b *Bundle) Bind(ctx context.Context) (work context.Context, stop context.CancelFunc) {
	return bind(b.Context(), ctx)
}

func bind(claim, ctx context.Context) (work context.Context, stop context.CancelFunc) {
	work, cancel := framework.WithCancelCause(claim)
	forget := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	return work, func() {
		forget()
		cancel(nil)
	}
}

// lost releases h and returns ErrLost if it was lost before.
func lost(ctx context.Context, h inSession) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.session().Timeout()/4)
	defer cancel()
	err := h.Unlock(ctx)
	if err == nil || errors.Is(err, framework.ErrReleasing) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}
