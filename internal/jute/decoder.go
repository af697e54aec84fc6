package jute

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrShort is the error of a Decoder that was asked for more bytes than there are.
var ErrShort = errors.New("jute: the record ends before its last field")

// ErrLength is the error of a Decoder that met a negative length or count other than -1.
var ErrLength = errors.New("jute: negative length")

// ErrNull is the error of a Decoder that met a null string.
var ErrNull = errors.New("jute: null string")

// Decoder reads jute values from a byte slice. After the first error every method returns a zero value.
type Decoder struct {
	buf []byte
	off int
	err error
}

// NewDecoder returns a Decoder that reads buf.
func NewDecoder(buf []byte) *Decoder {
	return &Decoder{buf: buf}
}

// Reset makes d read buf.
func (d *Decoder) Reset(buf []byte) { *d = Decoder{buf: buf} }

// Err returns the first error, wrapped with its position, or nil.
func (d *Decoder) Err() error {
	return d.err
}

// Remaining returns the number of bytes not read yet; 0 after an error.
func (d *Decoder) Remaining() int {
	if d.err != nil {
		return 0
	}
	return len(d.buf) - d.off
}

// Fail makes err the error of d, unless there is one.
func (d *Decoder) Fail(err error) { d.fail(err) }

func (d *Decoder) fail(err error) {
	if d.err == nil {
		d.err = fmt.Errorf("%w (at byte %d of %d)", err, d.off, len(d.buf))
	}
}

// take returns the next n bytes of the input, without copying, or nil after an error.
func (d *Decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n > len(d.buf)-d.off {
		d.fail(ErrShort)
		return nil
	}
	b := d.buf[d.off : d.off+n : d.off+n]
	d.off += n
	return b
}

// Bool reads a boolean.
func (d *Decoder) Bool() bool {
	b := d.take(1)
	return b != nil && b[0] != 0
}

// Int32 reads an int.
func (d *Decoder) Int32() int32 {
	b := d.take(4)
	if b == nil {
		return 0
	}
	return int32(binary.BigEndian.Uint32(b))
}

// Int64 reads a long.
func (d *Decoder) Int64() int64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}

// length reads a length or count; ok is false for null and after an error.
func (d *Decoder) length() (n int, ok bool) {
	v := d.Int32()
	switch {
	case d.err != nil || v == -1:
		return 0, false
	case v < 0:
		d.fail(ErrLength)
		return 0, false
	}
	return int(v), true
}

// Buffer reads a buffer. The result shares memory with the input; it is nil for null and after an error.
func (d *Decoder) Buffer() []byte {
	n, ok := d.length()
	if !ok {
		return nil
	}
	return d.take(n)
}

// String reads a ustring; null is an error.
func (d *Decoder) String() string {
	n, ok := d.length()
	if !ok {
		d.fail(ErrNull)
		return ""
	}
	return string(d.take(n))
}

// count reads a vector's count. An item takes at least size bytes, so a count that the rest of the input cannot hold
// is refused before anything is allocated for it.
func (d *Decoder) count(size int) (n int, ok bool) {
	n, ok = d.length()
	if ok && n > d.Remaining()/size {
		d.fail(ErrShort)
		return 0, false
	}
	return n, ok
}

// Strings reads a vector of ustring; nil for null and after an error.
func (d *Decoder) Strings() []string {
	n, ok := d.count(4)
	if !ok {
		return nil
	}
	v := make([]string, 0, n)
	for range n {
		v = append(v, d.String())
	}
	if d.err != nil {
		return nil
	}
	return v
}

// ACLs reads a vector of ACL; nil for null and after an error.
func (d *Decoder) ACLs() []ACL {
	n, ok := d.count(12)
	if !ok {
		return nil
	}
	v := make([]ACL, n)
	for i := range v {
		v[i].Decode(d)
	}
	if d.err != nil {
		return nil
	}
	return v
}

// ClientInfos reads a vector of ClientInfo; nil for null and after an error.
func (d *Decoder) ClientInfos() []ClientInfo {
	n, ok := d.count(8)
	if !ok {
		return nil
	}
	v := make([]ClientInfo, n)
	for i := range v {
		v[i] = ClientInfo{Scheme: d.String(), User: d.String()}
	}
	if d.err != nil {
		return nil
	}
	return v
}
