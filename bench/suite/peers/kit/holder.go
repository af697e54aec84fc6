package kit

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrTwoHolders says that two held a lock at the same time.
var ErrTwoHolders = errors.New("two hold the lock at the same time")

// Exclusive watches that what it guards is held by one at a time. All holders are in this process.
type Exclusive struct {
	inside  atomic.Int32
	counter atomic.Int64 // written in two steps, so that holders at the same time lose steps
	entered atomic.Int64
}

// Enter records a new holder. Call it with the lock held.
func (e *Exclusive) Enter() error {
	e.entered.Add(1)
	if !e.inside.CompareAndSwap(0, 1) {
		return ErrTwoHolders
	}
	e.counter.Store(e.counter.Load() + 1)
	return nil
}

// Leave records that the holder is about to release. Call it with the lock still held.
func (e *Exclusive) Leave() error {
	if !e.inside.CompareAndSwap(1, 0) {
		return ErrTwoHolders
	}
	return nil
}

// Verify reports whether every entry was counted.
func (e *Exclusive) Verify() error {
	if counted, entered := e.counter.Load(), e.entered.Load(); counted != entered {
		return fmt.Errorf("%w: %d of %d entries were counted", ErrTwoHolders, counted, entered)
	}
	return nil
}
