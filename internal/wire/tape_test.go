package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
)

const (
	testSession = int64(0x1100000000000022)
	testTimeout = 6 * time.Second
)

var (
	testPassword = []byte("0123456789abcdef")
	testStat     = jute.Stat{Czxid: 1, Mzxid: 2, Ctime: 3, Mtime: 4, Version: 5, Cversion: 6, Aversion: 7,
		EphemeralOwner: 8, DataLength: 9, NumChildren: 10, Pzxid: 11}
)

// tape is a connection in memory with a recorded server: reads play what was
// fed, chunk by chunk, and writes are recorded. An empty tape reads like a
// server that says nothing until the deadline.
type tape struct {
	mu       sync.Mutex
	in       [][]byte
	ended    error // what an empty tape reads, if set
	out      bytes.Buffer
	writes   int
	reads    int
	failAt   int // the write that fails, counted from 1
	failWith error
	closed   bool
}

func (c *tape) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	switch {
	case c.closed:
		return 0, net.ErrClosed
	case len(c.in) > 0:
		n := copy(p, c.in[0])
		if c.in[0] = c.in[0][n:]; len(c.in[0]) == 0 {
			c.in = c.in[1:]
		}
		return n, nil
	case c.ended != nil:
		return 0, c.ended
	}
	return 0, os.ErrDeadlineExceeded
}

func (c *tape) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	c.writes++
	if c.writes == c.failAt {
		return 0, c.failWith
	}
	return c.out.Write(p)
}

func (c *tape) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

func (c *tape) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2181} }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// feed adds chunks to be read, one per Read.
func (c *tape) feed(chunks ...[]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range chunks {
		if len(b) > 0 {
			c.in = append(c.in, b)
		}
	}
}

// hangUp makes the tape end after what was fed.
func (c *tape) hangUp(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = err
}

func (c *tape) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// written returns the frames written since the last call.
func (c *tape) written(t testing.TB) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var frames [][]byte
	for c.out.Len() > 0 {
		n := int(binary.BigEndian.Uint32(c.out.Bytes()))
		require.GreaterOrEqual(t, c.out.Len(), 4+n, "a partial frame was written")
		frames = append(frames, bytes.Clone(c.out.Next(4+n)))
	}
	return frames
}

// enc builds records.
type enc []byte

func (e enc) i32(v int32) enc  { return binary.BigEndian.AppendUint32(e, uint32(v)) }
func (e enc) i64(v int64) enc  { return binary.BigEndian.AppendUint64(e, uint64(v)) }
func (e enc) flag(v byte) enc  { return append(e, v) }
func (e enc) raw(b []byte) enc { return append(e, b...) }
func (e enc) str(s string) enc { return append(e.i32(int32(len(s))), s...) }
func (e enc) aStat() enc       { return e.stat(testStat) }
func (e enc) frame() []byte    { return append(enc{}.i32(int32(len(e))), e...) }
func (e enc) zeros(n int) enc  { return append(e, make([]byte, n)...) }

func (e enc) stat(s jute.Stat) enc {
	e = e.i64(s.Czxid).i64(s.Mzxid).i64(s.Ctime).i64(s.Mtime).i32(s.Version).i32(s.Cversion).i32(s.Aversion)
	return e.i64(s.EphemeralOwner).i32(s.DataLength).i32(s.NumChildren).i64(s.Pzxid)
}

func connectFrame(zxid int64, timeout time.Duration, id int64) []byte {
	return enc{}.i32(0).i64(zxid).i32(int32(timeout / time.Millisecond)).i64(id).str(string(testPassword)).frame()
}

// flaggedFrame is a ConnectRequest as it leaves, with the byte for read-only servers.
func flaggedFrame(connect []byte, readOnly byte) []byte {
	return enc{}.raw(connect[prefixLen:]).flag(readOnly).frame()
}

func answerFrame(timeout time.Duration, id int64) []byte {
	return enc{}.i32(0).i32(int32(timeout / time.Millisecond)).i64(id).str(string(testPassword)).frame()
}

func requestFrame(xid, op int32, body []byte) []byte {
	return enc{}.i32(xid).i32(op).raw(body).frame()
}

func replyFrame(xid int32, zxid int64, code int32, body []byte) []byte {
	return enc{}.i32(xid).i64(zxid).i32(code).raw(body).frame()
}

func eventFrame(kind int32, path string) []byte {
	return replyFrame(xidEvent, -1, 0, enc{}.i32(kind).i32(3).str(path))
}

var pingFrame = requestFrame(xidPing, opPing, nil)

// readFrame reads the way the driver does: the prefix, then the rest.
func readFrame(conn net.Conn) ([]byte, error) {
	frame := make([]byte, prefixLen)
	if _, err := io.ReadFull(conn, frame); err != nil {
		return nil, err
	}
	frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
	_, err := io.ReadFull(conn, frame[prefixLen:])
	return frame, err
}

// nothingMore asserts that the driver gets no further frame from what was fed.
func nothingMore(t *testing.T, conn net.Conn) {
	t.Helper()
	_, err := readFrame(conn)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// shake makes a handshake for session id over a fresh tape.
func shake(t testing.TB, s *Session, zxid, id int64) (net.Conn, *tape) {
	t.Helper()
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(zxid, testTimeout, id))
	require.NoError(t, err)
	tp.feed(answerFrame(testTimeout, testSession))
	_, err = readFrame(conn)
	require.NoError(t, err)
	tp.written(t)
	return conn, tp
}

// opened returns a session with its first link open.
func opened(t testing.TB, opt Options) (*Session, net.Conn, *tape) {
	t.Helper()
	s := NewSession(opt)
	conn, tp := shake(t, s, 0, 0)
	return s, conn, tp
}

// exchange sends a request and has it answered.
func exchange(t testing.TB, conn net.Conn, tp *tape, request, reply []byte) {
	t.Helper()
	_, err := conn.Write(request)
	require.NoError(t, err)
	tp.feed(reply)
	got, err := readFrame(conn)
	require.NoError(t, err)
	require.Equal(t, reply, got)
}
