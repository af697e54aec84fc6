package cache

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// board publishes a sequence of values. Readers load the latest one without a lock. Listeners receive all of them.
type board[V any] struct {
	latest atomic.Pointer[V]

	mu      sync.Mutex
	feeds   []*feed[*V]
	changed chan struct{} // closed by the next value; nil if no reader waits for it
	closed  bool
	readers sync.WaitGroup
}

// show replaces the latest value with the result of f, unless that is the same.
func (b *board[V]) show(f func(old *V) *V) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.latest.Load()
	now := f(old)
	if now == old || b.closed {
		return
	}
	b.latest.Store(now)
	for _, feed := range b.feeds {
		feed.push(now)
	}
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// wait returns the latest value, and a channel that is closed when there is another one or the sequence has ended.
func (b *board[V]) wait() (*V, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
		if b.closed {
			close(b.changed)
		}
	}
	return b.latest.Load(), b.changed
}

// close ends the sequence. It waits for the listeners, whose contexts must have ended.
func (b *board[V]) close() {
	b.mu.Lock()
	b.closed = true
	if b.changed != nil {
		close(b.changed)
	}
	b.changed = nil
	b.mu.Unlock()
	b.readers.Wait()
}

// listen starts a listener with the current value and its own queue. run is called in a goroutine that close waits for.
// listen reports whether it was started.
func (b *board[V]) listen(bound int, run func(now *V, f *feed[*V])) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	f, now := newFeed[*V](bound), b.latest.Load()
	b.feeds = append(b.feeds, f)
	b.readers.Go(func() {
		defer b.leave(f)
		run(now, f)
	})
	return true
}

func (b *board[V]) leave(f *feed[*V]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.feeds, f); i >= 0 {
		b.feeds = slices.Delete(b.feeds, i, i+1)
	}
}

// until waits for a value that satisfies the condition. It reports false if ctx or the sequence ended first.
func (b *board[V]) until(ctx context.Context, satisfies func(*V) bool) bool {
	for {
		v, changed := b.wait()
		switch {
		case satisfies(v):
			return true
		case ctx.Err() != nil || b.ended():
			return false
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (b *board[V]) ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}
