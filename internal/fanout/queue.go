package fanout

import (
	"context"
	"sync"
)

// Queue is an unbounded first-in first-out queue for any number of producers
// and consumers. The zero value is an empty queue; it must not be copied after
// first use.
type Queue[T any] struct {
	mu     sync.Mutex
	ring   ring[T]
	closed bool
	// wake is what consumers of the empty queue wait for: closed, and
	// forgotten, by the next Push or Close. It exists only while somebody
	// waits, which keeps the zero value usable and an idle queue small.
	wake chan struct{}
}

// Push appends v and returns true. It never waits. After Close, it drops v
// and returns false.
func (q *Queue[T]) Push(v T) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.ring.push(v)
	wake := q.takeWake()
	q.mu.Unlock()
	notify(wake)
	return true
}

// Pop removes and returns the oldest item, and waits for one if there is none.
// It returns false when ctx has ended, whether or not items are left, and when
// the queue is closed and empty.
func (q *Queue[T]) Pop(ctx context.Context) (T, bool) {
	for {
		if ctx.Err() != nil {
			var none T
			return none, false
		}
		v, ok, wake := q.tryPop()
		if wake == nil {
			return v, ok
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

// tryPop takes an item if there is one. If there is none, but may be later, it
// returns the channel to wait for.
func (q *Queue[T]) tryPop() (v T, ok bool, wake <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.ring.count > 0:
		return q.ring.pop(), true, nil
	case q.closed:
		return v, false, nil
	}
	if q.wake == nil {
		q.wake = make(chan struct{})
	}
	return v, false, q.wake
}

// Close ends the queue: no item can be added any more, those that it holds can
// still be popped. It does not wait, and may be called repeatedly.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.closed = true
	wake := q.takeWake()
	q.mu.Unlock()
	notify(wake)
}

// Len returns the number of items in the queue.
func (q *Queue[T]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ring.count
}

func (q *Queue[T]) takeWake() chan struct{} {
	wake := q.wake
	q.wake = nil
	return wake
}

func notify(wake chan struct{}) {
	if wake != nil {
		close(wake)
	}
}
