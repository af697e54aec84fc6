package wire

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// readBufferLen is enough for a burst of a hundred ordinary replies.
	readBufferLen = 16 << 10
	// keepBufferLen is the longest buffer kept when it is empty. A longer one
	// grew for a single large frame and would be dead weight.
	keepBufferLen = 256 << 10
	// maxRequestLen is the longest frame taken from the driver.
	maxRequestLen = 64 << 20
	// maxEmptyReads is how often a connection may return neither data nor an error.
	maxEmptyReads = 100
)

// errFrameLength marks a length prefix that cannot be right.
var errFrameLength = errors.New("frame length out of range")

// checkFrameLen reads the prefix of a frame and returns the length behind it.
func checkFrameLen(prefix []byte, lo, hi int) (int, error) {
	n := int(int32At(prefix, 0))
	if n < lo || n > hi {
		return 0, fmt.Errorf("%w: %d bytes claimed, %d to %d allowed", errFrameLength, n, lo, hi)
	}
	return n, nil
}

// frameReader cuts a stream into frames. It reads as much as there is at a time
// and hands out one frame after another from what it has. The buffer grows only
// when it is full of bytes that have arrived, at most to twice their number: a
// length that is merely claimed costs nothing.
type frameReader struct {
	buf  []byte
	r, w int // buf[r:w] has been read and not handed out

	at      time.Time // of the latest read
	partial bool      // part is set
	mu      sync.Mutex
	part    part // what is known of a frame of which a part has come, unless it is an event
}

// part is a reply of which a part has come.
type part struct {
	xid       int32
	got, size int       // bytes; 0 when it is complete
	at        time.Time // of the latest read
}

// arriving returns what has come of an unfinished reply. Its size is 0 if there is none; its time is then that of the latest
// reply that came in parts.
func (f *frameReader) arriving() part {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.part
}

// notePart notes that a frame of so many bytes is arriving, unless it is an event.
func (f *frameReader) notePart(need int) {
	if f.w-f.r < prefixLen+replyHeaderLen {
		return
	}
	if xid := int32At(f.buf, f.r+prefixLen); xid != xidEvent {
		f.setPart(part{xid: xid, got: f.w - f.r, size: need, at: f.at})
		f.partial = true
	}
}

func (f *frameReader) setPart(p part) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.part = p
}

// wholePart notes that the reply is complete. Its xid and its time stay until the request is taken out of the pending ones: otherwise
// that would seem to have waited since it was sent.
func (f *frameReader) wholePart() {
	f.setPart(part{xid: f.part.xid, at: f.at}) // nobody else sets part
	f.partial = false
}

// header returns the beginning of the next frame, at least size bytes of it, prefix included,
// without handing it out.
func (f *frameReader) header(src io.Reader, size int) ([]byte, error) {
	for f.w-f.r < size {
		if err := f.more(src, size); err != nil {
			return nil, err
		}
	}
	return f.buf[f.r : f.r+size], nil
}

// skip throws the next n bytes away. more is asked ahead of each read whether to go on.
func (f *frameReader) skip(src io.Reader, n int, more func() error) error {
	for {
		have := min(n, f.w-f.r)
		f.r += have
		if n -= have; n == 0 {
			return nil
		}
		f.r, f.w = 0, 0
		if err := more(); err != nil {
			return err
		}
		if err := f.more(src, readBufferLen); err != nil {
			return err
		}
	}
}

// next returns the next frame with its prefix. It is valid until the following
// call. lo and hi bound the length behind the prefix. After an error of src the
// call may be repeated; nothing that was read is lost.
func (f *frameReader) next(src io.Reader, lo, hi int) ([]byte, error) {
	f.trim()
	for {
		need := prefixLen
		if f.w-f.r >= prefixLen {
			n, err := checkFrameLen(f.buf[f.r:], lo, hi)
			if err != nil {
				return nil, err
			}
			need += n
		}
		if f.w-f.r >= need && need > prefixLen {
			frame := f.buf[f.r : f.r+need : f.r+need]
			f.r += need
			if f.partial {
				f.wholePart()
			}
			return frame, nil
		}
		f.notePart(need)
		if err := f.more(src, need); err != nil {
			return nil, err
		}
	}
}

// trim starts the buffer anew when everything in it was handed out.
func (f *frameReader) trim() {
	if f.r < f.w {
		return
	}
	f.r, f.w = 0, 0
	if len(f.buf) > keepBufferLen {
		f.buf = nil
	}
}

// more reads once from src, having made room for a frame of need bytes in all.
func (f *frameReader) more(src io.Reader, need int) error {
	if f.r+need > len(f.buf) {
		f.makeRoom(need)
	}
	for range maxEmptyReads {
		n, err := src.Read(f.buf[f.w:])
		f.w += n
		switch {
		case n > 0:
			f.at = time.Now()
			return nil // an error that came along will come again
		case err == io.EOF && f.w > f.r:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// makeRoom moves what there is to the front and, if that fills the buffer,
// doubles it, but not beyond need.
func (f *frameReader) makeRoom(need int) {
	if f.r > 0 {
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
	}
	if f.w < len(f.buf) {
		return
	}
	bigger := make([]byte, max(readBufferLen, min(need, 2*len(f.buf))))
	copy(bigger, f.buf[:f.w])
	f.buf = bigger
}

// assembler cuts what the driver writes into frames. The driver writes one
// whole frame at a time, which is then passed through in place; parts of a frame
// are kept until the rest comes.
type assembler struct {
	part []byte
}

// cut returns the first frame of p with its prefix, counting what was kept from
// earlier calls, and how many bytes of p were used. The frame is nil if p ends
// before it does, and is valid until p changes or cut is called again.
func (a *assembler) cut(p []byte, lo, hi int) (frame []byte, used int, err error) {
	if len(a.part) == 0 && len(p) >= prefixLen {
		n, err := checkFrameLen(p, lo, hi)
		if err != nil {
			return nil, 0, err
		}
		if len(p) >= prefixLen+n {
			return p[:prefixLen+n], prefixLen + n, nil
		}
	}
	used = a.keep(p, prefixLen)
	if len(a.part) < prefixLen {
		return nil, used, nil
	}
	n, err := checkFrameLen(a.part, lo, hi)
	if err != nil {
		return nil, used, err
	}
	used += a.keep(p[used:], prefixLen+n)
	if len(a.part) < prefixLen+n {
		return nil, used, nil
	}
	return a.take(), used, nil
}

// keep moves bytes of p to the kept part until that has size bytes.
func (a *assembler) keep(p []byte, size int) int {
	n := min(len(p), max(0, size-len(a.part)))
	a.part = append(a.part, p[:n]...)
	return n
}

// take returns the kept part and starts a new one.
func (a *assembler) take() []byte {
	frame := a.part
	a.part = a.part[:0]
	if cap(a.part) > keepBufferLen {
		a.part = nil
	}
	return frame
}
