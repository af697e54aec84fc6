package wire

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// askFrame is the setWatches of an inquiry.
func askFrame(xid int32, zxid int64, data, children []string) []byte {
	body := enc{}.i64(zxid)
	for _, list := range [][]string{data, nil, children} {
		body = body.i32(int32(len(list)))
		for _, path := range list {
			body = body.str(path)
		}
	}
	return requestFrame(xid, opSetWatches, body)
}

// noted returns an inquiry that notes its answers.
func noted(list *[]string, zxid int64, data, children []string) *Inquiry {
	return &Inquiry{Zxid: zxid, Data: data, Children: children, Answered: func(zxid int64, code int32) {
		*list = append(*list, fmt.Sprint(zxid, " ", code))
	}}
}

// It goes out once, ahead of the driver's next frame, with the zxid that was asked for. The driver has the events and not the answer.
func TestInquiry(t *testing.T) {
	var news []string
	s, conn, tp := opened(t, Options{})
	data, children := []string{"/a", "/b"}, []string{"/c"}
	s.Ask(noted(&news, 77, data, children))
	assert.Empty(t, tp.written(t))
	assert.Equal(t, [][]byte{askFrame(-1000, 77, data, children), pingFrame}, write(t, conn, tp, pingFrame))
	assert.Equal(t, [][]byte{pingFrame}, write(t, conn, tp, pingFrame))
	tp.feed(eventFrame(3, "/a"), replyFrame(-1000, 80, 0, nil), eventFrame(3, "/b"))
	for _, path := range []string{"/a", "/b"} {
		got, err := readFrame(conn)
		require.NoError(t, err)
		assert.Equal(t, eventFrame(3, path), got)
		assert.Len(t, news, map[string]int{"/a": 0, "/b": 1}[path], "when the driver has had the events before it")
	}
	assert.Equal(t, []string{"80 0"}, news)
	assert.EqualValues(t, 80, s.LastZxid())
	hidden(t, conn, tp, replyFrame(-1000, 81, 0, nil))
	assert.Len(t, news, 1, "an answer to nothing")
	assert.False(t, s.standing.busy.Load())
}

func TestInquiryRefused(t *testing.T) {
	var news []string
	s, conn, tp := opened(t, Options{})
	s.Ask(noted(&news, 1, nil, []string{"/c"}))
	write(t, conn, tp, pingFrame)
	hidden(t, conn, tp, replyFrame(-1000, 5, codeUnimplemented, nil))
	assert.Equal(t, []string{"5 -6"}, news)
	s.Ask(noted(&news, 1, nil, []string{"/c"}))
	write(t, conn, tp, pingFrame)
	hidden(t, conn, tp, replyFrame(-1001, 5, codeSessionExpired, nil))
	assert.Len(t, news, 1, "that says nothing of it")
}

// Nothing is sent or told that was retracted, or that belongs to an earlier link.
func TestInquiryRetracted(t *testing.T) {
	var news []string
	s, conn, tp := opened(t, Options{})
	before, sent, other := noted(&news, 1, []string{"/a"}, nil), noted(&news, 2, []string{"/b"}, nil), noted(&news, 3, []string{"/c"}, nil)
	s.Ask(before)
	s.Retract(before)
	assert.False(t, s.standing.busy.Load())
	assert.Equal(t, [][]byte{pingFrame}, write(t, conn, tp, pingFrame))
	s.Ask(sent)
	s.Ask(other)
	assert.Len(t, write(t, conn, tp, pingFrame), 3)
	s.Retract(sent)
	hidden(t, conn, tp, replyFrame(-1000, 7, 0, nil), replyFrame(-1001, 8, 0, nil))
	assert.Equal(t, []string{"8 0"}, news)
	s.Ask(sent)
	write(t, conn, tp, pingFrame)
	s.Ask(other)
	conn, tp = shake(t, s, 0, testSession)
	assert.Equal(t, [][]byte{pingFrame}, write(t, conn, tp, pingFrame), "whoever asks knows of the new link")
	assert.Empty(t, s.standing.inquiries)
}

// ZOOKEEPER-4466: an inquiry that names a path which is watched recursively has that watch set again, too.
func TestInquiryOnAWatchedTree(t *testing.T) {
	var news []string
	s, conn, tp := opened(t, Options{})
	s.WatchTree("/a")
	write(t, conn, tp, pingFrame)
	for i, list := range [][]string{{"/x", "/a"}, {"/a/b", "/"}} {
		xid := int32(-1001 - 2*i)
		want := [][]byte{askFrame(xid, 5, nil, list), addFrame(xid-1, "/a"), pingFrame}
		if i == 1 {
			want = append(want[:1], pingFrame)
		}
		s.Ask(noted(&news, 5, nil, list))
		assert.Equal(t, want, write(t, conn, tp, pingFrame))
	}
}

// The driver's own setWatches is what it was: an inquiry neither pins nor proves anything.
func TestInquiryLeavesCatchingUpAlone(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	s.Ask(&Inquiry{Zxid: 50, Data: []string{"/a"}, Answered: func(int64, int32) {}})
	write(t, conn, tp, pingFrame)
	hidden(t, conn, tp, replyFrame(-1000, 60, 0, nil))
	assert.False(t, s.watches.seen)
	assert.Zero(t, s.watches.open)
}

// TreeZxid is how far the server was that last answered, while the watch is certainly in force and known to be.
func TestTreeZxid(t *testing.T) {
	var s *Session
	var within []int64
	s, conn, tp := opened(t, Options{OnTree: func(path string, _ int32) { within = append(within, s.TreeZxid(path)) }})
	pong := func(zxid int64) {
		t.Helper()
		exchange(t, conn, tp, pingFrame, replyFrame(xidPing, zxid, 0, nil))
	}
	pong(5)
	assert.Zero(t, s.TreeZxid("/a"))
	s.WatchTree("/a")
	s.WatchTree("/b")
	write(t, conn, tp, pingFrame)
	assert.Zero(t, s.TreeZxid("/a"), "asked for")
	hidden(t, conn, tp, replyFrame(-1000, 6, 0, nil), replyFrame(-1001, 6, codeThrottled, nil))
	assert.EqualValues(t, 6, s.TreeZxid("/a"))
	assert.Zero(t, s.TreeZxid("/b"), "the server is too busy")
	write(t, conn, tp, getFrame(1, "/a", 1))
	assert.Zero(t, s.TreeZxid("/a"), "a one-shot watch may have ended it")
	hidden(t, conn, tp, replyFrame(-1002, 7, 0, nil))
	assert.EqualValues(t, 7, s.TreeZxid("/b"))
	assert.Zero(t, s.TreeZxid("/a"))
	hidden(t, conn, tp, replyFrame(-1003, 7, 0, nil))
	assert.EqualValues(t, 7, s.TreeZxid("/a"))
	conn, tp = shake(t, s, 5, testSession)
	assert.Zero(t, s.TreeZxid("/a"))
	pong(9)
	assert.Zero(t, s.TreeZxid("/a"), "the new link has yet to tell")
	hidden(t, conn, tp, replyFrame(-1004, 6, 0, nil), replyFrame(-1005, 6, -102, nil))
	assert.EqualValues(t, 9, s.TreeZxid("/a"))
	assert.Zero(t, s.TreeZxid("/b"), "refused")
	assert.Equal(t, make([]int64, len(within)), within, "not before it is told that the watch is in force")
	_, tp = shake(t, s, 5, testSession)
	hidden(t, s.link, tp, replyFrame(-1006, 3, 0, nil))
	assert.EqualValues(t, 3, s.TreeZxid("/a"), "as far as this server is")
	s.UnwatchTree("/a")
	_, _ = shake(t, s, 5, testSession)
	assert.Zero(t, s.TreeZxid("/a"))
}

// While one of two requests for a watch is unanswered it is not in force.
func TestTreeZxidOfAWatchThatIsSetTwice(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	s.WatchTree("/a")
	write(t, conn, tp, pingFrame)
	s.WatchTree("/a")
	write(t, conn, tp, pingFrame)
	hidden(t, conn, tp, replyFrame(-1000, 6, 0, nil))
	assert.Zero(t, s.TreeZxid("/a"))
	hidden(t, conn, tp, replyFrame(-1001, 6, 0, nil))
	assert.EqualValues(t, 6, s.TreeZxid("/a"))
}
