package wire

import (
	"math"
	"math/rand"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPendingKeepsOrder(t *testing.T) {
	var p pending
	next, want := int32(0), int32(0)
	for round := range 500 { // grows, shrinks and wraps around
		for range round % 97 {
			require.True(t, p.push(request{xid: next}))
			next++
		}
		for range round % 89 {
			r, ok, _ := p.take(want)
			require.Equal(t, want < next, ok)
			if ok {
				require.Equal(t, want, r.xid)
				want++
			}
		}
	}
	assert.EqualValues(t, next-want, p.n)
}

func TestPendingOutOfTurn(t *testing.T) {
	var p pending
	for xid := range int32(5) {
		p.push(request{xid: xid})
	}
	for _, xid := range []int32{3, 1, 0} {
		_, ok, _ := p.take(xid)
		assert.True(t, ok)
		_, ok, _ = p.take(xid)
		assert.False(t, ok, "answered twice")
	}
	assert.Equal(t, 3, p.n, "2, 3 (answered), 4")
	_, ok, _ := p.take(2)
	assert.True(t, ok)
	assert.Equal(t, 1, p.n)
}

// Requests that are answered out of turn are found as in a list, also when the xids begin again.
func TestPendingFindsWhatAListFinds(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	p, w, list := pending{}, writer{xid: math.MaxInt32 - 500}, []int32{}
	for range 5000 {
		switch rng.Intn(5) {
		case 0:
			require.True(t, p.push(request{xid: xidPing, op: opPing}))
			list = append(list, xidPing)
		case 1, 2:
			xid := w.nextXid()
			require.True(t, p.push(request{xid: xid, op: opGetData}))
			list = append(list, xid)
		default:
			xid := int32(xidPing)
			if n := len(list); n > 0 {
				xid = list[rng.Intn(n)]
			}
			at := slices.Index(list, xid)
			r, ok, overtook := p.take(xid)
			require.Equal(t, at >= 0, ok)
			if ok {
				require.Equal(t, xid, r.xid)
				require.Equal(t, at > 0, overtook)
				list = slices.Delete(list, at, at+1)
			}
			_, ok, _ = p.take(xid)
			require.Equal(t, slices.Contains(list, xid), ok)
			if ok {
				list = slices.Delete(list, slices.Index(list, xid), slices.Index(list, xid)+1)
			}
		}
	}
}

// However many requests are open, each costs the same. Were it not so, this would take a minute.
func TestPendingInReverse(t *testing.T) {
	var p pending
	const n = 100_000
	for i := range int32(n) {
		p.push(request{xid: firstXid + i})
	}
	for i := range int32(n) {
		_, ok, _ := p.take(firstXid + n - 1 - i)
		require.True(t, ok)
	}
	assert.Zero(t, p.n)
}

func TestPendingIsBounded(t *testing.T) {
	p := pending{ring: make([]request, maxPending/2)}
	p.n = len(p.ring)
	assert.True(t, p.push(request{xid: 1}))
	assert.Len(t, p.ring, maxPending)
	p.n = maxPending
	assert.False(t, p.push(request{}))
	_, ok, _ := p.take(0)
	assert.True(t, ok)
	assert.True(t, p.push(request{}))
	assert.Len(t, p.ring, maxPending)
}

func TestTooManyRequestsEndTheLink(t *testing.T) {
	_, conn, tp := opened(t, Options{})
	conn.(*link).reqs = pending{ring: make([]request, maxPending), n: maxPending}
	_, err := conn.Write(pingFrame)
	assert.ErrorIs(t, err, ErrTooManyRequests)
	assert.Empty(t, tp.written(t))
}

func TestPendingDoesNotAllocate(t *testing.T) {
	var p pending
	for i := range int32(1000) {
		p.push(request{xid: i})
	}
	next, oldest := int32(1000), int32(0)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		p.take(oldest)
		p.push(request{xid: next})
		oldest, next = oldest+1, next+1
	}))
}

// The time that counts is when the answered request was sent, not when it was
// answered or when something else was sent.
func TestLastAnswered(t *testing.T) {
	const second = 5 * time.Millisecond // the requests are not to be overdue
	synctest.Test(t, func(t *testing.T) {
		s, conn, tp := opened(t, Options{})
		start := time.Now()
		at := func() time.Duration { return s.LastAnswered().Sub(start) }
		write := func(frames ...[]byte) {
			for _, b := range frames {
				time.Sleep(second)
				_, err := conn.Write(b)
				require.NoError(t, err)
			}
		}
		read := func(b []byte) {
			time.Sleep(10 * second)
			tp.feed(b)
			_, err := readFrame(conn)
			require.NoError(t, err)
		}
		pong := replyFrame(xidPing, 1, 0, nil)

		write(pingFrame) // at 1 s
		time.Sleep(9 * second)
		assert.Equal(t, time.Duration(0), at(), "sent, not answered")
		read(pong) // at 20 s
		assert.Equal(t, 1*second, at())

		write(pingFrame, pingFrame, requestFrame(5, opExists, nil)) // 21, 22, 23
		read(pong)
		assert.Equal(t, 21*second, at(), "the older of two pings")
		tp.feed(eventFrame(1, "/a"))
		nothingMore(t, conn)
		assert.Equal(t, 21*second, at(), "an event")
		read(replyFrame(5, 1, -101, nil))
		assert.Equal(t, 23*second, at(), "an error is an answer, also out of turn")
		read(pong)
		assert.Equal(t, 23*second, at(), "never backwards")

		// Nothing is outstanding any more: nothing moves it.
		for _, b := range [][]byte{pong, replyFrame(5, 1, 0, nil), replyFrame(-8, 1, 0, nil)} {
			tp.feed(b)
			nothingMore(t, conn)
		}
		assert.Equal(t, 23*second, at())
		assert.Equal(t, 3, conn.(*link).unrequested)
	})
}

// The server that says so does not keep the session alive.
func TestRepliesThatDisownTheSessionDoNotProlongTrust(t *testing.T) {
	for _, code := range []int32{codeSessionExpired, codeSessionMoved, codeSASLRequired} {
		s, conn, tp := opened(t, Options{})
		before := s.LastAnswered()
		exchange(t, conn, tp, requestFrame(1, opDelete, nil), replyFrame(1, 1, code, nil))
		assert.Equal(t, before, s.LastAnswered())
		exchange(t, conn, tp, requestFrame(2, opDelete, nil), replyFrame(2, 1, -101, nil))
		assert.True(t, s.LastAnswered().After(before))
	}
}

// The send time is taken before the write, which may block for long.
func TestLastAnsweredCountsFromBeforeTheWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSession(Options{})
		conn, server := pipe(t, s)
		defer server.Close()
		open(t, conn, server)
		start := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			readFrame(server)
			server.Write(replyFrame(xidPing, 1, 0, nil))
		}()
		_, err := conn.Write(pingFrame)
		require.NoError(t, err)
		assert.Equal(t, 3*time.Second, time.Since(start))
		_, err = readFrame(conn)
		require.NoError(t, err)
		assert.Equal(t, start, s.LastAnswered())
	})
}

func TestLastZxid(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	for _, zxid := range []int64{5, 3, -1, 0} {
		exchange(t, conn, tp, pingFrame, replyFrame(xidPing, zxid, 0, nil))
		assert.EqualValues(t, 5, s.LastZxid())
	}
}

// A few replies to nothing are passed over, and the driver does not see them.
func TestUnexpectedRepliesEndTheLink(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	for range maxUnexpected {
		tp.feed(replyFrame(1234, 1<<60, 0, enc{}.i32(-9)))
	}
	exchange(t, conn, tp, requestFrame(1, opExists, nil), replyFrame(1, 7, 0, enc{}.aStat()))
	assert.Equal(t, maxUnexpected, conn.(*link).unrequested)
	assert.EqualValues(t, 7, s.LastZxid())

	tp.feed(replyFrame(1234, 0, 0, nil))
	_, err := readFrame(conn)
	assert.ErrorIs(t, err, ErrMalformed)
	assert.ErrorContains(t, err, "not sent")
	assert.True(t, tp.isClosed())
}

// The driver's own auth requests have ordinary xids; their replies overtake.
func TestOvertakingReply(t *testing.T) {
	_, conn, tp := opened(t, Options{})
	_, err := conn.Write(requestFrame(1, opExists, nil))
	require.NoError(t, err)
	exchange(t, conn, tp, requestFrame(2, opAuth, nil), replyFrame(2, 0, 0, nil))
	tp.feed(replyFrame(1, 3, 0, enc{}.aStat()))
	_, err = readFrame(conn)
	require.NoError(t, err)
	assert.Zero(t, conn.(*link).unrequested)
}
