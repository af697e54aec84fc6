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
		"my-block-0000000012":                              {Kind: seqnode.Lock, Seq: 12},
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
		got, err := seqnode.Parse(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, got)
	}
}

// A marker claims a place in the queue. Without a number there is none.
func TestParseRefusesWhatCannotBeOrdered(t *testing.T) {
	tests := map[string]seqnode.Kind{
		"lock-":                               seqnode.Lock,
		"lock-abc":                            seqnode.Lock,
		"lock-42":                             seqnode.Lock, // too short
		"lock-00000000042":                    seqnode.Lock, // too long
		"lock-9999999999":                     seqnode.Lock, // beyond 32 bits
		"lock-2147483648":                     seqnode.Lock,
		"lock--2147483649":                    seqnode.Lock,
		"lock--0000000001":                    seqnode.Lock, // padded too far
		"lock--000000000":                     seqnode.Lock, // minus zero
		"lock--00000001":                      seqnode.Lock, // padded too little
		"lock-+000000042":                     seqnode.Lock,
		"lock- 000000042":                     seqnode.Lock,
		"lock-000000004/":                     seqnode.Lock, // the neighbours of the digits
		"lock-000000004:":                     seqnode.Lock,
		"lock-0x00000042":                     seqnode.Lock,
		"lock-0000000042 ":                    seqnode.Lock,
		"lock-0000000042\n":                   seqnode.Lock,
		"lock-٠٠٠٠٠":                          seqnode.Lock, // ten bytes of digits, but not ASCII
		"lock-0000000042-backup":              seqnode.Lock,
		"lock-holder-0000000042":              seqnode.Lock,
		"_c_" + uuid + "-lock-":               seqnode.Lock,
		"_c_" + uuid + "-lock-x0000000042":    seqnode.Lock,
		"latch-":                              seqnode.Latch,
		"lease-x":                             seqnode.Lease,
		hex + "__lock__":                      seqnode.KazooLock,
		hex + "__rlock__0":                    seqnode.KazooRead,
		"__READ__":                            seqnode.Read,
		"__WRIT__ 000000001":                  seqnode.Write,
		"__party__":                           seqnode.Party,
		"lock-0000000042latch-":               seqnode.Latch, // the last marker counts
		"_c_" + uuid + "-lock-\x000000000000": seqnode.Lock,
	}
	for name, kind := range tests {
		got, err := seqnode.Parse(name)
		var refused *seqnode.UnorderableError
		require.ErrorAs(t, err, &refused, "%q", name)
		assert.Equal(t, seqnode.UnorderableError{Name: name, Kind: kind}, *refused)
		assert.Equal(t, kind, got.Kind)
		assert.Equal(t, name, got.Full)
		assert.Zero(t, got.Seq)
	}
}

func TestUnorderableErrorNamesTheNode(t *testing.T) {
	_, err := seqnode.Parse("lock-abc")
	assert.EqualError(t, err, `child "lock-abc" cannot be ordered: "lock-" is not followed by a sequence number; remove the node`)

	_, err = seqnode.Parse("lock-\n" + strings.Repeat("x", 1<<20))
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 300, "a forged name must not fill the log")
	assert.Contains(t, err.Error(), `"lock-\nxxx`)
	assert.Contains(t, err.Error(), `xxx"...`)
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
		name, err := seqnode.Parse("x" + k.Marker() + "0000000001")
		require.NoError(t, err)
		assert.Equal(t, k, name.Kind)
		assert.Equal(t, k.Marker(), k.String())
	}
	assert.Equal(t, "foreign", seqnode.Foreign.String())
	assert.Equal(t, "foreign", seqnode.Kind(200).String(), "out of range")
}

// A hundred thousand children are parsed for every acquire.
func TestParseDoesNotAllocate(t *testing.T) {
	for _, name := range []string{"_c_" + uuid + "-lock-0000000042", "_c_" + uuid + "-lock--000000042", hex, "_c_x"} {
		assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = seqnode.Parse(name) }), name)
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
		name, err := seqnode.Parse(text)
		require.Equal(t, text, name.Full)
		if name.GUID != "" {
			require.True(t, seqnode.HasGUID(text, name.GUID))
		}
		switch {
		case name.Kind == seqnode.Foreign:
			require.NoError(t, err)
			require.Zero(t, name.Seq)
		case err == nil:
			require.True(t, strings.HasSuffix(text, name.Kind.Marker()+fmt.Sprintf("%010d", name.Seq)))
		default:
			var refused *seqnode.UnorderableError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, text, name.Kind.Marker())
			require.NotEmpty(t, err.Error())
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	name := "_c_" + uuid + "-lock-0000000042"
	for range b.N {
		_, _ = seqnode.Parse(name)
	}
}
