package jute

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// readReply is the body of a reply to a multiRead.
func readReply(results ...ReadResult) []byte {
	var e Encoder
	for _, r := range results {
		(&MultiHeader{Type: r.Op, Err: r.Err}).Encode(&e)
		switch r.Op {
		case -1:
			e.Int32(r.Err)
		case OpGetData:
			e.Buffer(r.Data)
			r.Stat.Encode(&e)
		case OpGetChildren:
			e.Strings(r.Names)
		}
	}
	EndOfMulti().Encode(&e)
	return e.Bytes()
}

func TestReadResultsComeBackAsTheyWere(t *testing.T) {
	want := []ReadResult{
		{Op: OpGetData, Data: []byte("data"), Stat: Stat{Czxid: 1, DataLength: 4}}, {Op: -1, Err: -101},
		{Op: OpGetChildren, Names: []string{"a", "b"}}, {Op: OpGetChildren, Names: []string{}},
	}
	d := NewDecoder(readReply(want...))
	require.Equal(t, want, d.ReadResults(len(want)))
	require.NoError(t, d.Err())
	require.Zero(t, d.Remaining())
}

func TestReadResultsOfAnotherNumberOrKindAreRefused(t *testing.T) {
	one := ReadResult{Op: -1, Err: -101}
	d := NewDecoder(readReply(one, one, one))
	require.Len(t, d.ReadResults(2), 2)
	require.ErrorIs(t, d.Err(), ErrMultiResult)
	d = NewDecoder(readReply(ReadResult{Op: OpExists}))
	d.ReadResults(1)
	require.ErrorIs(t, d.Err(), ErrMultiResult)
	d = NewDecoder(readReply(one)[:10])
	d.ReadResults(1)
	require.Error(t, d.Err())
}

func TestMoreResultsThanOperationsOfAMultiAreRefused(t *testing.T) {
	one := ReadResult{Op: -1, Err: -101} // a failed operation looks the same in both replies
	d := NewDecoder(readReply(one, one))
	require.Len(t, d.MultiResults(2), 2)
	require.NoError(t, d.Err())
	d = NewDecoder(readReply(one, one, one))
	require.Len(t, d.MultiResults(2), 2)
	require.ErrorIs(t, d.Err(), ErrMultiResult)
}

// FuzzResults reads arbitrary bytes as the results of a multi and of a multiRead: never more than were asked for.
func FuzzResults(f *testing.F) {
	f.Add(readReply(ReadResult{Op: OpGetData, Data: []byte("data")}, ReadResult{Op: -1, Err: -101}, ReadResult{Op: OpGetChildren, Names: []string{"a"}}), uint8(3))
	f.Add(readReply(ReadResult{Op: OpGetChildren, Names: []string{"a", "b"}}), uint8(0))
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}, uint8(9))
	f.Add([]byte{0, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 2, '/', 'a', 0, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, n uint8) {
		of, read := NewDecoder(in), NewDecoder(in)
		require.LessOrEqual(t, len(of.MultiResults(int(n))), int(n))
		results := read.ReadResults(int(n))
		require.LessOrEqual(t, len(results), int(n))
		if read.Err() != nil {
			return
		}
		again := NewDecoder(readReply(results...)).ReadResults(int(n))
		require.Equal(t, len(results), len(again), "what could be read can be written, and read again")
	})
}
