package discovery

import (
	"context"
	"iter"
)

// Change is a view of a service, and what has changed since the one before it.
type Change[T any] struct {
	// Added are new. In the first Change they are all.
	Added []*Endpoint[T]
	// Updated are different from what they were.
	Updated []*Endpoint[T]
	// Removed are not there any more. An instance that was registered again in the meantime, with another payload perhaps, is not
	// removed, but updated.
	Removed []*Endpoint[T]
	// Skipped are the nodes that cannot be read.
	Skipped []Skipped
	// Missing says that there is not even a directory: nobody has ever registered, or the servers have tidied up.
	Missing bool

	instances roster[T]
}

// Instances lists all instances of the service, in the order of their keys, those that are disabled included.
func (c Change[T]) Instances() iter.Seq[*Endpoint[T]] { return c.instances.all() }

// Len is the number of instances that Instances lists.
func (c Change[T]) Len() int { return c.instances.count() }

// Changes follows the instances of a service: it returns a channel that has the present ones at once, with all of them Added, and
// then every change. A reader that is slow gets changes together, as one with the exact difference to what it got before.
// What Pick makes of the instances, and whether the view is stale, is no change. The channel is closed when ctx ends, when the
// Service is closed, and when the client is. Nothing in a Change is to be changed.
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

// deliver sends changes until there is nobody to send them to.
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

// difference is what leads from one view to another.
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
