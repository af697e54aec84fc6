package lock

import (
	"errors"

	"github.com/docent-zk/docent/internal/contend"
)

// Errors of this package, besides those of package framework.
var (
	// ErrLocked is returned by TryLock when another contender holds the lock or is queued for it.
	ErrLocked = contend.ErrTaken
	// ErrWaitLimit is returned by Lock when the limit of [WaitLimit] has passed.
	ErrWaitLimit = errors.New("not acquired within the wait limit")
	// ErrOption is returned by Lock when an option does not apply to this kind of lock, or has an invalid value.
	ErrOption = errors.New("invalid option")
	// ErrReleased is the cause of a Held's context after Unlock.
	ErrReleased = contend.ErrReleased
	// ErrDeleted is the cause of a Held's context when another client has deleted its node. It is also the cause when
	// the servers have deleted the node because the session ended, and the event arrived before that news.
	ErrDeleted = contend.ErrDeleted
	// ErrNotHeld is returned by Held.Multi when the lock is no longer held. Nothing was applied.
	ErrNotHeld = contend.ErrNotHeld
)
