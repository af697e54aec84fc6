package fanout

// minRing is the smallest capacity of a ring that holds anything.
const minRing = 8

// ring is a growing circular buffer. Its capacity is a power of two, doubles
// when full, and halves when three quarters are free, so that pushing and
// popping cost amortised constant time and memory follows the content down.
type ring[T any] struct {
	items []T
	head  int // index of the oldest item
	count int
}

func (r *ring[T]) push(v T) {
	if r.count == len(r.items) {
		r.resize(max(minRing, 2*r.count))
	}
	r.items[(r.head+r.count)&(len(r.items)-1)] = v
	r.count++
}

// pop removes the oldest item. The ring must not be empty.
func (r *ring[T]) pop() T {
	var none T
	v := r.items[r.head]
	r.items[r.head] = none // the ring must not keep it alive
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.count--
	if len(r.items) > minRing && r.count <= len(r.items)/4 {
		r.resize(len(r.items) / 2)
	}
	return v
}

func (r *ring[T]) resize(capacity int) {
	items := make([]T, capacity)
	n := copy(items, r.items[r.head:min(r.head+r.count, len(r.items))])
	copy(items[n:], r.items[:r.count-n])
	r.items, r.head = items, 0
}
