package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
)

// ErrLost says that what Do had locked was lost before its function returned: it may have overlapped with the next holder.
var ErrLost = errors.New("the lock was lost while it was held")

// Locker is what [Do] can lock: a [Mutex], the write lock of an [RWMutex], or its read lock ([RWMutex.RLocker]).
type Locker interface {
	// Lock waits until it holds the lock, as [Mutex.Lock] does.
	Lock(ctx context.Context) (*Held, error)
}

// RLocker is the read lock as a [Locker].
func (m *RWMutex) RLocker() Locker { return &m.reading }

// Do locks, calls f, and unlocks, also when f panics. The context of f ends when the lock is no longer held and when ctx
// ends; context.Cause of it says why. Do waits for f to return before it unlocks.
//
// Do returns the error of Lock, or what f returned. Joined to it are [ErrLost] with the cause, if the lock was lost or may have
// been lost before it was unlocked; or framework.ErrReleasing, if the servers have not confirmed the unlocking within a quarter
// of the session timeout, or refuse it. nil means that the lock was held until the servers had applied the release.
func Do(ctx context.Context, l Locker, f func(ctx context.Context, held *Held) error) error {
	if f == nil {
		return errors.New("lock.Do: the function is nil")
	}
	return do(ctx, f, l.Lock)
}

// Do acquires n permits, calls f, and releases them, even if f panics. It is to [Semaphore.Acquire] what the function [Do] is to Lock.
func (s *Semaphore) Do(ctx context.Context, n int, f func(ctx context.Context, permits *Bundle) error) error {
	return doBundle(ctx, f, func(ctx context.Context) (*Bundle, error) { return s.Acquire(ctx, n) })
}

// Do acquires all locks, calls f, and releases them, even if f panics. It is to [Multi.Lock] what the function [Do] is to [Mutex.Lock].
func (m *Multi) Do(ctx context.Context, f func(ctx context.Context, locks *Bundle) error) error {
	return doBundle(ctx, f, m.Lock)
}

func doBundle(ctx context.Context, f func(ctx context.Context, held *Bundle) error, acquire func(context.Context) (*Bundle, error)) error {
	if f == nil {
		return errors.New("Do: the function is nil")
	}
	return do(ctx, f, acquire)
}

// inSession is a [Holding] that knows its session.
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

// Bind returns a context that ends when the lock is no longer held, as [Held.Context] does, and when ctx ends. context.Cause says which, and why. It has
// the values of Held.Context. Call stop when the work is done; it does not unlock.
func (h *Held) Bind(ctx context.Context) (work context.Context, stop context.CancelFunc) {
	return bind(h.Context(), ctx)
}

// Bind returns a context that ends when any part is no longer held, as [Bundle.Context] does, and when ctx ends: see [Held.Bind].
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

// lost unlocks and says whether the lock was lost before.
func lost(ctx context.Context, h inSession) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.session().Timeout()/4)
	defer cancel()
	err := h.Unlock(ctx)
	if err == nil || errors.Is(err, framework.ErrReleasing) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}
