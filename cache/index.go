package cache

import (
	"hash/maphash"
	"strings"
)

// member is a value of an index.
type member interface {
	comparable
	count() int // number of nodes that it contains
}

// index is an immutable map from names to values, ordered by name. A new index with one difference copies about log(n)
// branches; within one edition, each branch is copied only once. The zero value is empty.
//
// It is a treap whose priorities are hashes of the names. So its shape depends only on its names, and similar indexes
// share most branches. Their difference is found without reading what they share.
type index[V member] struct{ root *branch[V] }

type branch[V member] struct {
	name        string
	value       V
	left, right *branch[V]
	nodes       int     // number of nodes in the values from here down
	by          edition // the edition that created it
	rank        uint32  // branches above have a higher one
}

// seed differs between processes, so that no names can be chosen that make a deep tree.
var seed = maphash.MakeSeed()

func rankOf(name string) uint32 { return uint32(maphash.String(seed, name)) }

func newBranch[V member](name string, rank uint32, value V, left, right *branch[V]) *branch[V] {
	return (&branch[V]{name: name, rank: rank}).set(value, left, right)
}

// holding returns b with other contents.
func (b *branch[V]) holding(value V, left, right *branch[V], by edition) *branch[V] {
	if !by.own(b.by) {
		b = &branch[V]{name: b.name, rank: b.rank, by: by}
	}
	return b.set(value, left, right)
}

func (b *branch[V]) set(value V, left, right *branch[V]) *branch[V] {
	b.value, b.left, b.right, b.nodes = value, left, right, value.count()+left.count()+right.count()
	return b
}

func (b *branch[V]) count() int {
	if b == nil {
		return 0
	}
	return b.nodes
}

// below reports whether b belongs below a name with that rank.
func (b *branch[V]) below(name string, rank uint32) bool {
	return rank > b.rank || rank == b.rank && name > b.name
}

// count returns the number of nodes in the values.
func (x index[V]) count() int { return x.root.count() }

// get returns the value of a name, or the zero value.
func (x index[V]) get(name string) (value V) {
	for b := x.root; b != nil; {
		switch c := strings.Compare(name, b.name); {
		case c == 0:
			return b.value
		case c < 0:
			b = b.left
		default:
			b = b.right
		}
	}
	return value
}

// with returns the index with a value for name.
func (x index[V]) with(name string, value V) index[V] { return x.put(name, value, 0) }

// put is with in an edition.
func (x index[V]) put(name string, value V, by edition) index[V] {
	return index[V]{x.root.put(name, rankOf(name), value, by)}
}

func (b *branch[V]) put(name string, rank uint32, value V, by edition) *branch[V] {
	if b == nil {
		return (&branch[V]{name: name, rank: rank, by: by}).set(value, nil, nil)
	}
	switch c := strings.Compare(name, b.name); {
	case c == 0:
		return b.holding(value, b.left, b.right, by)
	case b.below(name, rank):
		left, right := b.split(name, by)
		return (&branch[V]{name: name, rank: rank, by: by}).set(value, left, right)
	case c < 0:
		return b.holding(b.value, b.left.put(name, rank, value, by), b.right, by)
	default:
		return b.holding(b.value, b.left, b.right.put(name, rank, value, by), by)
	}
}

// split returns the parts before and after name.
func (b *branch[V]) split(name string, by edition) (left, right *branch[V]) {
	switch {
	case b == nil:
		return nil, nil
	case name < b.name:
		left, right = b.left.split(name, by)
		return left, b.holding(b.value, right, b.right, by)
	default:
		left, right = b.right.split(name, by)
		return b.holding(b.value, b.left, left, by), right
	}
}

// without returns the index without name.
func (x index[V]) without(name string) index[V] { return index[V]{x.root.without(name)} }

func (b *branch[V]) without(name string) *branch[V] {
	if b == nil {
		return nil
	}
	switch c := strings.Compare(name, b.name); {
	case c == 0:
		return join(b.left, b.right)
	case c < 0:
		if left := b.left.without(name); left != b.left {
			return newBranch(b.name, b.rank, b.value, left, b.right)
		}
	default:
		if right := b.right.without(name); right != b.right {
			return newBranch(b.name, b.rank, b.value, b.left, right)
		}
	}
	return b
}

// join is the reverse of split, without the name.
func join[V member](left, right *branch[V]) *branch[V] {
	switch {
	case left == nil:
		return right
	case right == nil:
		return left
	case left.below(right.name, right.rank):
		return newBranch(right.name, right.rank, right.value, join(left, right.left), right.right)
	default:
		return newBranch(left.name, left.rank, left.value, left.left, join(left.right, right))
	}
}

// each calls f in the order of names until f returns false. It reports whether f never did.
func (x index[V]) each(f func(name string, value V) bool) bool { return x.root.each(f) }

func (b *branch[V]) each(f func(name string, value V) bool) bool {
	return b == nil || b.left.each(f) && f(b.name, b.value) && b.right.each(f)
}

// difference calls f, in the order of names, for every name whose values differ, with the zero value for a missing one,
// until f returns false. It reports whether f never did.
func difference[V member](old, now index[V], f func(old, now V) bool) bool {
	return differ(old.root, now.root, f)
}

func differ[V member](old, now *branch[V], f func(old, now V) bool) bool {
	var none V
	switch {
	case old == now:
		return true
	case old == nil:
		return now.each(func(_ string, v V) bool { return f(none, v) })
	case now == nil:
		return old.each(func(_ string, v V) bool { return f(v, none) })
	case old.name == now.name:
		return differ(old.left, now.left, f) && (old.value == now.value || f(old.value, now.value)) && differ(old.right, now.right, f)
	case now.below(old.name, old.rank): // so it is not in now
		left, right := now.split(old.name, 0)
		return differ(old.left, left, f) && f(old.value, none) && differ(old.right, right, f)
	default:
		left, right := old.split(now.name, 0)
		return differ(left, now.left, f) && f(none, now.value) && differ(right, now.right, f)
	}
}
