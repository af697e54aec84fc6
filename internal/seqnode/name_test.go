package seqnode_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/seqnode"
)

const (
	uuid = "0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11"
	hex  = "0f8b3c1e5d0a4a539d5c2f3f0a7f1e11"
)

// Names as the recipes of the four clients leave them on a server.
func TestParseEveryDialect(t *testing.T) {
	tests := map[string]seqnode.Name{
		"_c_" + uuid + "-lock-0000000042":     {GUID: uuid, Kind: seqnode.Lock, Seq: 42},
		"_c_" + uuid + "-__READ__0000000001":  {GUID: uuid, Kind: seqnode.Read, Seq: 1},
		"_c_" + uuid + "-__WRIT__0000000002":  {GUID: uuid, Kind: seqnode.Write, Seq: 2},
		"_c_" + uuid + "-lease-0000000003":    {GUID: uuid, Kind: seqnode.Lease, Seq: 3},
		"_c_" + uuid + "-latch-0000000004":    {GUID: uuid, Kind: seqnode.Latch, Seq: 4},
		"_c_" + hex + "-lock-0000000005":      {GUID: hex, Kind: seqnode.Lock, Seq: 5},
		hex + "__lock__0000000006":            {Kind: seqnode.KazooLock, Seq: 6},
		hex + "__rlock__0000000007":           {Kind: seqnode.KazooRead, Seq: 7},
		hex + "__party__0000000008":           {Kind: seqnode.Party, Seq: 8},
		"_c_" + uuid + "-__lock__0000000009":  {GUID: uuid, Kind: seqnode.KazooLock, Seq: 9},
		"_c_" + uuid + "-__rlock__0000000010": {GUID: uuid, Kind: seqnode.KazooRead, Seq: 10},

		// Not protected, or under a name that is not the usual one.
		"lock-0000000011":                                  {Kind: seqnode.Lock, Seq: 11},
		"my-lock-0000000012":                               {Kind: seqnode.Lock, Seq: 12},
		hex + "-lock-0000000018":                           {Kind: seqnode.Lock, Seq: 18},
		"zzz__lock__0000000019":                            {Kind: seqnode.KazooLock, Seq: 19},
		"_c_" + uuid + "-Lock-lock-0000000013":             {GUID: uuid, Kind: seqnode.Lock, Seq: 13},
		"_c_" + strings.ToUpper(uuid) + "-lock-0000000014": {GUID: strings.ToUpper(uuid), Kind: seqnode.Lock, Seq: 14},

		// The ends of the counter.
		"lock-0000000000":           {Kind: seqnode.Lock, Seq: 0},
		"lock-2147483647":           {Kind: seqnode.Lock, Seq: math.MaxInt32},
		"lock--2147483648":          {Kind: seqnode.Lock, Seq: math.MinInt32},
		"lock--000000001":           {Kind: seqnode.Lock, Seq: -1},
		hex + "__lock__-2147483648": {Kind: seqnode.KazooLock, Seq: math.MinInt32},
		hex + "__lock__-999999999":  {Kind: seqnode.KazooLock, Seq: -999999999},

		// Several markers: the one that holds the number.
		"latch-lock-0000000015":             {Kind: seqnode.Lock, Seq: 15},
		"lock-latch-0000000016":             {Kind: seqnode.Latch, Seq: 16},
		"lock-0000000001__lock__0000000017": {Kind: seqnode.KazooLock, Seq: 17},

		// No marker: foreign, with or without something like a number.
		"":                               {},
		"x":                              {},
		"leases":                         {},
		"locks":                          {},
		"lock_holder":                    {},
		hex:                              {},
		hex + "-worker":                  {},
		"member-0000000001":              {},
		"LOCK-0000000001":                {},
		"_c_x":                           {},
		"_c_" + uuid + "-":               {GUID: uuid},
		"_c_" + uuid + "-node0000000001": {GUID: uuid},
		"\x00\xff":                       {},
	}
	for name, want := range tests {
		want.Full = name
		assert.Equal(t, want, seqnode.Parse(name))
	}
}

// A marker without a sequence number behind it, or inside another word, makes no contender.
func TestParseTakesEverythingElseForForeign(t *testing.T) {
	for _, name := range []string{
		"lock-",
		"lock-abc",
		"lock-orders",
		"lock-42",           // too short
		"lock-00000000042",  // too long
		"lock-9999999999",   // beyond 32 bits
		"lock-2147483648",   // by one
		"lock--2147483649",  // on the other side
		"lock--0000000001",  // padded too far
		"lock--000000000",   // minus zero
		"lock--00000001",    // padded too little
		"lock-+000000042",   // a sign that servers do not write
		"lock- 000000042",   // nor blanks
		"lock-000000004/",   // the neighbours of the digits
		"lock-000000004:",   // on either side
		"lock-0x00000042",   // not decimal
		"lock-0000000042 ",  // not at the end
		"lock-0000000042\n", // nor here
		"lock-٠٠٠٠٠",        // ten bytes of digits, but not ASCII
		"lock-0000000042-backup",
		"lock-holder-0000000042",
		"lock-0000000042latch-",
		"_c_" + uuid + "-lock-",
		"_c_" + uuid + "-lock-x0000000042",
		"_c_" + uuid + "-lock-\x000000000000",
		"latch-",
		"lease-x",
		hex + "__lock__",
		hex + "__rlock__0",
		"__READ__",
		"__WRIT__ 000000001",
		"__party__",
		"block-7",
		"clock-skew",
		"block-0000000001", // a number, behind a word that only ends like a marker
		"clock-0000000001",
		"padlock-0000000001",
		"release-0000000001",
		"_c_" + uuid + "-block-0000000001",
		hex + "lock-0000000001",
	} {
		got := seqnode.Parse(name)
		assert.Equal(t, seqnode.Foreign, got.Kind, "%q", name)
		assert.Equal(t, name, got.Full)
		assert.Zero(t, got.Seq)
	}
}

func TestSeqRoundTrip(t *testing.T) {
	for _, seq := range []int32{
		0, 1, 9, 10, 999999999, 1000000000, math.MaxInt32 - 1, math.MaxInt32,
		-1, -9, -10, -999999999, -1000000000, -1000000001, math.MinInt32 + 1, math.MinInt32,
	} {
		text := seqnode.FormatSeq(seq)
		got, ok := seqnode.ParseSeq(text)
		assert.True(t, ok, text)
		assert.Equal(t, seq, got)
	}
	assert.Equal(t, "0000000042", seqnode.FormatSeq(42))
	assert.Equal(t, "-000000042", seqnode.FormatSeq(-42))
	assert.Equal(t, "-2147483648", seqnode.FormatSeq(math.MinInt32))
}

func TestKinds(t *testing.T) {
	for k := seqnode.Foreign + 1; k.Marker() != ""; k++ {
		assert.Equal(t, k, seqnode.Parse("x-"+k.Marker()+"0000000001").Kind)
		assert.Equal(t, k.Marker(), k.String())
	}
	assert.Equal(t, "foreign", seqnode.Foreign.String())
	assert.Equal(t, "foreign", seqnode.Kind(200).String(), "out of range")
}

// A hundred thousand children are parsed for every acquire.
func TestParseDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"_c_" + uuid + "-lock-0000000042", "_c_" + uuid + "-lock--000000042", hex, "_c_x"} {
		assert.Zero(t, testing.AllocsPerRun(100, func() { _ = seqnode.Parse(name) }), name)
	}
}

// Parse must not panic, must accept exactly what FormatSeq writes, and must
// never order a name whose number is not at its end.
func FuzzParse(f *testing.F) {
	for _, name := range []string{
		"", "_c_", "_c_x", "_c_" + uuid, "_c_" + uuid + "-", "_c_" + uuid + "-lock-0000000042",
		"_c_" + hex + "-lock-2147483647", "lock--2147483648", "lock--000000001", "lock-9999999999",
		hex + "__lock__0000000001", "__rlock__", "latch-lease-0000000001", "__READ____WRIT__-000000000",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name := seqnode.Parse(text)
		require.Equal(t, text, name.Full)
		if name.GUID != "" {
			require.True(t, seqnode.HasGUID(text, name.GUID))
		}
		if name.Kind == seqnode.Foreign {
			require.Zero(t, name.Seq)
			return
		}
		require.True(t, strings.HasSuffix(text, name.Kind.Marker()+fmt.Sprintf("%010d", name.Seq)))
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	name := "_c_" + uuid + "-lock-0000000042"
	for range b.N {
		_ = seqnode.Parse(name)
	}
}
