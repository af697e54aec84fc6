package discovery

import (
	"context"
	"iter"
)

// Change is a view of a service and what has changed since the previous one.
type Change[T any] struct {
	// Added are the new instances. In the first Change, these are all instances.
	Added []*Endpoint[T]
	// Updated are the instances that have changed.
	Updated []*Endpoint[T]
	// Removed are the instances that are gone. An instance that has been registered again since, perhaps with another
	// payload, is in Updated.
	Removed []*Endpoint[T]
	// Skipped are the nodes that cannot be read.
	Skipped []Skipped
	// Missing means that the service has no directory: nothing has ever been registered, or the servers have removed
	// the empty directory.
	Missing bool

	instances roster[T]
}

// Instances iterates over all instances of the service, including disabled ones, ordered by key.
func (c Change[T]) Instances() iter.Seq[*Endpoint[T]] { return c.instances.all() }

// Len returns the number of instances that Instances yields.
func (c Change[T]) Len() int { return c.instances.count() }

// Changes delivers the current instances immediately, as Added, and then every change. For a slow reader, changes are
// merged into one with the exact difference to the last one that it received. Ejection and staleness are not changes.
// The channel is closed when ctx ends, when the Service is closed, and when the client is closed. Do not modify a
// Change.
func (s *Service[T]) Changes(ctx context.Context) <-chan Change[T] {
	out := make(chan Change[T])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		close(out)
		return out
	}
	s.work.Go(func() {
		defer close(out)
		s.deliver(ctx, out)
	})
	return out
}

// deliver sends changes until ctx or the Service ends.
func (s *Service[T]) deliver(ctx context.Context, out chan<- Change[T]) {
	var old *view[T]
	for {
		v, changed := s.look()
		to, c := out, Change[T]{}
		if old != nil && old.same(v) {
			to = nil
		} else {
			c = difference(old, v)
		}
		select {
		case to <- c:
			old = v
		case <-changed:
		case <-ctx.Done():
			return
		case <-s.life.Done():
			return
		}
	}
}

// difference returns the change from one view to another.
func difference[T any](old, now *view[T]) Change[T] {
	c := Change[T]{instances: now.endpoints, Skipped: now.skipped, Missing: now.missing}
	var known roster[T]
	if old != nil {
		known = old.endpoints
	}
	compare(known, now.endpoints, func(before, after *Endpoint[T]) bool {
		switch {
		case before == nil:
			c.Added = append(c.Added, after)
		case after == nil:
			c.Removed = append(c.Removed, before)
		default:
			c.Updated = append(c.Updated, after)
		}
		return true
	})
	return c
}
