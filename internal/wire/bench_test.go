package wire

import (
	"fmt"
	"net"
	"testing"

	"github.com/docent-zk/docent/internal/jute"
)

// echo is a connection whose server has answered before one can ask: each
// request is answered in the next read, all at once.
type echo struct {
	tape
	body enc
	pend []byte
}

func (c *echo) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		c.pend = enc(c.pend).i32(int32(replyHeaderLen + len(c.body))).i32(int32At(p, prefixLen)).i64(1).i32(0).raw(c.body)
		p = p[prefixLen+int(int32At(p, 0)):]
	}
	return n, nil
}

func (c *echo) Read(p []byte) (int, error) {
	if len(c.pend) == 0 {
		return c.tape.Read(p)
	}
	n := copy(p, c.pend)
	c.pend = append(c.pend[:0], c.pend[n:]...)
	return n, nil
}

// echoing returns an open link to an echo whose replies have the given body.
func echoing(tb testing.TB, opt Options, body enc) (*Session, net.Conn) {
	tb.Helper()
	c, s := &echo{body: body}, NewSession(opt)
	conn, err := s.Wrap(c)
	if err == nil {
		_, err = conn.Write(connectFrame(0, testTimeout, 0))
	}
	c.pend = answerFrame(testTimeout, testSession)
	if err == nil {
		_, err = readFrame(conn)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return s, conn
}

// rounds returns a function that makes n calls at a time.
func rounds(tb testing.TB, s *Session, conn net.Conn, n int) func() {
	body := &jute.PathWatchRequest{Path: "/some/path"}
	decode := func(d *jute.Decoder) error { d.Buffer(); return nil }
	buf, calls := make([]byte, 1), make([]*Call, n)
	return func() {
		for i := range calls {
			calls[i] = &Call{Op: opGetData, Path: body.Path, Body: body, Decode: decode}
			if err := s.Send(calls[i]); err != nil {
				tb.Fatal(err)
			}
		}
		if _, err := conn.Read(buf); err == nil { // the driver sees nothing of it
			tb.Fatal("a frame for the driver")
		}
		for _, c := range calls {
			if over, err := c.Wait(nil); !over || err != nil {
				tb.Fatal(over, err)
			}
		}
	}
}

// A call costs its Call and a channel.
func TestCallsAllocateLittle(t *testing.T) {
	s, conn := echoing(t, Options{}, enc{}.zeros(4).aStat())
	round := rounds(t, s, conn, 64)
	round()
	if n := testing.AllocsPerRun(100, round); n > 2*64+2 && !racing { // the detector drops pooled encoders
		t.Errorf("%v allocations for 64 calls", n)
	}
}

// BenchmarkCalls is one call: bookkeeping, two copies of the request and one of the
// reply. They come in bursts of 64.
func BenchmarkCalls(b *testing.B) {
	for _, size := range []int{0, 128, 4096} {
		b.Run(fmt.Sprintf("data=%d", size), func(b *testing.B) {
			body := enc{}.i32(int32(size)).zeros(size).aStat()
			s, conn := echoing(b, Options{}, body)
			round := rounds(b, s, conn, 64)
			round()
			b.SetBytes(int64(prefixLen + replyHeaderLen + len(body)))
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += 64 {
				round()
			}
		})
	}
}
