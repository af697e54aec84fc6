package lock

import (
	"errors"

	"github.com/docent-zk/docent/internal/contend"
)

// Errors of this package, besides those of package framework.
var (
	// ErrLocked is returned by TryLock when somebody else holds the lock or is in the queue for it.
	ErrLocked = contend.ErrTaken
	// ErrWaitLimit is returned by Lock when the limit set with WaitLimit has passed.
	ErrWaitLimit = errors.New("not acquired within the wait limit")
	// ErrOption says that an option does not fit the kind of lock, or that its value makes no sense.
	ErrOption = errors.New("impossible option")
	// ErrReleased is the cause of a Held's context after Unlock.
	ErrReleased = contend.ErrReleased
	// ErrDeleted is the cause of a Held's context when somebody else has deleted its node; or the servers have, at the end
	// of its session, and that news came first.
	ErrDeleted = contend.ErrDeleted
	// ErrNotHeld is returned by Held.Multi when the lock is no longer held. Nothing was applied.
	ErrNotHeld = contend.ErrNotHeld
)
