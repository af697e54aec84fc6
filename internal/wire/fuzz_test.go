package wire

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
)

// fuzzOps is a call of every kind, with what reads its reply and a reply that is right.
var fuzzOps = []struct {
	op     int32
	decode func(*jute.Decoder)
	body   enc
}{
	{opCreate, func(d *jute.Decoder) { _ = d.String() }, enc{}.str("/a")},
	{opCreate2, func(d *jute.Decoder) { _ = d.String(); new(jute.Stat).Decode(d) }, enc{}.str("/a").aStat()},
	{opDelete, func(*jute.Decoder) {}, nil},
	{opExists, func(d *jute.Decoder) { new(jute.Stat).Decode(d) }, enc{}.aStat()},
	{opGetData, func(d *jute.Decoder) { d.Buffer(); new(jute.Stat).Decode(d) }, enc{}.str("data").aStat()},
	{opGetACL, func(d *jute.Decoder) { d.ACLs(); new(jute.Stat).Decode(d) }, enc{}.i32(1).i32(31).str("world").str("anyone").aStat()},
	{opGetChildren2, func(d *jute.Decoder) { d.Strings(); new(jute.Stat).Decode(d) }, enc{}.i32(2).str("a").str("").aStat()},
	{opMulti, func(d *jute.Decoder) { d.MultiResults(3) }, enc{}.i32(opDelete).flag(0).i32(0).i32(-1).flag(1).i32(-1)},
	{opMultiRead, func(d *jute.Decoder) { d.ReadResults(8) }, enc{}.i32(opGetData).flag(0).i32(0).str("data").aStat().
		i32(opGetChildren).flag(0).i32(0).i32(1).str("a").i32(-1).flag(0).i32(-101).i32(-101).i32(-1).flag(1).i32(-1)},
	{jute.OpSetWatches2, nil, nil},
}

// FuzzServerFrames feeds arbitrary bytes behind a valid handshake, in chunks, while a
// call of each kind and a ping are unanswered. The bytes are a stream of frames, or the
// body of a reply to the call with that number, counted from 1.
func FuzzServerFrames(f *testing.F) {
	var stream []byte
	for i, o := range fuzzOps {
		f.Add([]byte(o.body), uint8(200), int8(i+1))
		stream = append(stream, replyFrame(firstXid+int32(i), 9, 0, o.body)...)
	}
	tooLong := replyFrame(firstXid, 9, 0, enc{}.zeros(fuzzMaxFrame))
	for i, b := range [][]byte{
		slices.Concat(stream, eventFrame(3, "/a"), replyFrame(xidPing, 9, 0, nil)), eventFrame(1, "/a"), stream[20:],
		replyFrame(xidAuth, 0, -115, nil), replyFrame(xidPing, 9, -101, nil), enc{}.i32(1<<31 - 1), enc{}.i32(-1).zeros(16),
		slices.Concat(tooLong, stream), tooLong[:100], replyFrame(firstXid, 9, 0, enc{}.zeros(5*fuzzMaxFrame)),
	} {
		f.Add(b, uint8(i), int8(0))
		f.Add(b, uint8(255), int8(0))
	}
	for _, n := range []int32{1<<31 - 1, -1, 1 << 30} {
		for xid := range fuzzOps {
			f.Add([]byte(enc{}.i32(n).aStat()), uint8(3), int8(xid+1))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, chunk uint8, call int8) {
		if call != 0 {
			data = replyFrame(firstXid-1+int32(call), 9, 0, data)
		}
		fuzzCalls(t, data, int(chunk)+1)
	})
}

const fuzzMaxFrame = 4 << 10

// fuzzCalls checks what becomes of open calls, what the driver sees, and what all that allocates.
func fuzzCalls(t *testing.T, data []byte, chunk int) {
	s, conn, tp := opened(t, Options{Auth: func() []Auth { return twoCredentials()[:1] }, MaxFrame: fuzzMaxFrame, OnEvent: func(int32, string) {}})
	var calls []*testCall
	for _, o := range fuzzOps {
		c := newCall(o.op, "/a", &jute.PathRequest{Path: "/a"})
		if o.decode != nil {
			c.Decode = func(d *jute.Decoder) error { o.decode(d); return nil }
		}
		require.NoError(t, s.Send(&c.Call))
		calls = append(calls, c)
	}
	_, err := conn.Write(pingFrame)
	require.NoError(t, err)
	latest := time.Now()
	for rest := data; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
		tp.feed(bytes.Clone(rest[:min(chunk, len(rest))]))
	}
	tp.hangUp(io.EOF)
	buf, passed := make([]byte, 512), 0
	var readErr error
	got := grown(func() {
		for readErr == nil {
			var n int
			n, readErr = conn.Read(buf)
			passed += n
		}
	})
	if limit := uint64(64<<10 + 64*len(data)); got > limit {
		t.Errorf("%d bytes allocated for %d that arrived", got, len(data))
	}
	if passed > len(data) {
		t.Errorf("%d bytes handed out, %d arrived", passed, len(data))
	}
	if !tp.isClosed() || s.LastAnswered().After(latest) {
		t.Errorf("link open after %v, or answers from the future", readErr)
	}
	for _, c := range calls {
		c.ended(t)
	}
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

// FuzzClientWrites writes arbitrary bytes in arbitrary pieces as the driver. Whatever whole
// frames they hold must come out, as they are, until the session is closed.
func FuzzClientWrites(f *testing.F) {
	var stream []byte
	for i, o := range fuzzOps {
		stream = append(stream, requestFrame(int32(i+1), o.op, enc{}.str("/a").flag(1))...)
	}
	stream = append(stream, pingFrame...)
	f.Add(stream, []byte{1, 2, 3, 200})
	f.Add(stream, []byte{})
	f.Add(append(bytes.Clone(stream), enc{}.i32(7)...), []byte{0, 9})
	f.Add(slices.Concat(stream, requestFrame(9, opClose, nil), stream), []byte{0, 9})
	f.Add([]byte(enc{}.i32(1<<31-1)), []byte{1})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		_, conn, tp := opened(t, Options{})
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
		want, nonsense := passedOn(data)
		require.Equal(t, nonsense, err != nil)
		require.True(t, bytes.Equal(keep, data), "the driver's bytes were changed")
		require.True(t, bytes.Equal(want, tp.out.Bytes()))
	})
}

// passedOn is what should come out for a stream of frames, up to the first that cannot be one.
func passedOn(stream []byte) (out []byte, nonsense bool) {
	for over := false; len(stream) >= 4; {
		n := int(int32At(stream, 0))
		if n < requestHeaderLen || n > maxRequestLen {
			return out, true
		}
		if len(stream) < 4+n {
			break
		}
		if !over {
			out = append(out, stream[:4+n]...)
			over = int32At(stream, 8) == opClose
		}
		stream = stream[4+n:]
	}
	return out, false
}

// FuzzEvents sends a watch event, whole or cut short. What is told of it is what it says.
func FuzzEvents(f *testing.F) {
	f.Add(int32(3), int32(3), "/a", uint8(0))
	f.Add(int32(-1), int32(-112), "", uint8(0))
	f.Add(int32(1<<31-1), int32(0), "\xff\x00", uint8(0))
	f.Add(int32(4), int32(3), "/a", uint8(5))
	f.Fuzz(func(t *testing.T, kind, state int32, path string, cut uint8) {
		if len(path) > 1<<10 {
			return
		}
		type event struct {
			kind int32
			path string
		}
		var told []event
		_, conn, tp := opened(t, Options{OnEvent: func(kind int32, path string) { told = append(told, event{kind, path}) }})
		body := enc{}.i32(kind).i32(state).str(path)
		missing := min(int(cut), len(body))
		tp.feed(replyFrame(xidEvent, -1, 0, body[:len(body)-missing]))
		tp.hangUp(io.EOF)
		_, err := io.ReadAll(conn)
		if missing > 0 {
			require.Empty(t, told)
			require.Error(t, err)
			return
		}
		require.Equal(t, []event{{kind, path}}, told)
	})
}
