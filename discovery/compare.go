package discovery

// compare calls f, in the order of keys, for each key whose Endpoints differ in the two rosters, with nil for a missing
// one, until f returns false. It reports whether f never did.
func compare[T any](old, now roster[T], f func(before, after *Endpoint[T]) bool) bool {
	a, b := trim(level(old), level(now))
	for len(a) > 0 && a[0].kids != nil || len(b) > 0 && b[0].kids != nil {
		da, db := depth(a), depth(b)
		if da >= db {
			a = below(a)
		}
		if db >= da {
			b = below(b)
		}
		a, b = trim(a, b)
	}
	return merge(cursor[T]{leaves: a}, cursor[T]{leaves: b}, f)
}

func level[T any](r roster[T]) []*chunk[T] {
	if r.root == nil {
		return nil
	}
	return []*chunk[T]{r.root}
}

// depth returns the number of levels below the chunks of one level.
func depth[T any](chunks []*chunk[T]) int {
	n := 0
	for len(chunks) > 0 && chunks[0].kids != nil {
		chunks = chunks[0].kids
		n++
	}
	return n
}

// below returns the next level.
func below[T any](chunks []*chunk[T]) []*chunk[T] {
	var all []*chunk[T]
	for _, c := range chunks {
		all = append(all, c.kids...)
	}
	return all
}

// trim removes what two levels share at their beginnings and ends.
func trim[T any](a, b []*chunk[T]) (_, _ []*chunk[T]) {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

// cursor iterates over the Endpoints of leaves.
type cursor[T any] struct {
	leaves []*chunk[T]
	at     int // index in the first leaf
}

// peek returns the next Endpoint; nil at the end.
func (c *cursor[T]) peek() *Endpoint[T] {
	if len(c.leaves) == 0 {
		return nil
	}
	return c.leaves[0].items[c.at]
}

func (c *cursor[T]) advance() {
	if c.at++; c.at == len(c.leaves[0].items) {
		c.leaves, c.at = c.leaves[1:], 0
	}
}

// merge is compare for leaves.
func merge[T any](a, b cursor[T], f func(before, after *Endpoint[T]) bool) bool {
	for {
		if a.at == 0 && b.at == 0 {
			a.leaves, b.leaves = trim(a.leaves, b.leaves)
		}
		before, after := a.peek(), b.peek()
		switch {
		case before == nil && after == nil:
			return true
		case before == nil, after != nil && after.key < before.key:
			before = nil
		case after == nil, before.key < after.key:
			after = nil
		}
		if before != nil {
			a.advance()
		}
		if after != nil {
			b.advance()
		}
		if before != after && !f(before, after) {
			return false
		}
	}
}

// same reports whether two rosters have the same Endpoints.
func (r roster[T]) same(other roster[T]) bool {
	return compare(r, other, func(_, _ *Endpoint[T]) bool { return false })
}

// pool is a roster that counts its Endpoints with a weight above 0.
type pool[T any] struct {
	roster[T]
	weighty int
}

// newPool returns a pool of Endpoints, which are ordered by key.
func newPool[T any](all []*Endpoint[T]) pool[T] {
	p := pool[T]{roster: newRoster(all)}
	for _, e := range all {
		p.weighty += weightOne(e)
	}
	return p
}

// put adds e, or replaces the Endpoint with its key.
func (p *pool[T]) put(e *Endpoint[T]) {
	p.weighty += weightOne(e) - weightOne(p.get(e.key))
	p.roster = p.with(e)
}

// drop removes the Endpoint with a key, if there is one.
func (p *pool[T]) drop(key string) {
	p.weighty -= weightOne(p.get(key))
	p.roster = p.without(key)
}

// weightOne returns 1 for an Endpoint with a weight above 0, otherwise 0. e may be nil.
func weightOne[T any](e *Endpoint[T]) int {
	if e != nil && e.weight > 0 {
		return 1
	}
	return 0
}
