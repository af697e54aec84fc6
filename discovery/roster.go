package discovery

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// roster is an immutable list of Endpoints, ordered by key. A roster with one difference shares nearly all memory with
// the one that it was derived from: it copies one chunk of each level.
//
// It is a B-tree that counts the Endpoints below each chunk, so an Endpoint can be found by its key and by its index. A
// roster of up to maxItems Endpoints is a single chunk. Comparing two rosters skips what they share.
type roster[T any] struct{ root *chunk[T] }

// chunk is a node of the tree. A leaf has Endpoints; any other chunk has non-empty chunks below it.
type chunk[T any] struct {
	low   string // the first key
	items []*Endpoint[T]
	kids  []*chunk[T]
	ends  []int // number of Endpoints up to and including each of the kids
}

const (
	maxItems = 256
	maxKids  = 64
)

// newRoster returns a roster of Endpoints, which are ordered by key.
func newRoster[T any](all []*Endpoint[T]) roster[T] {
	var level []*chunk[T]
	size := maxItems * 3 / 4 // leaves room
	if len(all) <= maxItems {
		size = maxItems
	}
	for items := range slices.Chunk(all, size) {
		level = append(level, leaf(slices.Clone(items)))
	}
	for len(level) > 1 {
		var above []*chunk[T]
		for kids := range slices.Chunk(level, maxKids*3/4) {
			above = append(above, branch(slices.Clone(kids)))
		}
		level = above
	}
	if len(level) == 0 {
		return roster[T]{}
	}
	return roster[T]{level[0]}
}

func leaf[T any](items []*Endpoint[T]) *chunk[T] { return &chunk[T]{low: items[0].key, items: items} }

func branch[T any](kids []*chunk[T]) *chunk[T] {
	c := &chunk[T]{low: kids[0].low, kids: kids, ends: make([]int, len(kids))}
	n := 0
	for i, kid := range kids {
		n += kid.count()
		c.ends[i] = n
	}
	return c
}

func (c *chunk[T]) count() int {
	switch {
	case c == nil:
		return 0
	case c.kids == nil:
		return len(c.items)
	}
	return c.ends[len(c.ends)-1]
}

// count returns the number of Endpoints.
func (r roster[T]) count() int { return r.root.count() }

// at returns the Endpoint with an index.
func (r roster[T]) at(i int) *Endpoint[T] {
	c := r.root
	if c.kids != nil {
		c, i = c.leafOf(i)
	}
	return c.items[i]
}

// leafOf returns the leaf with the Endpoint of index i in c, and its index in the leaf.
func (c *chunk[T]) leafOf(i int) (*chunk[T], int) {
	for c.kids != nil {
		k := sort.SearchInts(c.ends, i+1)
		if k > 0 {
			i -= c.ends[k-1]
		}
		c = c.kids[k]
	}
	return c, i
}

// candidate implements candidateList.
func (r roster[T]) candidate(i int) *Candidate { return &r.at(i).Candidate }

// all iterates over the Endpoints.
func (r roster[T]) all() iter.Seq[*Endpoint[T]] {
	return func(yield func(*Endpoint[T]) bool) { r.root.each(yield) }
}

// candidates implements candidateList.
func (r roster[T]) candidates() iter.Seq[*Candidate] {
	return func(yield func(*Candidate) bool) {
		r.root.each(func(e *Endpoint[T]) bool { return yield(&e.Candidate) })
	}
}

func (c *chunk[T]) each(f func(*Endpoint[T]) bool) bool {
	if c == nil {
		return true
	}
	for _, e := range c.items {
		if !f(e) {
			return false
		}
	}
	for _, kid := range c.kids {
		if !kid.each(f) {
			return false
		}
	}
	return true
}

// search returns the index at which a key is, or would be, in a leaf.
func (c *chunk[T]) search(key string) (int, bool) {
	return slices.BinarySearchFunc(c.items, key, func(e *Endpoint[T], key string) int { return cmp.Compare(e.key, key) })
}

// kid returns the index of the chunk below c that a key belongs to.
func (c *chunk[T]) kid(key string) int {
	i, found := slices.BinarySearchFunc(c.kids, key, func(c *chunk[T], key string) int { return cmp.Compare(c.low, key) })
	if !found && i > 0 {
		i--
	}
	return i
}

// get returns the Endpoint with a key, or nil.
func (r roster[T]) get(key string) *Endpoint[T] {
	c := r.root
	if c == nil {
		return nil
	}
	for c.kids != nil {
		c = c.kids[c.kid(key)]
	}
	if i, found := c.search(key); found {
		return c.items[i]
	}
	return nil
}

// with returns the roster after adding e, or replacing the Endpoint with its key.
func (r roster[T]) with(e *Endpoint[T]) roster[T] {
	switch {
	case r.root == nil:
		return roster[T]{leaf([]*Endpoint[T]{e})}
	case r.get(e.key) == e:
		return r
	}
	now := r.root.with(e)
	if len(now) > 1 {
		return roster[T]{branch(now)}
	}
	return roster[T]{now[0]}
}

// with returns what replaces c: one chunk, or two if the Endpoints do not fit into one.
func (c *chunk[T]) with(e *Endpoint[T]) []*chunk[T] {
	if c.kids != nil {
		i := c.kid(e.key)
		return pieces(replaced(c.kids, i, i+1, c.kids[i].with(e)...), maxKids, branch[T])
	}
	i, found := c.search(e.key)
	end := i
	if found {
		end++
	}
	return pieces(replaced(c.items, i, end, e), maxItems, leaf[T])
}

// without returns the roster without the Endpoint with a key.
func (r roster[T]) without(key string) roster[T] {
	if r.get(key) == nil {
		return r
	}
	now := r.root.without(key)
	for now != nil && len(now.kids) == 1 {
		now = now.kids[0]
	}
	return roster[T]{now}
}

// without returns what replaces c; nil if nothing is left.
func (c *chunk[T]) without(key string) *chunk[T] {
	if c.kids == nil {
		i, _ := c.search(key)
		return whole(replaced(c.items, i, i+1), leaf[T])
	}
	i := c.kid(key)
	kid := c.kids[i].without(key)
	if kid == nil {
		return whole(replaced(c.kids, i, i+1), branch[T])
	}
	kids := replaced(c.kids, i, i+1, kid)
	for _, left := range []int{i - 1, i} {
		if left >= 0 && left+1 < len(kids) && small(kids[left], kids[left+1]) {
			return whole(replaced(kids, left, left+2, joined(kids[left], kids[left+1])), branch[T])
		}
	}
	return whole(kids, branch[T])
}

// small reports whether two neighbours together fill at most half a chunk.
func small[T any](a, b *chunk[T]) bool {
	return len(a.items)+len(b.items) <= maxItems/2 && len(a.kids)+len(b.kids) <= maxKids/2
}

func joined[T any](a, b *chunk[T]) *chunk[T] {
	if a.kids != nil {
		return branch(slices.Concat(a.kids, b.kids))
	}
	return leaf(slices.Concat(a.items, b.items))
}

// replaced returns a copy of s with the elements from i to before j replaced.
func replaced[E any](s []E, i, j int, with ...E) []E {
	now := make([]E, 0, len(s)-(j-i)+len(with))
	return append(append(append(now, s[:i]...), with...), s[j:]...)
}

// pieces makes one chunk of s, or two if s is longer than most.
func pieces[E, T any](s []E, most int, chunkOf func([]E) *chunk[T]) []*chunk[T] {
	if len(s) <= most {
		return []*chunk[T]{chunkOf(s)}
	}
	half := len(s) / 2
	return []*chunk[T]{chunkOf(slices.Clone(s[:half])), chunkOf(slices.Clone(s[half:]))}
}

// whole makes a chunk of s; nil if s is empty.
func whole[E, T any](s []E, chunkOf func([]E) *chunk[T]) *chunk[T] {
	if len(s) == 0 {
		return nil
	}
	return chunkOf(s)
}
