package wire

import (
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refused opens a link on which setWatches is answered with an error, which
// must end it.
func (r *reconnects) refused(zxid int64, code int32) {
	r.t.Helper()
	r.link(zxid)
	r.rearm(zxid, "/a")
	r.tp.feed(replyFrame(r.xid, 1000, code, nil))
	_, err := readFrame(r.conn.(*link))
	require.ErrorIs(r.t, err, ErrNotRearmed)
}

// rearmAll sends a setWatches of three lists and returns the frames that went out
// in its place.
func (r *reconnects) rearmAll(drivers int64, data, exist, child []string) [][]byte {
	r.t.Helper()
	r.xid++
	body := enc{}.i64(drivers)
	for _, list := range [][]string{data, exist, child} {
		body = body.i32(int32(len(list)))
		for _, path := range list {
			body = body.str(path)
		}
	}
	_, err := r.conn.Write(requestFrame(r.xid, opSetWatches, body))
	require.NoError(r.t, err)
	return r.tp.written(r.t)
}

// existsFrame is an exists, with a watch or without.
func existsFrame(xid int32, path string, watch byte) []byte {
	return requestFrame(xid, opExists, enc{}.str(path).flag(watch))
}

// next reads what the driver gets next.
func (r *reconnects) next() []byte {
	r.t.Helper()
	frame, err := readFrame(r.conn.(*link))
	require.NoError(r.t, err)
	return frame
}

// Whatever the error is, watches are not left unarmed on a link that lives.
func TestSetWatchesThatIsRefusedEndsTheLink(t *testing.T) {
	for _, code := range []int32{codeThrottled, codeUnimplemented, -4, -5, -8, -100, -102, 7} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			r := newReconnects(t)
			r.link(0)
			r.refused(10, code)
			r.link(20)
			assert.NotEqual(t, opSetWatches, int(int32At(r.rearmAll(20, []string{"/a"}, nil, nil)[0], prefixLen+4)))
		})
	}
}

// An error that disowns the session says nothing of setWatches, which the next link sends again. But it ends the link: the
// server has not set the watches, and may go on to answer pings.
func TestSetWatchesOfADisownedSessionEndsTheLink(t *testing.T) {
	for _, code := range []int32{codeSessionExpired, codeSessionMoved, codeSASLRequired} {
		r := newReconnects(t)
		r.link(0)
		r.refused(10, code)
		r.link(20)
		assert.EqualValues(t, 10, r.rearm(20, "/a"), "code %d: it is sent again, for what has changed since", code)
	}
}

// After a refusal each watch is set by a read of its own, and what it has missed
// since the last link that was in order comes as an event.
func TestWatchesAreSetAgainOneByOne(t *testing.T) {
	at := func(zxid int64) []byte { return enc{}.stat(Stat{Czxid: 1, Mzxid: zxid, Pzxid: zxid}) }
	for _, c := range []struct {
		name   string
		list   int
		code   int32
		body   []byte
		event  int32 // 0 for none
		silent byte  // no watch is asked for
	}{
		{"data, unchanged", 0, 0, at(10), 0, 0},
		{"data, set since", 0, 0, at(11), eventDataChanged, 0},
		{"data, deleted", 0, codeNoNode, nil, eventDeleted, 0},
		{"data, refused", 0, -102, nil, eventDataChanged, 0},
		{"data, throttled", 0, codeThrottled, nil, eventDataChanged, 0},
		{"exists, still absent", 1, codeNoNode, nil, 0, 0},
		{"exists, created", 1, 0, at(5), eventCreated, 0},
		{"exists, refused", 1, -102, nil, eventCreated, 0},
		{"children, whatever happened", 2, 0, at(5), eventChildrenChanged, 1},
		{"children, deleted", 2, codeNoNode, nil, eventDeleted, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReconnects(t)
			r.link(0)
			r.refused(10, codeThrottled)
			r.link(20)
			var lists [3][]string
			lists[c.list] = []string{"/n"}
			out := r.rearmAll(25, lists[0], lists[1], lists[2])
			require.Equal(t, [][]byte{existsFrame(firstOwnXid, "/n", 1-c.silent)}, out)
			r.tp.feed(replyFrame(firstOwnXid, 2000, c.code, c.body))
			if c.event != 0 {
				assert.Equal(t, eventFrame(c.event, "/n"), r.next())
			}
			assert.Equal(t, replyFrame(r.xid, 0, 0, nil), r.next(), "the driver waits for this")
		})
	}
}

// The driver gets the answer to its setWatches when the last watch is in force,
// and every later setWatches of the session goes the same way.
func TestWatchesAreSetAgainOneByOneForTheRestOfTheSession(t *testing.T) {
	r := newReconnects(t)
	r.link(0)
	r.refused(10, codeThrottled)
	xid := int32(firstOwnXid)
	for zxid := int64(20); zxid < 50; zxid += 10 {
		r.link(zxid)
		out := r.rearmAll(zxid+5, []string{"/a", "/b"}, []string{"/c"}, nil)
		require.Len(t, out, 3)
		unchanged := enc{}.stat(Stat{Czxid: 1, Mzxid: 1})
		r.tp.feed(replyFrame(xid, 1000, 0, unchanged), eventFrame(eventDataChanged, "/z"), replyFrame(xid-1, 1000, 0, unchanged))
		assert.Equal(t, eventFrame(eventDataChanged, "/z"), r.next())
		nothingMore(t, r.conn.(*link))
		r.tp.feed(replyFrame(xid-2, 1000, codeNoNode, nil))
		assert.Equal(t, replyFrame(r.xid, 0, 0, nil), r.next())
		xid -= 3
	}
}

// A link on which all watches were set one by one counts as caught up, and no
// other does.
func TestCatchUpOneByOne(t *testing.T) {
	stat := enc{}.stat(Stat{Czxid: 1, Mzxid: 15})
	for _, c := range []struct {
		name     string
		answered bool
		event    int32 // on the next link
	}{{"answered", true, 0}, {"unanswered", false, eventDataChanged}} {
		t.Run(c.name, func(t *testing.T) {
			r := newReconnects(t)
			r.link(0)
			r.refused(10, codeThrottled)
			r.link(20)
			require.Len(t, r.rearmAll(20, []string{"/b"}, nil, nil), 1)
			if c.answered {
				r.tp.feed(replyFrame(firstOwnXid, 20, codeNoNode, nil))
				r.next()
				r.next()
				r.ping()
			}
			r.link(30)
			require.Len(t, r.rearmAll(30, []string{"/a"}, nil, nil), 1)
			r.tp.feed(replyFrame(firstOwnXid-1, 30, 0, stat))
			if c.event != 0 {
				assert.Equal(t, eventFrame(c.event, "/a"), r.next(), "the changes since 10 are not caught up")
			}
			assert.Equal(t, replyFrame(r.xid, 0, 0, nil), r.next())
		})
	}
}

// A recursive watch that the reads could hurt is set again behind them.
func TestWatchesAreSetAgainOneByOneBesideARecursiveOne(t *testing.T) {
	r := newReconnects(t)
	r.link(0)
	r.refused(10, codeThrottled)
	r.s.WatchTree("/a")
	r.link(20)
	out := r.rearmAll(20, []string{"/a"}, nil, nil)
	require.Len(t, out, 2)
	assert.EqualValues(t, opExists, int32At(out[0], prefixLen+4))
	assert.EqualValues(t, opAddWatch, int32At(out[1], prefixLen+4))
}

// A server that closes the connection over setWatches, for example because it is
// too long, gets none after a few times.
func TestSetWatchesThatKillsLinks(t *testing.T) {
	r := newReconnects(t)
	r.link(0)
	die := func(zxid int64) {
		r.link(zxid)
		r.rearm(zxid, "/a")
		r.tp.hangUp(io.EOF)
		_, err := readFrame(r.conn.(*link))
		require.Error(t, err)
	}
	die(10)
	die(20)
	r.link(30)
	r.rearm(30, "/a")
	r.answer(0)
	for i := range int64(maxRearmDeaths) { // in a row
		die(40 + i)
	}
	r.link(50)
	out := r.rearmAll(50, []string{"/a"}, nil, nil)
	require.Len(t, out, 1)
	assert.EqualValues(t, opExists, int32At(out[0], prefixLen+4))
}

// What cannot be taken apart goes out as it is.
func TestEmptyOrGarbledSetWatchesIsNotTakenApart(t *testing.T) {
	r := newReconnects(t)
	r.link(0)
	r.refused(10, codeThrottled)
	r.link(20)
	for _, frame := range [][]byte{
		requestFrame(50, opSetWatches, enc{}.i32(1)),
		requestFrame(51, opSetWatches, enc{}.i64(20).i32(3).str("/a")),
		setWatchesFrame(52, 20),
	} {
		_, err := r.conn.Write(frame)
		require.NoError(t, err)
		assert.Equal(t, [][]byte{frame}, r.tp.written(t))
	}
}
