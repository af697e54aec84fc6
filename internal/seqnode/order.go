package seqnode

import (
	"cmp"
	"fmt"
	"slices"
)

// SpanError refuses names whose sequence numbers are spread over so much of the
// counter's circle that none of them can be called the first.
type SpanError struct {
	// Low and High are the names with the lowest and the highest number.
	Low, High Name
}

// Error names two of the nodes.
func (e *SpanError) Error() string {
	return fmt.Sprintf("children %s and %s cannot be ordered: their numbers lie too far apart for a counter of 32 bits; remove the one that is left over or forged",
		quote(e.Low.Full), quote(e.High.Full))
}

// Compare orders a and b by creation: negative if a came first, positive if b
// did. It takes the shorter way around the counter's circle, so 2147483647
// comes before -2147483648. Names with the same number, which no server hands
// out twice in one directory, are ordered by their text.
//
// It is a consistent order among names that lie within 2^31 of each other. Sort
// checks that, Compare cannot.
func Compare(a, b Name) int {
	if a.Seq == b.Seq {
		return cmp.Compare(a.Full, b.Full)
	}
	return cmp.Compare(a.Seq-b.Seq, 0) // the difference wraps as the counter does
}

// Sort puts names in the order of their creation. If their numbers do not fit
// into one half of the counter's circle it returns a *SpanError, with the names
// in an unspecified order.
func Sort(names []Name) error {
	slices.SortFunc(names, func(a, b Name) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Full, b.Full))
	})
	if len(names) == 0 || distance(names[0], names[len(names)-1]) < halfCircle {
		return nil
	}
	// The counter has wrapped in between. The oldest is behind the one gap
	// that is wider than half of the circle.
	for i := 1; i < len(names); i++ {
		if distance(names[i-1], names[i]) > halfCircle {
			rotate(names, i)
			return nil
		}
	}
	return &SpanError{Low: names[0], High: names[len(names)-1]}
}

// halfCircle is half of the numbers that the counter goes through.
const halfCircle = 1 << 31

func distance(low, high Name) int64 { return int64(high.Seq) - int64(low.Seq) }

// rotate moves the first n names behind the others.
func rotate(names []Name, n int) {
	head := slices.Clone(names[:n])
	copy(names[copy(names, names[n:]):], head)
}
