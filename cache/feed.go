package cache

import (
	"context"
	"sync"
)

// step is a value with the number of skipped values before it.
type step[V any] struct {
	value  V
	missed int
}

// feed is the queue of one listener. When it is full, a new value replaces the last one.
type feed[V any] struct {
	bound int
	ready chan struct{} // holds a token when there may be a step

	mu    sync.Mutex
	queue []step[V]
}

func newFeed[V any](bound int) *feed[V] {
	return &feed[V]{bound: bound, ready: make(chan struct{}, 1)}
}

// push never blocks.
func (f *feed[V]) push(v V) {
	f.mu.Lock()
	if n := len(f.queue); n < f.bound {
		f.queue = append(f.queue, step[V]{value: v})
	} else {
		f.queue[n-1] = step[V]{value: v, missed: f.queue[n-1].missed + 1}
	}
	f.mu.Unlock()
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// pop removes the oldest step, if there is one.
func (f *feed[V]) pop() (s step[V], ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		f.queue = nil
		return s, false
	}
	s = f.queue[0]
	f.queue[0] = step[V]{}
	f.queue = f.queue[1:]
	return s, true
}

// next waits for a step until ctx ends.
func (f *feed[V]) next(ctx context.Context) (step[V], bool) {
	for {
		if ctx.Err() != nil {
			return step[V]{}, false
		}
		if s, ok := f.pop(); ok {
			return s, true
		}
		select {
		case <-f.ready:
		case <-ctx.Done():
		}
	}
}
