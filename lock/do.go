package lock

import (
	"context"
	"errors"
	"fmt"
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
// It returns the error of Lock, or what f returned; and besides, joined to it, [ErrLost] with the cause if the lock was lost
// meanwhile. Unlocking goes on in the background when the servers do not answer within a quarter of the session timeout.
func Do(ctx context.Context, l Locker, f func(ctx context.Context, held *Held) error) (err error) {
	held, err := l.Lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lost(ctx, held)) }()
	work, stop := context.WithCancelCause(held.Context())
	defer stop(nil)
	defer context.AfterFunc(ctx, func() { stop(context.Cause(ctx)) })()
	return f(work, held)
}

// lost unlocks and says whether the lock was lost before.
func lost(ctx context.Context, held *Held) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), held.claim.Session().Timeout()/4)
	defer cancel()
	err := held.Unlock(ctx)
	cause := context.Cause(held.Context())
	switch {
	case !errors.Is(cause, ErrReleased):
	case errors.Is(err, ErrDeleted): // which only the servers knew
		cause = ErrDeleted
	default: // what is left to do goes on in the background
		return nil
	}
	return fmt.Errorf("%s: %w: %w", held.Path(), ErrLost, cause)
}
