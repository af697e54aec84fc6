package wire

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func setWatchesFrame(xid int32, relative int64, paths ...string) []byte {
	body := enc{}.i64(relative).i32(int32(len(paths)))
	for _, p := range paths {
		body = body.str(p)
	}
	return requestFrame(xid, opSetWatches, body.i32(0).i32(0))
}

// reconnects plays a client that comes back again and again.
type reconnects struct {
	t    *testing.T
	s    *Session
	conn interface {
		io.Reader
		io.Writer
	}
	tp  *tape
	xid int32
}

func newReconnects(t *testing.T) *reconnects { return &reconnects{t: t, s: NewSession(Options{})} }

// link opens the next link; the driver has seen changes up to zxid.
func (r *reconnects) link(zxid int64) { r.conn, r.tp = shake(r.t, r.s, zxid, r.s.ID()) }

// rearm sends a setWatches whose relativeZxid the driver set to drivers, and
// returns the one that went out.
func (r *reconnects) rearm(drivers int64, paths ...string) int64 {
	r.t.Helper()
	r.xid++
	frame := setWatchesFrame(r.xid, drivers, paths...)
	keep := bytes.Clone(frame)
	_, err := r.conn.Write(frame)
	require.NoError(r.t, err)
	require.Equal(r.t, keep, frame, "the driver's bytes were changed")
	out := r.tp.written(r.t)
	require.Len(r.t, out, 1)
	pin := int64At(out[0], relativeZxidAt)
	require.Equal(r.t, setWatchesFrame(r.xid, pin, paths...), out[0], "only that field may change")
	return pin
}

// answer has the setWatches sent last answered.
func (r *reconnects) answer(code int32) {
	r.t.Helper()
	r.tp.feed(replyFrame(r.xid, 1000, code, nil))
	r.read()
}

func (r *reconnects) read() {
	r.t.Helper()
	_, err := readFrame(r.conn.(*link))
	require.NoError(r.t, err)
}

// ping sends a ping and has it answered.
func (r *reconnects) ping() {
	r.t.Helper()
	_, err := r.conn.Write(pingFrame)
	require.NoError(r.t, err)
	r.tp.written(r.t)
	r.tp.feed(replyFrame(xidPing, 1000, 0, nil))
	r.read()
}

// complete re-arms everything on the current link.
func (r *reconnects) complete(drivers int64) {
	r.t.Helper()
	r.rearm(drivers, "/a")
	r.answer(0)
	r.ping()
}

// Replies on the new link may move the driver's lastZxid before it builds the
// request; what happened between the links must not be passed over.
func TestCatchUpStartsAtTheEndOfThePreviousLink(t *testing.T) {
	r := newReconnects(t)
	r.link(0)
	r.link(10)
	assert.EqualValues(t, 10, r.rearm(15))
	r.answer(0)
	r.ping()
	r.link(20)
	assert.EqualValues(t, 20, r.rearm(20))
}

// On a link that was not completed nothing was caught up.
func TestCatchUpOverIncompleteLinks(t *testing.T) {
	for _, c := range []struct {
		name string
		link func(r *reconnects)
	}{
		{"no setWatches", func(r *reconnects) { r.ping() }},
		{"unanswered", func(r *reconnects) { r.rearm(20, "/a"); r.ping() }},
		{"one of two unanswered", func(r *reconnects) { r.complete(20); r.rearm(20, "/b"); r.ping() }},
		{"another may follow", func(r *reconnects) {
			r.rearm(20, strings.Repeat("x", maybeMoreLen))
			r.answer(0)
			r.ping()
		}},
		{"no ping", func(r *reconnects) { r.rearm(20, "/a"); r.answer(0) }},
		{"ping too early", func(r *reconnects) {
			r.rearm(20, "/a")
			_, err := r.conn.Write(pingFrame)
			require.NoError(r.t, err)
			r.tp.written(r.t)
			r.answer(0)
			r.tp.feed(replyFrame(xidPing, 1000, 0, nil))
			r.read()
		}},
		{"ping unanswered", func(r *reconnects) {
			r.rearm(20, "/a")
			r.answer(0)
			_, err := r.conn.Write(pingFrame)
			require.NoError(r.t, err)
		}},
		{"another after the ping", func(r *reconnects) { r.complete(20); r.rearm(20, "/b"); r.answer(0) }},
		{"left over from an earlier link", func(r *reconnects) { r.complete(19) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReconnects(t)
			r.link(0)
			r.link(10)
			r.complete(10)
			r.link(20)
			c.link(r)
			r.link(30)
			assert.EqualValues(t, 20, r.rearm(30), "the changes since 20 are not caught up")
			r.answer(0)
			r.ping()
			r.link(40)
			assert.EqualValues(t, 40, r.rearm(40), "and now they are")
		})
	}
}

// The driver splits what is long; the last part shows that it is the last.
func TestCatchUpInSeveralFrames(t *testing.T) {
	r := newReconnects(t)
	r.link(0)
	r.link(10)
	long := strings.Repeat("x", maybeMoreLen)
	assert.EqualValues(t, 10, r.rearm(12, long))
	r.answer(0)
	assert.EqualValues(t, 10, r.rearm(12, "/a"))
	r.answer(0)
	r.ping()
	r.link(20)
	assert.EqualValues(t, 20, r.rearm(25))
}

// A left-over does not count, but is pinned like any other, and does not spoil
// what comes after it.
func TestCatchUpAfterALeftOver(t *testing.T) {
	r := newReconnects(t)
	r.link(0)
	r.link(10)
	assert.EqualValues(t, 10, r.rearm(9, "/a"))
	r.answer(-5)
	r.complete(11)
	r.link(20)
	assert.EqualValues(t, 20, r.rearm(20))
}

// A handshake that fails is no link.
func TestCatchUpOverAFailedHandshake(t *testing.T) {
	r := newReconnects(t)
	r.link(0)
	r.link(10)
	r.complete(10)
	tp := &tape{}
	conn, err := r.s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(20, testTimeout, testSession))
	require.NoError(t, err)
	tp.hangUp(io.EOF)
	_, err = readFrame(conn)
	require.Error(t, err)
	r.link(20)
	assert.EqualValues(t, 20, r.rearm(20))
}

func TestGarbledSetWatchesPassesUnchanged(t *testing.T) {
	_, conn, tp := opened(t, Options{})
	frame := requestFrame(1, opSetWatches, enc{}.i32(1))
	_, err := conn.Write(frame)
	require.NoError(t, err)
	assert.Equal(t, [][]byte{frame}, tp.written(t))
}
