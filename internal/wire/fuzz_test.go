package wire

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"
)

// fuzzOps is a request of every kind that the driver makes. They get the xids
// 1, 2, 3 and so on.
var fuzzOps = []struct {
	op   int32
	call func(*zk.Conn)
}{
	{opCreate, func(c *zk.Conn) { c.Create("/a", nil, 0, nil) }},
	{opDelete, func(c *zk.Conn) { c.Delete("/a", -1) }},
	{opExists, func(c *zk.Conn) { c.ExistsW("/a") }},
	{opGetData, func(c *zk.Conn) { c.GetW("/a") }},
	{opSetData, func(c *zk.Conn) { c.Set("/a", nil, -1) }},
	{opGetACL, func(c *zk.Conn) { c.GetACL("/a") }},
	{opSetACL, func(c *zk.Conn) { c.SetACL("/a", nil, -1) }},
	{opSync, func(c *zk.Conn) { c.Sync("/a") }},
	{opGetChildren2, func(c *zk.Conn) { c.ChildrenW("/a") }},
	{opMulti, func(c *zk.Conn) { c.Multi(&zk.DeleteRequest{Path: "/a"}) }},
	{opReconfig, func(c *zk.Conn) { c.Reconfig(nil, -1) }},
	{opContainer, func(c *zk.Conn) { c.CreateContainer("/a", nil, zk.FlagContainer, nil) }},
	{opTTL, func(c *zk.Conn) { c.CreateTTL("/a", nil, zk.FlagTTL, nil, time.Second) }},
}

// seeds returns every valid reply to fuzzOps, and all of them in one stream.
func seeds() (all [][]byte) {
	var stream []byte
	for i, o := range fuzzOps {
		for _, b := range bodies {
			if b.op == o.op {
				frame := replyFrame(int32(i+1), 9, 0, b.body)
				all = append(all, frame)
			}
		}
		stream = append(stream, all[len(all)-1]...)
	}
	stream = append(stream, eventFrame(3, "/a")...)
	stream = append(stream, replyFrame(xidPing, 9, 0, nil)...)
	for _, code := range []int32{0, codeUnimplemented, codeThrottled, -102} {
		all = append(all, append(replyFrame(firstOwnXid, 9, code, nil), replyFrame(firstOwnXid-1, 9, code, nil)...))
	}
	return append(all, stream, eventFrame(1, "/a"), replyFrame(xidAuth, 0, -115, nil), enc{}.i32(1<<31-1))
}

// FuzzServerFrames feeds arbitrary bytes behind a valid handshake, first to
// wire alone, then through it to a real driver with a request of each kind
// outstanding. The bytes are a stream of frames, or the body of a successful
// reply to the request with that xid.
func FuzzServerFrames(f *testing.F) {
	for i, b := range seeds() {
		f.Add(b, uint8(i), int8(0))
	}
	for i, o := range fuzzOps {
		for _, b := range bodies {
			if b.op == o.op {
				f.Add([]byte(b.body), uint8(200), int8(i+1))
			}
		}
	}
	for _, b := range []enc{enc{}.i32(1<<31 - 1).aStat(), enc{}.i32(-1).aStat(), enc{}.i32(1 << 30).aStat()} {
		f.Add([]byte(b), uint8(3), int8(4))
		f.Add([]byte(b), uint8(3), int8(6))
		f.Add([]byte(b), uint8(3), int8(9))
	}
	f.Fuzz(func(t *testing.T, data []byte, chunk uint8, xid int8) {
		if xid != 0 {
			data = replyFrame(int32(xid), 9, 0, data)
		}
		fuzzAlone(t, data, int(chunk)+1)
		synctest.Test(t, func(t *testing.T) { fuzzDriver(t, data, int(chunk)+1) })
	})
}

// fuzzAlone checks what wire hands out and what it allocates for it.
func fuzzAlone(t *testing.T, data []byte, chunk int) {
	s, conn, tp := opened(t, Options{Auth: twoCredentials[:1], OnCreated: func(string, Stat) {}, OnTree: func(string, int32) {}})
	s.WatchTree("/a")
	s.WatchTree("/b")
	s.Ask(&Inquiry{Data: []string{"/a"}, Answered: func(int64, int32) {}})
	for i, o := range fuzzOps {
		_, err := conn.Write(requestFrame(int32(i+1), o.op, enc{}.str("/a")))
		require.NoError(t, err)
	}
	_, err := conn.Write(pingFrame)
	require.NoError(t, err)
	latest := time.Now()
	for rest := data; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
		tp.feed(bytes.Clone(rest[:min(chunk, len(rest))]))
	}
	tp.hangUp(io.EOF)
	buf := make([]byte, 512)
	passed := 0
	var readErr error
	got := grown(func() {
		for readErr == nil {
			var n int
			n, readErr = conn.Read(buf)
			passed += n
		}
	})
	if limit := uint64(64<<10 + 16*len(data)); got > limit {
		t.Errorf("%d bytes allocated for %d that arrived", got, len(data))
	}
	if passed > len(data) {
		t.Errorf("%d bytes handed out, %d arrived", passed, len(data))
	}
	if !tp.isClosed() || s.LastAnswered().After(latest) {
		t.Errorf("link open after %v, or answers from the future", readErr)
	}
}

// fuzzDriver runs in a bubble and must not panic, nor allocate what is only claimed.
func fuzzDriver(t *testing.T, data []byte, chunk int) {
	m, s := &mini{ignore: func(int32) bool { return true }}, NewSession(Options{OnCreated: func(string, Stat) {}})
	s.WatchTree("/a")
	var server net.Conn
	d := drive(t, s, func(string) net.Conn {
		if server != nil {
			s.Fence(errTest)
		}
		client, end := net.Pipe()
		server = end
		m.wg.Go(func() { m.serve(end) })
		return client
	}, "mini")
	d.until(zk.StateHasSession)
	for _, o := range fuzzOps {
		go o.call(d.Conn)
		synctest.Wait()
	}
	got := grown(func() {
		for rest := data; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
			if _, err := server.Write(rest[:min(chunk, len(rest))]); err != nil {
				break
			}
		}
		synctest.Wait()
	})
	if limit := uint64(1<<20 + 64*len(data)); got > limit {
		t.Errorf("%d bytes allocated for %d that arrived", got, len(data))
	}
	s.Fence(errTest)
	server.Close()
	d.Close()
	m.stop()
	time.Sleep(5 * time.Second)
}

// FuzzHandshake answers the handshake of a new session or of a resume with
// arbitrary bytes.
func FuzzHandshake(f *testing.F) {
	answer := answerFrame(testTimeout, testSession)
	for _, b := range [][]byte{
		answer, answer[:10], answerFrame(testTimeout, 99), answerFrame(0, 0), answerFrame(0, testSession),
		append(bytes.Clone(answer), replyFrame(xidPing, 1, 0, nil)...), enc{}.i32(1<<31 - 1), enc{}.i32(-1),
		enc{}.i32(0).i32(1).i64(testSession).i32(-1).frame(), enc{}.i32(0).i32(-1).i64(1).i32(1 << 30).frame(),
	} {
		f.Add(b, false)
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, resume bool) {
		s, id := NewSession(Options{}), int64(0)
		if resume {
			shake(t, s, 0, 0)
			id = testSession
		}
		tp := &tape{}
		conn, err := s.Wrap(tp)
		require.NoError(t, err)
		_, err = conn.Write(connectFrame(0, testTimeout, id))
		require.NoError(t, err)
		tp.feed(data)
		frame, err := readFrame(conn)
		checkGreeting(t, s, frame, err, resume)
		synctest.Test(t, func(t *testing.T) { greetDriver(t, data, resume) })
	})
}

// checkGreeting checks what the driver got for an answer.
func checkGreeting(t *testing.T, s *Session, frame []byte, err error, resume bool) {
	fenced := s.fence.Load() != nil
	if err != nil {
		if resume && s.ID() != testSession || !resume && (s.ID() != 0 || fenced) {
			t.Errorf("session %x, fenced %v after %v", s.ID(), fenced, err)
		}
		return
	}
	answer, perr := parseConnectAnswer(frame[prefixLen:])
	switch {
	case perr != nil:
		t.Errorf("passed on: %v", perr)
	case answer.id == 0 && !(resume && fenced):
		t.Error("an expiry that is none, or without a fence")
	case answer.id != 0 && (fenced || answer.id != s.ID() || resume && answer.id != testSession):
		t.Errorf("passed on session %x", answer.id)
	case answer.id != 0 && s.Timeout() <= 0:
		t.Errorf("timeout %v", s.Timeout())
	}
}

// greetDriver gives the same answer to a real driver in a bubble, on its first
// link or on its second.
func greetDriver(t *testing.T, data []byte, resume bool) {
	s, links := NewSession(Options{}), 0
	d := drive(t, s, func(string) net.Conn {
		client, server := net.Pipe()
		links++
		n := links
		go func() {
			defer server.Close()
			readFrame(server)
			switch {
			case n == 1 && resume:
				server.Write(answerFrame(testTimeout, testSession))
			case n < 3:
				server.Write(data)
			default:
				s.Fence(errTest)
			}
			time.Sleep(time.Second)
		}()
		return client
	}, "any")
	time.Sleep(10 * time.Second)
	d.Close()
	s.Fence(errTest)
	time.Sleep(5 * time.Second)
}

// FuzzClientWrites writes arbitrary bytes in arbitrary pieces. Whatever whole
// frames they hold must come out, with what wire changes changed.
func FuzzClientWrites(f *testing.F) {
	var stream []byte
	for i, o := range fuzzOps {
		stream = append(stream, requestFrame(int32(i+1), o.op, enc{}.str("/a").flag(1))...)
	}
	stream = append(append(stream, setWatchesFrame(50, 1<<40, "/a")...), pingFrame...)
	f.Add(stream, []byte{1, 2, 3, 200})
	f.Add(stream, []byte{})
	f.Add(append(bytes.Clone(stream), enc{}.i32(7)...), []byte{0, 9})
	f.Add([]byte(enc{}.i32(1<<31-1)), []byte{1})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		s := NewSession(Options{OnCreated: func(string, Stat) {}, OnRequest: func(int32, []byte) {}})
		conn, tp := shake(t, s, 0, 0)
		s.WatchTree("/a")
		keep := bytes.Clone(data)
		var err error
		for i, rest := 0, data; len(rest) > 0 && err == nil; i++ {
			n := len(rest)
			if len(cuts) > 0 {
				n = min(n, int(cuts[i%len(cuts)])+1)
			}
			_, err = conn.Write(rest[:n])
			rest = rest[n:]
		}
		want, nonsense := rewritten(data)
		require.Equal(t, nonsense, err != nil)
		require.True(t, bytes.Equal(keep, data), "the driver's bytes were changed")
		require.True(t, bytes.Equal(withoutOwn(want), withoutOwn(tp.out.Bytes())))
	})
}

// withoutOwn takes wire's own requests, and what looks like them, out of a stream of frames.
func withoutOwn(stream []byte) (out []byte) {
	for len(stream) > 0 {
		n := 4 + int(int32At(stream, 0))
		if int32At(stream, 4) > firstOwnXid || int32At(stream, 8) != opAddWatch {
			out = append(out, stream[:n]...)
		}
		stream = stream[n:]
	}
	return out
}

// rewritten is what should come out for a stream of frames, up to the first
// that cannot be one.
func rewritten(stream []byte) (out []byte, nonsense bool) {
	for len(stream) >= 4 {
		n := int(int32At(stream, 0))
		if n < requestHeaderLen || n > maxRequestLen {
			return out, true
		}
		if len(stream) < 4+n {
			break
		}
		frame := bytes.Clone(stream[:4+n])
		switch op := int32At(frame, 8); {
		case op == opCreate:
			frame[11] = opCreate2
		case op == opSetWatches && n >= 16:
			clear(frame[12:20])
		}
		out, stream = append(out, frame...), stream[4+n:]
	}
	return out, false
}
