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
func Do(ctx context.Context, l Locker, f func(ctx context.Context, held *Held) error) (err error) {
	if f == nil {
		return errors.New("lock.Do: the function is nil")
	}
	held, err := l.Lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lost(ctx, held)) }()
	work, stop := framework.WithCancelCause(held.Context())
	defer stop(nil)
	defer context.AfterFunc(ctx, func() { stop(context.Cause(ctx)) })()
	return f(work, held)
}

// lost unlocks and says whether the lock was lost before.
func lost(ctx context.Context, held *Held) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), held.claim.Session().Timeout()/4)
	defer cancel()
	err := held.Unlock(ctx)
	if err == nil || errors.Is(err, framework.ErrReleasing) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}
