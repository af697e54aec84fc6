package discovery

import (
	"context"
)

// Change is a view of a service, and what has changed since the one before it.
type Change[T any] struct {
	// Instances are those of the service, in the order of their keys, those that are disabled included.
	Instances []*Endpoint[T]
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
}

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

// difference is what leads from one view to another. Both are in the order of the keys.
func difference[T any](old, now *view[T]) Change[T] {
	c := Change[T]{Instances: now.endpoints, Skipped: now.skipped, Missing: now.missing}
	var before []*Endpoint[T]
	if old != nil {
		before = old.endpoints
	}
	after := now.endpoints
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].key < after[0].key:
			c.Removed = append(c.Removed, before[0])
			before = before[1:]
		case len(before) == 0 || after[0].key < before[0].key:
			c.Added = append(c.Added, after[0])
			after = after[1:]
		default:
			if before[0] != after[0] {
				c.Updated = append(c.Updated, after[0])
			}
			before, after = before[1:], after[1:]
		}
	}
	return c
}
