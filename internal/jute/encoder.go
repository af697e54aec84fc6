package jute

import (
	"encoding/binary"
	"slices"
)

// Encoder appends jute values to a byte slice. The zero value is ready to use.
type Encoder struct {
	buf []byte
}

// NewEncoder returns an Encoder that appends to buf, which may be nil.
func NewEncoder(buf []byte) *Encoder {
	return &Encoder{buf: buf}
}

// Reset forgets what was encoded, and keeps the memory.
func (e *Encoder) Reset() { e.buf = e.buf[:0] }

// Grow makes room for n more bytes, so that they cost one allocation at most.
func (e *Encoder) Grow(n int) { e.buf = slices.Grow(e.buf, n) }

// Bytes returns everything encoded so far. The slice is valid until the next call that appends.
func (e *Encoder) Bytes() []byte {
	return e.buf
}

// Len returns the number of bytes encoded so far.
func (e *Encoder) Len() int {
	return len(e.buf)
}

// Raw appends bytes as they are.
func (e *Encoder) Raw(b []byte) {
	e.buf = append(e.buf, b...)
}

// Bool appends a boolean.
func (e *Encoder) Bool(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	e.buf = append(e.buf, b)
}

// Int32 appends an int.
func (e *Encoder) Int32(v int32) {
	e.buf = binary.BigEndian.AppendUint32(e.buf, uint32(v))
}

// Int64 appends a long.
func (e *Encoder) Int64(v int64) {
	e.buf = binary.BigEndian.AppendUint64(e.buf, uint64(v))
}

// Buffer appends a buffer; nil is written as null.
func (e *Encoder) Buffer(v []byte) {
	if v == nil {
		e.Int32(-1)
		return
	}
	e.Int32(int32(len(v)))
	e.buf = append(e.buf, v...)
}

// String appends a ustring.
func (e *Encoder) String(v string) {
	e.Int32(int32(len(v)))
	e.buf = append(e.buf, v...)
}

// Strings appends a vector of ustring; nil is written as null.
func (e *Encoder) Strings(v []string) {
	if !e.count(len(v), v == nil) {
		return
	}
	for _, s := range v {
		e.String(s)
	}
}

// ACLs appends a vector of ACL; nil is written as null.
func (e *Encoder) ACLs(v []ACL) {
	if !e.count(len(v), v == nil) {
		return
	}
	for i := range v {
		v[i].Encode(e)
	}
}

// count writes a vector's count and reports whether items follow.
func (e *Encoder) count(n int, null bool) bool {
	if null {
		e.Int32(-1)
		return false
	}
	e.Int32(int32(n))
	return true
}

// BeginFrame reserves the four bytes of a frame's length and returns the mark that EndFrame needs.
func (e *Encoder) BeginFrame() int {
	mark := len(e.buf)
	e.Int32(0)
	return mark
}

// EndFrame writes the length of everything appended since BeginFrame returned mark.
func (e *Encoder) EndFrame(mark int) {
	binary.BigEndian.PutUint32(e.buf[mark:], uint32(len(e.buf)-mark-4))
}
