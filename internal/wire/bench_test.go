package wire

import (
	"fmt"
	"io"
	"net"
	"testing"
)

// echo is a connection whose server has answered before one can ask: each
// request is answered in the next read, all at once.
type echo struct {
	tape
	body enc
	pend []byte
}

func (c *echo) Write(p []byte) (int, error) {
	c.pend = enc(c.pend).i32(int32(replyHeaderLen + len(c.body))).i32(int32At(p, prefixLen)).i64(1).i32(0).raw(c.body)
	return len(p), nil
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
func echoing(tb testing.TB, opt Options, body enc) net.Conn {
	tb.Helper()
	c := &echo{body: body}
	conn, err := NewSession(opt).Wrap(c)
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
	return conn
}

// rounds returns a function that sends n requests, then reads their replies.
func rounds(tb testing.TB, conn net.Conn, op int32, n int) func() {
	frames := make([][]byte, n)
	for i := range frames {
		frames[i] = requestFrame(int32(i+1), op, enc{}.str("/some/path").flag(0))
	}
	buf := make([]byte, 64<<10)
	return func() {
		for _, f := range frames {
			if _, err := conn.Write(f); err != nil {
				tb.Fatal(err)
			}
		}
		for range frames {
			if _, err := io.ReadFull(conn, buf[:4]); err != nil {
				tb.Fatal(err)
			}
			if _, err := io.ReadFull(conn, buf[:int32At(buf, 0)]); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

func TestRepliesDoNotAllocate(t *testing.T) {
	conn := echoing(t, Options{OnRequest: func(int32, []byte) {}}, enc{}.zeros(4).aStat())
	round := rounds(t, conn, opGetData, 64)
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations for 64 requests and replies", n)
	}
}

// A frame that has to be changed is copied to a buffer that stays.
func TestChangedRequestsDoNotAllocate(t *testing.T) {
	round := rounds(t, echoing(t, Options{}, nil), opSetWatches, 8)
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations for 8 requests", n)
	}
}

// BenchmarkReadReplies is one request and its reply: bookkeeping, validation
// and two reads by the driver. The requests come in bursts of 64.
func BenchmarkReadReplies(b *testing.B) {
	for _, size := range []int{0, 128, 4096} {
		b.Run(fmt.Sprintf("data=%d", size), func(b *testing.B) {
			body := enc{}.i32(int32(size)).zeros(size).aStat()
			round := rounds(b, echoing(b, Options{}, body), opGetData, 64)
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

// BenchmarkReadChildren is dominated by the validation of the names.
func BenchmarkReadChildren(b *testing.B) {
	body := enc{}.i32(1000)
	for i := range 1000 {
		body = body.str(fmt.Sprintf("_c_0123456789abcdef0123456789abcdef-lock-%010d", i))
	}
	round := rounds(b, echoing(b, Options{}, body.aStat()), opGetChildren2, 1)
	round()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		round()
	}
}
