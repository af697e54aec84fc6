package zktest

import "encoding/binary"

// framer cuts a connection's byte stream into frames. It never holds more than the bytes that have arrived, whatever
// length a frame claims.
type framer struct {
	buf     []byte
	max     int // longest frame allowed
	isWord  func(string) bool
	started bool // the first four bytes have been seen, so that a four-letter word can no longer come
	failed  bool
}

// cut is what a framer finds in the stream.
type cut uint8

const (
	cutNothing cut = iota // more bytes are needed
	cutFrame
	cutWord // a four-letter word in place of the first frame
	cutBad  // a length that is negative or beyond the limit; nothing follows
)

// push adds bytes that have arrived.
func (f *framer) push(b []byte) {
	if !f.failed {
		f.buf = append(f.buf, b...)
	}
}

// next returns the next thing in the stream. A frame is without its length and belongs to the caller.
func (f *framer) next() (cut, []byte) {
	if f.failed || len(f.buf) < 4 {
		return cutNothing, nil
	}
	if !f.started {
		f.started = true
		if word := f.buf[:4]; f.isWord(string(word)) {
			f.failed = true // one word is all that is answered on a connection
			return cutWord, word
		}
	}
	n := int32(binary.BigEndian.Uint32(f.buf))
	if n < 0 || int(n) > f.max {
		f.failed, f.buf = true, nil
		return cutBad, nil
	}
	end := 4 + int(n)
	if len(f.buf) < end {
		return cutNothing, nil
	}
	frame := f.buf[4:end:end]
	f.buf = f.buf[end:]
	if len(f.buf) == 0 {
		f.buf = nil // the frame owns the memory now
	}
	return cutFrame, frame
}
