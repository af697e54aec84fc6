package seqnode

import (
	"cmp"
	"math"
	"slices"
)

// Compare orders a and b by creation: negative if a came first, positive if b did. It takes the shorter way around the
// counter's circle, so 2147483647 comes before -2147483648. Names with the same number, which no server hands out twice in
// one directory, are ordered by their text.
//
// The result is consistent among names that lie within 2^31 of each other. Contenders of one queue do. A forged name may
// not, but then it cannot change the order of the others: see Before.
func Compare(a, b Name) int {
	steps := a.Seq - b.Seq // wraps as the counter does
	switch {
	case a.Seq == b.Seq:
		return cmp.Compare(a.Full, b.Full)
	case steps == math.MinInt32: // exactly opposite: either way is as long
		return cmp.Compare(a.Seq, b.Seq)
	}
	return cmp.Compare(steps, 0)
}

// Before returns the names of a queue that were created before own, as Compare says, the nearest one last. Other names do
// not matter for that: whatever numbers they carry, two contenders agree on which of them came first. It does not change queue.
func Before(queue []Name, own Name) []Name {
	before := slices.DeleteFunc(slices.Clone(queue), func(n Name) bool { return Compare(n, own) >= 0 })
	slices.SortFunc(before, func(a, b Name) int {
		return cmp.Or(cmp.Compare(a.Seq-own.Seq, b.Seq-own.Seq), cmp.Compare(a.Full, b.Full))
	})
	return before
}

// Sort puts names in the order of their creation. The counter is a circle, and the oldest name is the one behind the widest
// gap on it. That is the order of Compare if the names lie within 2^31 of each other; for other sets of names, which no
// server hands out, it is some fixed order.
func Sort(names []Name) {
	slices.SortFunc(names, func(a, b Name) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Full, b.Full))
	})
	if len(names) == 0 {
		return
	}
	oldest, widest := 0, distance(names[len(names)-1], names[0])+1<<32
	for i := 1; i < len(names); i++ {
		if gap := distance(names[i-1], names[i]); gap > widest {
			oldest, widest = i, gap
		}
	}
	rotate(names, oldest)
}

func distance(low, high Name) int64 { return int64(high.Seq) - int64(low.Seq) }

// rotate moves the first n names behind the others.
func rotate(names []Name, n int) {
	head := slices.Clone(names[:n])
	copy(names[copy(names, names[n:]):], head)
}

// Places returns the names without those that belong to the place of an earlier name: they have its GUID. It works in the
// memory of names.
func Places(names []Name) []Name {
	seen := make(map[string]bool)
	return slices.DeleteFunc(names, func(n Name) bool {
		again := seen[n.GUID]
		seen[n.GUID] = n.GUID != ""
		return again
	})
}
