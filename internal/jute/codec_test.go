package jute

import (
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEncoderWritesTheDocumentedBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		put  func(*Encoder)
		want string
	}{
		{"bool", func(e *Encoder) { e.Bool(true); e.Bool(false) }, "0100"},
		{"int", func(e *Encoder) { e.Int32(-2); e.Int32(258) }, "fffffffe00000102"},
		{"long", func(e *Encoder) { e.Int64(-2) }, "fffffffffffffffe"},
		{"raw", func(e *Encoder) { e.Raw([]byte{7}) }, "07"},
		{"buffer", func(e *Encoder) { e.Buffer([]byte{1, 2}) }, "000000020102"},
		{"empty buffer", func(e *Encoder) { e.Buffer([]byte{}) }, "00000000"},
		{"null buffer", func(e *Encoder) { e.Buffer(nil) }, "ffffffff"},
		{"string", func(e *Encoder) { e.String("é") }, "00000002c3a9"},
		{"vector", func(e *Encoder) { e.Strings([]string{"a", ""}) }, "00000002000000016100000000"},
		{"empty vector", func(e *Encoder) { e.Strings([]string{}) }, "00000000"},
		{"null vector", func(e *Encoder) { e.Strings(nil) }, "ffffffff"},
		{"null ACLs", func(e *Encoder) { e.ACLs(nil) }, "ffffffff"},
		{"ACLs", func(e *Encoder) { e.ACLs([]ACL{{Perms: 31, Scheme: "w", ID: "a"}}) }, "000000010000001f00000001770000000161"},
		{"frame", func(e *Encoder) { m := e.BeginFrame(); e.Int32(7); e.EndFrame(m) }, "0000000400000007"},
		{"end of a multi", EndOfMulti().Encode, "ffffffff01ffffffff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := NewEncoder([]byte{0xee})
			c.put(e)
			require.Equal(t, "ee"+c.want, hex.EncodeToString(e.Bytes()))
			require.Equal(t, len(c.want)/2+1, e.Len())
		})
	}
}

func TestDecoderReadsWhatTheEncoderWrote(t *testing.T) {
	var e Encoder
	e.Bool(true)
	e.Int32(math.MinInt32)
	e.Int64(math.MaxInt64)
	e.Buffer([]byte("x"))
	e.Buffer([]byte{})
	e.Buffer(nil)
	e.String("")
	e.Strings([]string{"a", "bc"})
	e.Strings(nil)
	e.ACLs([]ACL{{Perms: 1, Scheme: "s", ID: "i"}})
	e.ACLs([]ACL{})
	d := NewDecoder(e.Bytes())
	require.True(t, d.Bool())
	require.Equal(t, int32(math.MinInt32), d.Int32())
	require.Equal(t, int64(math.MaxInt64), d.Int64())
	require.Equal(t, []byte("x"), d.Buffer())
	empty, null := d.Buffer(), d.Buffer()
	require.NotNil(t, empty)
	require.Empty(t, empty)
	require.Nil(t, null)
	require.Empty(t, d.String())
	require.Equal(t, []string{"a", "bc"}, d.Strings())
	require.Nil(t, d.Strings())
	require.Equal(t, []ACL{{Perms: 1, Scheme: "s", ID: "i"}}, d.ACLs())
	acls := d.ACLs()
	require.NotNil(t, acls)
	require.Empty(t, acls)
	require.NoError(t, d.Err())
	require.Zero(t, d.Remaining())
}

func TestDecoderKeepsItsFirstError(t *testing.T) {
	for _, c := range []struct {
		name, in string
		get      func(*Decoder) any
		want     error
	}{
		{"bool", "", func(d *Decoder) any { return d.Bool() }, ErrShort},
		{"int", "000000", func(d *Decoder) any { return d.Int32() }, ErrShort},
		{"long", "00000000000000", func(d *Decoder) any { return d.Int64() }, ErrShort},
		{"buffer", "0000000501", func(d *Decoder) any { return d.Buffer() }, ErrShort},
		{"buffer of 2 GiB", "7fffffff", func(d *Decoder) any { return d.Buffer() }, ErrShort},
		{"negative buffer", "fffffffe", func(d *Decoder) any { return d.Buffer() }, ErrLength},
		{"null string", "ffffffff", func(d *Decoder) any { return d.String() }, ErrNull},
		{"string", "0000000161", func(d *Decoder) any { _ = d.String(); return d.String() }, ErrShort},
		{"vector of 2 billion", "7fffffff00000000", func(d *Decoder) any { return d.Strings() }, ErrShort},
		{"vector cut short", "0000000200000000ffff", func(d *Decoder) any { return d.Strings() }, ErrShort},
		{"vector with a null", "00000001ffffffff", func(d *Decoder) any { return d.Strings() }, ErrNull},
		{"negative vector", "80000000", func(d *Decoder) any { return d.Strings() }, ErrLength},
		{"ACLs cut short", "0000000100000001000000050000", func(d *Decoder) any { return d.ACLs() }, ErrShort},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, err := hex.DecodeString(c.in)
			require.NoError(t, err)
			d := NewDecoder(in)
			require.Empty(t, c.get(d))
			require.ErrorIs(t, d.Err(), c.want)
			first := d.Err()
			require.Zero(t, d.Remaining())
			require.Zero(t, d.Int32())
			require.Zero(t, d.Int64())
			require.Empty(t, d.String())
			require.Nil(t, d.Buffer())
			require.Nil(t, d.Strings())
			require.Nil(t, d.ACLs())
			require.False(t, d.Bool())
			require.Same(t, first, d.Err())
		})
	}
}

func TestDecodingAllocatesNoClaimedSize(t *testing.T) {
	var e Encoder
	e.Int32(math.MaxInt32)
	e.Int64(0)
	in := e.Bytes()
	for name, get := range map[string]func(*Decoder){
		"buffer":  func(d *Decoder) { d.Buffer() },
		"string":  func(d *Decoder) { _ = d.String() },
		"strings": func(d *Decoder) { d.Strings() },
		"acls":    func(d *Decoder) { d.ACLs() },
	} {
		bytes := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for range min(b.N, 100) {
				get(NewDecoder(in))
			}
		}).AllocedBytesPerOp()
		require.Less(t, bytes, int64(4096), name)
	}
}

func TestBufferSharesTheInput(t *testing.T) {
	in := []byte{0, 0, 0, 1, 'a', 'z'}
	b := NewDecoder(in).Buffer()
	in[4] = 'b'
	require.Equal(t, "b", string(b))
	_ = append(b, 'c') // must not run into what follows
	require.Equal(t, byte('z'), in[5])
}
