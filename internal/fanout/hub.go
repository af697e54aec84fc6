package fanout

import (
	"context"
	"slices"
	"sync"
)

// Hub delivers everything that is published to everyone who has subscribed, in
// order and without loss. The zero value is ready for use; it must not be
// copied after first use.
type Hub[T any] struct {
	mu sync.Mutex
	// subs is in the order of subscription. A slice and not a map: the
	// order in which readers wake up is the same in every run.
	subs   []*subscription[T]
	closed bool // Close was called
	shut   bool // Shutdown was called
}

// subscription is one subscriber's queue and the goroutine that empties it.
type subscription[T any] struct {
	queue Queue[T]
	out   chan T
	drop  context.CancelFunc // ends the goroutine, whatever is in the queue
	done  chan struct{}      // closed when the goroutine has left the hub
}

// Publish gives v to every present subscriber. It never waits for one. After
// Close it does nothing.
//
// Publish, Subscribe and Close may be called with a lock held.
func (h *Hub[T]) Publish(v T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Under the lock, so that all queues get concurrent publications in one
	// order. Push does not wait.
	for _, s := range h.subs {
		s.queue.Push(v)
	}
}

// Subscribe returns a channel of the initial values, followed by every value
// published from now on. It is closed
//   - at once when ctx ends or at Shutdown, with what was not read dropped,
//     whether or not somebody reads;
//   - after Close, when everything has been read.
//
// A subscription with a ctx that has ended, or after Shutdown, yields a closed
// channel; one after Close yields the initial values.
//
// Values wait in memory until they are read, so a subscriber that has lost
// interest must end ctx.
func (h *Hub[T]) Subscribe(ctx context.Context, initial ...T) <-chan T {
	ctx, drop := context.WithCancel(ctx)
	s := &subscription[T]{out: make(chan T), drop: drop, done: make(chan struct{})}
	for _, v := range initial {
		s.queue.Push(v)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shut {
		drop()
	}
	if h.closed {
		s.queue.Close()
	}
	h.subs = append(h.subs, s)
	go func() {
		defer close(s.done)
		defer h.remove(s)
		defer drop()
		s.deliver(ctx)
	}()
	return s.out
}

// deliver moves values from the queue to the channel until the subscription
// ends, then closes the channel.
func (s *subscription[T]) deliver(ctx context.Context) {
	defer close(s.out)
	for {
		v, ok := s.queue.Pop(ctx)
		if !ok {
			return
		}
		select {
		case s.out <- v:
		case <-ctx.Done():
			return
		}
	}
}

func (h *Hub[T]) remove(s *subscription[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.Index(h.subs, s); i >= 0 {
		h.subs = slices.Delete(h.subs, i, i+1)
	}
}

// Close marks the end: later publications are ignored, and every channel is
// closed once its subscriber has read what was published before. It does not
// wait for that; see Wait and Shutdown. It may be called repeatedly.
func (h *Hub[T]) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, s := range h.subs {
		s.queue.Close()
	}
}

// Wait returns nil when no subscription is left: after Close, when each has
// been read to its end or its ctx has ended. It returns context.Cause(ctx) when
// ctx ends first, which a subscriber that never reads makes necessary.
func (h *Hub[T]) Wait(ctx context.Context) error {
	for {
		s := h.oldest()
		if s == nil {
			return nil
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// oldest returns the subscription that has existed longest, or nil.
func (h *Hub[T]) oldest() *subscription[T] {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subs) == 0 {
		return nil
	}
	return h.subs[0]
}

// Shutdown is Close for an owner that cannot wait for readers: it drops what
// they have not read, closes their channels, and returns when the goroutines of
// all subscriptions have ended. It may be called repeatedly.
func (h *Hub[T]) Shutdown() {
	h.Close()
	h.dropAll()
	_ = h.Wait(context.Background()) // which does not end, so there is no error
}

func (h *Hub[T]) dropAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shut = true
	for _, s := range h.subs {
		s.drop()
	}
}
