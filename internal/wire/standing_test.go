package wire

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// treeNews notes what wire says of recursive watches.
type treeNews struct{ list []string }

func (n *treeNews) options() Options {
	return Options{
		OnTree:             func(path string, code int32) { n.list = append(n.list, fmt.Sprint(path, " ", code)) },
		OnTreesUnsupported: func() { n.list = append(n.list, "unsupported") },
	}
}

func (n *treeNews) take() []string {
	list := n.list
	n.list = nil
	return list
}

func addFrame(xid int32, path string) []byte {
	return requestFrame(xid, opAddWatch, enc{}.str(path).i32(1))
}

func removeFrame(xid int32, path string) []byte {
	return requestFrame(xid, opRemoveWatches, enc{}.str(path).i32(3))
}

// getFrame is a getData, with a watch or without.
func getFrame(xid int32, path string, watch byte) []byte {
	return requestFrame(xid, opGetData, enc{}.str(path).flag(watch))
}

// hidden feeds answers to wire's own requests and checks that the driver sees none of them.
func hidden(t *testing.T, conn io.Reader, tp *tape, replies ...[]byte) {
	t.Helper()
	tp.feed(replies...)
	nothingMore(t, conn.(*link))
}

// write writes frames of the driver and returns what went out.
func write(t *testing.T, conn io.Writer, tp *tape, frames ...[]byte) [][]byte {
	t.Helper()
	for _, f := range frames {
		_, err := conn.Write(f)
		require.NoError(t, err)
	}
	return tp.written(t)
}

// The request goes out ahead of the driver's next one, in the same write, and its answer is hidden.
func TestWatchTree(t *testing.T) {
	news := &treeNews{}
	s, conn, tp := opened(t, news.options())
	require.True(t, s.WatchTree("/a"))
	require.True(t, s.WatchTree("/a"), "asked for twice is sent once")
	assert.Empty(t, tp.written(t), "nothing is sent but by the driver's goroutine")
	writes := tp.writes
	assert.Equal(t, [][]byte{addFrame(-1000, "/a"), pingFrame}, write(t, conn, tp, pingFrame))
	assert.Equal(t, writes+1, tp.writes)
	hidden(t, conn, tp, replyFrame(-1000, 7, 0, enc{}.i32(0)))
	assert.Equal(t, []string{"/a 0"}, news.take())
	assert.EqualValues(t, 7, s.LastZxid())
	tp.feed(eventFrame(3, "/a/b"))
	event, err := readFrame(conn)
	require.NoError(t, err)
	assert.Equal(t, eventFrame(3, "/a/b"), event, "the driver gets events")
	assert.Equal(t, [][]byte{getFrame(1, "/a", 0)}, write(t, conn, tp, getFrame(1, "/a", 0)))
	hidden(t, conn, tp, replyFrame(-1000, 7, 0, nil))
	assert.EqualValues(t, 1, s.Stats().Malformed, "an answer to nothing")
}

// On every later link it is the first thing that is sent.
func TestWatchTreeOnLaterLinks(t *testing.T) {
	news := &treeNews{}
	s, _, _ := opened(t, news.options())
	s.WatchTree("/a")
	s.WatchTree("/b")
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(0, testTimeout, testSession))
	require.NoError(t, err)
	tp.written(t)
	tp.feed(answerFrame(testTimeout, testSession))
	_, err = readFrame(conn)
	require.NoError(t, err)
	assert.Equal(t, [][]byte{addFrame(-1000, "/a"), addFrame(-1001, "/b")}, tp.written(t), "before the driver has the answer")
	assert.Equal(t, [][]byte{pingFrame}, write(t, conn, tp, pingFrame), "and not again")
	hidden(t, conn, tp, replyFrame(-1001, 1, 0, nil), replyFrame(-1000, 1, 0, nil))
	assert.Equal(t, []string{"/b 0", "/a 0"}, news.take())
	s.UnwatchTree("/a")
	_, tp = shake(t, s, 0, testSession)
	assert.Empty(t, tp.written(t), "shake has read it")
	assert.Equal(t, []string{"/b"}, s.standing.wanted)
}

func TestUnwatchTree(t *testing.T) {
	news := &treeNews{}
	s, conn, tp := opened(t, news.options())
	s.WatchTree("/a")
	s.UnwatchTree("/a")
	assert.Equal(t, [][]byte{pingFrame}, write(t, conn, tp, pingFrame), "never sent, nothing to take back")
	s.WatchTree("/a")
	write(t, conn, tp, pingFrame)
	s.UnwatchTree("/a")
	assert.Equal(t, [][]byte{removeFrame(-1001, "/a"), pingFrame}, write(t, conn, tp, pingFrame))
	hidden(t, conn, tp, replyFrame(-1000, 1, 0, nil), replyFrame(-1001, 1, -121, nil))
	assert.Empty(t, news.take(), "it was taken back meanwhile")
	s.WatchTree("/a")
	write(t, conn, tp, pingFrame)
	s.UnwatchTree("/a")
	s.WatchTree("/a")
	assert.Equal(t, [][]byte{addFrame(-1003, "/a"), pingFrame}, write(t, conn, tp, pingFrame), "asked for anew, not taken back")
	assert.False(t, s.standing.busy.Load() && len(s.standing.wanted) == 0)
}

// ZOOKEEPER-4466: what sets a one-shot watch on the watched path has the recursive watch set again right behind it.
func TestOneShotOnAWatchedTree(t *testing.T) {
	list := func(lists ...string) []byte {
		body := enc{}.i64(0)
		for _, p := range lists {
			body = body.i32(2).str("/x").str(p)
		}
		return requestFrame(9, opSetWatches, body)
	}
	for name, c := range map[string]struct {
		frame []byte
		again bool
	}{
		"getData":                {getFrame(9, "/a", 1), true},
		"exists":                 {requestFrame(9, opExists, enc{}.str("/a").flag(1)), true},
		"getChildren":            {requestFrame(9, opGetChildren, enc{}.str("/a").flag(1)), true},
		"getChildren2":           {requestFrame(9, opGetChildren2, enc{}.str("/a").flag(1)), true},
		"without a watch":        {getFrame(9, "/a", 0), false},
		"below":                  {getFrame(9, "/a/b", 1), false},
		"cut short":              {requestFrame(9, opGetData, enc{}.str("/a")), false},
		"set again, data":        {list("/a", "/y", "/y"), true},
		"set again, exists":      {list("/y", "/a", "/y"), true},
		"set again, children":    {list("/y", "/y", "/a"), true},
		"set again, others":      {list("/y", "/a/b", "/"), false},
		"set again, cut short":   {requestFrame(9, opSetWatches, enc{}.i64(0).i32(1<<30).str("/x")), false},
		"a write":                {requestFrame(9, opSetData, enc{}.str("/a").flag(1)), false},
		"set again, null string": {requestFrame(9, opSetWatches, enc{}.i64(0).i32(1).i32(-1).i32(1).str("/a").i32(0)), true},
	} {
		t.Run(name, func(t *testing.T) {
			news := &treeNews{}
			s, conn, tp := opened(t, news.options())
			s.WatchTree("/a")
			write(t, conn, tp, pingFrame)
			want := [][]byte{c.frame}
			if c.again {
				want = append(want, addFrame(-1001, "/a"))
			}
			assert.Equal(t, want, write(t, conn, tp, c.frame))
		})
	}
}

// A server that does not know addWatch says so, or just hangs up.
func TestServerWithoutTrees(t *testing.T) {
	t.Run("unimplemented", func(t *testing.T) {
		news := &treeNews{}
		s, conn, tp := opened(t, news.options())
		s.WatchTree("/a")
		s.WatchTree("/b")
		write(t, conn, tp, pingFrame)
		hidden(t, conn, tp, replyFrame(-1000, -1, codeUnimplemented, nil), replyFrame(-1001, -1, codeUnimplemented, nil))
		assert.Equal(t, []string{"unsupported"}, news.take())
		assert.False(t, s.WatchTree("/a"))
		_, tp = shake(t, s, 0, testSession)
		assert.Empty(t, tp.written(t))
	})
	hangUps := func(t *testing.T, s *Session, n int) {
		for range n {
			conn, tp := shake(t, s, 0, s.ID())
			write(t, conn, tp, pingFrame)
			tp.hangUp(io.EOF)
			_, err := readFrame(conn)
			require.Error(t, err)
		}
	}
	t.Run("silent", func(t *testing.T) {
		news := &treeNews{}
		s, _, _ := opened(t, news.options())
		s.WatchTree("/a")
		hangUps(t, s, maxStandingDeaths-1)
		assert.Empty(t, news.take())
		hangUps(t, s, 1)
		assert.Equal(t, []string{"unsupported"}, news.take())
		hangUps(t, s, 1)
		assert.Empty(t, news.take())
	})
	t.Run("known to know it", func(t *testing.T) {
		news := &treeNews{}
		s, conn, tp := opened(t, news.options())
		s.WatchTree("/a")
		write(t, conn, tp, pingFrame)
		hidden(t, conn, tp, replyFrame(-1000, 1, 0, nil))
		hangUps(t, s, 2*maxStandingDeaths)
		assert.Equal(t, []string{"/a 0"}, news.take())
	})
	t.Run("known from an earlier session", func(t *testing.T) {
		news := &treeNews{}
		opt := news.options()
		opt.TreesSupported = true
		s, _, _ := opened(t, opt)
		s.WatchTree("/a")
		hangUps(t, s, 2*maxStandingDeaths)
		assert.Empty(t, news.take())
	})
}

// A server that cannot take watches back is not asked again; they go with the link.
func TestServerWithoutRemoveWatches(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	for _, path := range []string{"/a", "/b"} {
		s.WatchTree(path)
	}
	write(t, conn, tp, pingFrame)
	s.UnwatchTree("/a")
	assert.Len(t, write(t, conn, tp, pingFrame), 2)
	hidden(t, conn, tp, replyFrame(-1000, 1, 0, nil), replyFrame(-1001, 1, 0, nil), replyFrame(-1002, 1, codeUnimplemented, nil))
	s.UnwatchTree("/b")
	assert.Len(t, write(t, conn, tp, pingFrame), 1)

	s, _, _ = opened(t, Options{})
	for range maxStandingDeaths {
		conn, tp := shake(t, s, 0, s.ID())
		s.WatchTree("/a")
		write(t, conn, tp, pingFrame)
		s.UnwatchTree("/a")
		write(t, conn, tp, pingFrame)
		hidden(t, conn, tp, replyFrame(s.standing.xid+1, 1, 0, nil))
		tp.hangUp(io.EOF)
		_, err := readFrame(conn)
		require.Error(t, err)
	}
	assert.True(t, s.standing.removing.denied)
	assert.False(t, s.standing.adding.denied)
}

// A refusal ends the watch; a server that is too busy is asked again; one that disowns the session has said nothing of it.
func TestWatchTreeRefused(t *testing.T) {
	for code, c := range map[int32]struct {
		news []string
		next [][]byte
	}{
		codeNoAuthForTest:  {[]string{"/a -102"}, [][]byte{pingFrame}},
		codeThrottled:      {nil, [][]byte{addFrame(-1001, "/a"), pingFrame}},
		codeSessionExpired: {nil, [][]byte{pingFrame}},
	} {
		news := &treeNews{}
		s, conn, tp := opened(t, news.options())
		s.WatchTree("/a")
		write(t, conn, tp, pingFrame)
		hidden(t, conn, tp, replyFrame(-1000, 1, code, nil))
		assert.Equal(t, c.news, news.take(), code)
		assert.Equal(t, c.next, write(t, conn, tp, pingFrame), code)
	}
}

const codeNoAuthForTest = -102

// The numbers of wire's own requests never meet the driver's, nor those with a meaning.
func TestOwnXidsWrap(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	s.standing.xid = -1<<31 + 2
	for _, want := range []int32{-1<<31 + 1, firstOwnXid, firstOwnXid - 1} {
		s.WatchTree("/a")
		assert.Equal(t, addFrame(want, "/a"), write(t, conn, tp, pingFrame)[0])
	}
}
