package seqnode_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/seqnode"
)

// numbered returns names with the given numbers.
func numbered(seqs ...int32) []seqnode.Name {
	var names []seqnode.Name
	for _, seq := range seqs {
		names = append(names, seqnode.Name{Full: "lock-" + seqnode.FormatSeq(seq), Kind: seqnode.Lock, Seq: seq})
	}
	return names
}

func TestCompare(t *testing.T) {
	tests := []struct {
		a, b int32
		want int
	}{
		{1, 2, -1},
		{2, 1, 1},
		{1, 1, 0},
		{-2, -1, -1},
		{-1, 0, -1},
		{0, -1, 1},
		{-5, 5, -1},
		{math.MaxInt32, math.MinInt32, -1}, // the wrap
		{math.MinInt32, math.MaxInt32, 1},
		{math.MaxInt32 - 5, math.MinInt32 + 5, -1},
		{0, math.MaxInt32, -1},
		{1, math.MinInt32, -1},                     // 2^31-1 steps forward
		{-1, math.MinInt32, 1},                     // 2^31-1 steps back
		{math.MinInt32 / 2, math.MaxInt32 / 2, -1}, // 2^31-1 steps forward
		{math.MinInt32, 0, -1},                     // exactly opposite: one of the two, and the same for both
		{0, math.MinInt32, 1},
	}
	for _, tc := range tests {
		names := numbered(tc.a, tc.b)
		assert.Equal(t, tc.want, seqnode.Compare(names[0], names[1]), "%d and %d", tc.a, tc.b)
	}
	a := seqnode.Name{Full: "a", Seq: 1}
	b := seqnode.Name{Full: "b", Seq: 1}
	assert.Equal(t, -1, seqnode.Compare(a, b), "a tie is broken by the text")
	assert.Equal(t, 1, seqnode.Compare(b, a))
}

func TestSort(t *testing.T) {
	tests := map[string][]int32{
		"none":                  nil,
		"one":                   {7},
		"lowest alone":          {math.MinInt32},
		"ordinary":              {1, 2, 3, 40, 500},
		"around zero":           {-2, -1, 0, 1},
		"across the wrap":       {math.MaxInt32 - 1, math.MaxInt32, math.MinInt32, math.MinInt32 + 1},
		"one after the wrap":    {5, 6, math.MaxInt32, math.MinInt32},
		"one before the wrap":   {math.MaxInt32, math.MinInt32, -7, -6},
		"widest span":           {0, math.MaxInt32},
		"widest span, wrapped":  {1, math.MinInt32},
		"widest, wrapped, full": {math.MaxInt32, math.MinInt32, -1000, -2},
	}
	source := rand.New(rand.NewPCG(1, 1))
	for name, seqs := range tests {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				want := numbered(seqs...)
				got := slices.Clone(want)
				source.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
				seqnode.Sort(got)
				require.Equal(t, want, got)
			}
		})
	}
}

func TestSortBreaksTiesByText(t *testing.T) {
	names := []seqnode.Name{{Full: "b", Seq: 1}, {Full: "c", Seq: 0}, {Full: "a", Seq: 1}}
	seqnode.Sort(names)
	assert.Equal(t, []seqnode.Name{{Full: "c", Seq: 0}, {Full: "a", Seq: 1}, {Full: "b", Seq: 1}}, names)
}

// Numbers that no server hands out side by side have some order, which does not depend on the order of the list.
func TestSortOfForgedNumbersIsFixed(t *testing.T) {
	tests := map[string][]int32{
		"exactly opposite":      {0, math.MinInt32},
		"opposite elsewhere":    {math.MinInt32 / 2, -(math.MinInt32 / 2)},
		"three around a circle": {0, math.MaxInt32 / 2 * 3 / 2, math.MinInt32 / 2},
		"all over the circle":   {math.MinInt32, -1 << 30, 0, 1 << 30},
	}
	source := rand.New(rand.NewPCG(5, 6))
	for name, seqs := range tests {
		t.Run(name, func(t *testing.T) {
			want := numbered(seqs...)
			seqnode.Sort(want)
			for range 10 {
				got := slices.Clone(want)
				source.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
				seqnode.Sort(got)
				require.Equal(t, want, got)
			}
		})
	}
}

// Contenders agree on which of them came first whatever other numbers there are, and so only one of them has nobody before it.
func TestForgedNumbersDoNotChangeTheOrderOfContenders(t *testing.T) {
	source := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		first := int32(source.Uint32())
		contenders := numbered(first, first+1, first+1+source.Int32N(1<<20))
		queue := slices.Clone(contenders)
		for range source.IntN(6) {
			queue = append(queue, numbered(int32(source.Uint32()))...)
		}
		seqnode.Sort(queue)
		for i, own := range contenders {
			before := seqnode.Before(queue, own)
			for j, other := range contenders {
				require.Equal(t, j < i, slices.Contains(before, other), "%v, own %v", queue, own)
			}
			for _, n := range before {
				require.Negative(t, seqnode.Compare(n, own))
			}
		}
	}
}

func TestBeforeEndsWithTheNearest(t *testing.T) {
	queue := numbered(math.MinInt32, math.MaxInt32-1, math.MaxInt32, math.MinInt32+2)
	seqnode.Sort(queue)
	assert.Equal(t, numbered(math.MaxInt32-1, math.MaxInt32, math.MinInt32), seqnode.Before(queue, numbered(math.MinInt32 + 1)[0]))
	assert.Empty(t, seqnode.Before(queue, numbered(math.MaxInt32 - 1)[0]))
	assert.Empty(t, seqnode.Before(nil, queue[0]))
}

// Wherever on the circle a queue begins, and however wide it is: Sort finds the
// order of creation, and agrees with Compare.
func TestSortFollowsTheCounter(t *testing.T) {
	source := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		want := numbered(int32(source.Uint32()))
		span := int64(0)
		for limit := source.Int64N(1<<31) + 1; len(want) < 50; {
			step := 1 + source.Int64N(limit/50+1)
			if span += step; span >= 1<<31 {
				break
			}
			want = append(want, numbered(want[len(want)-1].Seq+int32(step))...)
		}
		got := slices.Clone(want)
		source.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		seqnode.Sort(got)
		require.Equal(t, want, got)
		require.True(t, slices.IsSortedFunc(got, seqnode.Compare))
	}
}

func TestPlacesLeavesOutFurtherNodesOfOnePlace(t *testing.T) {
	const guid = "0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11"
	var names []seqnode.Name
	for _, name := range []string{"lock-0000000001", "_c_" + guid + "-latch-0000000002", "_c_" + guid + "-lock-0000000003", "lock-0000000004"} {
		names = append(names, seqnode.Parse(name))
	}
	var left []int32
	for _, n := range seqnode.Places(names) {
		left = append(left, n.Seq)
	}
	assert.Equal(t, []int32{1, 2, 4}, left)
}
