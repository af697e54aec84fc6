package seqnode_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/seqnode"
)

// full returns the text of names.
func full(names []seqnode.Name) []string {
	var all []string
	for _, n := range names {
		all = append(all, n.Full)
	}
	return all
}

// One directory with the nodes of everybody.
var mixed = []string{
	"_c_" + uuid + "-lock-0000000020",
	hex + "__lock__0000000003",
	"_c_" + uuid + "-__READ__0000000011",
	"_c_" + uuid + "-__WRIT__0000000005",
	hex + "__rlock__0000000004",
	"_c_" + uuid + "-latch-0000000006",
	"_c_" + uuid + "-lease-0000000008",
	"_c_" + hex + "-lock-0000000007",
	hex + "__party__0000000009",
	"leases",
	"_c_x",
}

func TestArrangeFindsTheCompetitors(t *testing.T) {
	var (
		lock20, lock7   = mixed[0], mixed[7]
		kazoo3, kazooR4 = mixed[1], mixed[4]
		read11, write5  = mixed[2], mixed[3]
		latch6, lease8  = mixed[5], mixed[6]
	)
	tests := map[string]struct {
		dialect seqnode.Dialect
		want    []string
	}{
		"mutex":           {seqnode.Mutex, []string{kazoo3, lock7, lock20}},
		"writers":         {seqnode.Writers, []string{kazoo3, write5}},
		"readers/writers": {seqnode.ReadersWriters, []string{kazoo3, kazooR4, write5, read11}},
		"latch":           {seqnode.LatchOnly, []string{latch6}},
		"any election":    {seqnode.AnyElection, []string{kazoo3, latch6, lock7, lock20}},
		"leases":          {seqnode.Leases, []string{lease8}},
		"empty":           {0, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			queue, rest := tc.dialect.Arrange(mixed)
			assert.Equal(t, tc.want, full(queue))
			assert.ElementsMatch(t, mixed, append(full(queue), full(rest)...), "nothing gets lost")
			for _, n := range queue {
				assert.True(t, tc.dialect.Has(n.Kind))
			}
			for _, n := range rest {
				assert.False(t, tc.dialect.Has(n.Kind))
			}
		})
	}
}

func TestArrangeIgnoresNamesWithoutANumber(t *testing.T) {
	children := []string{"lock-0000000001", "latch-broken", "lease-", "block-7", "clock-skew", "lock-orders"}
	for _, d := range []seqnode.Dialect{seqnode.Mutex, seqnode.AnyElection} {
		queue, rest := d.Arrange(children)
		assert.Equal(t, children[:1], full(queue))
		assert.Equal(t, children[1:], full(rest))
	}
}

// Nodes whose names were forged so that the text of one client's sort key puts
// them in front. Only the number counts.
func TestArrangeIsNotFooledByText(t *testing.T) {
	children := []string{
		"_c_" + uuid + "-lock-0000000002",
		"00000000000000000000000000000000__lock__0000000003", // a kazoo uuid of zeros
		"0000000000lock-0000000004",
		"lock-lock-0000000005",
		"zzz__lock__0000000001",
	}
	queue, rest := seqnode.Mutex.Arrange(append([]string{"0000000000", "-1", "_c_x", ""}, children...))
	assert.Equal(t, []string{children[4], children[0], children[1], children[3]}, full(queue))
	assert.Equal(t, []string{"0000000000", "-1", "_c_x", "", children[2]}, full(rest))
}

func TestArrangeAcrossTheWrap(t *testing.T) {
	queue, _ := seqnode.Mutex.Arrange([]string{"lock--2147483647", hex + "__lock__-2147483648", "lock-2147483647", "lock-2147483646"})
	assert.Equal(t, []string{"lock-2147483646", "lock-2147483647", hex + "__lock__-2147483648", "lock--2147483647"}, full(queue))
}

func TestArrangeManyChildren(t *testing.T) {
	const n = 100_000
	children := make([]string, n)
	for i, at := range rand.New(rand.NewPCG(1, 1)).Perm(n) {
		children[at] = seqnode.Protected(uuid, "lock-"+seqnode.FormatSeq(math.MaxInt32-n/2+int32(i)))
	}
	queue, rest := seqnode.Mutex.Arrange(children)
	require.Empty(t, rest)
	require.Len(t, queue, n)
	for i, name := range queue {
		require.Equal(t, math.MaxInt32-n/2+int32(i), name.Seq)
	}
}

func TestHas(t *testing.T) {
	all := ^seqnode.Dialect(0)
	assert.False(t, all.Has(seqnode.Foreign), "no queue takes a foreign node")
	assert.False(t, all.Has(seqnode.Kind(200)))
	assert.True(t, all.Has(seqnode.Party))
}

func TestDialectString(t *testing.T) {
	assert.Equal(t, "{lock- __lock__}", seqnode.Mutex.String())
	assert.Equal(t, "{}", seqnode.Dialect(0).String())
}

func BenchmarkArrange(b *testing.B) {
	children := make([]string, 1000)
	for i, at := range rand.New(rand.NewPCG(1, 1)).Perm(len(children)) {
		children[at] = seqnode.Protected(uuid, "lock-"+seqnode.FormatSeq(int32(i)))
	}
	b.ReportAllocs()
	for range b.N {
		_, _ = seqnode.Mutex.Arrange(children)
	}
}
