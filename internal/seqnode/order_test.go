package seqnode_test

import (
	"fmt"
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
				require.NoError(t, seqnode.Sort(got))
				require.Equal(t, want, got)
			}
		})
	}
}

func TestSortBreaksTiesByText(t *testing.T) {
	names := []seqnode.Name{{Full: "b", Seq: 1}, {Full: "c", Seq: 0}, {Full: "a", Seq: 1}}
	require.NoError(t, seqnode.Sort(names))
	assert.Equal(t, []seqnode.Name{{Full: "c", Seq: 0}, {Full: "a", Seq: 1}, {Full: "b", Seq: 1}}, names)
}

func TestSortRefusesToGuess(t *testing.T) {
	tests := map[string][]int32{
		"exactly opposite":      {0, math.MinInt32},
		"opposite elsewhere":    {math.MinInt32 / 2, -(math.MinInt32 / 2)},
		"three around a circle": {0, math.MaxInt32 / 2 * 3 / 2, math.MinInt32 / 2},
		"all over the circle":   {math.MinInt32, -1 << 30, 0, 1 << 30},
	}
	for name, seqs := range tests {
		t.Run(name, func(t *testing.T) {
			names := numbered(seqs...)
			err := seqnode.Sort(names)
			var refused *seqnode.SpanError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, slices.Min(seqs), refused.Low.Seq)
			assert.Equal(t, slices.Max(seqs), refused.High.Seq)
			assert.ErrorContains(t, err, fmt.Sprintf("%q", refused.Low.Full))
			assert.ErrorContains(t, err, fmt.Sprintf("%q", refused.High.Full))
		})
	}
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
		require.NoError(t, seqnode.Sort(got))
		require.Equal(t, want, got)
		require.True(t, slices.IsSortedFunc(got, seqnode.Compare))
	}
}
