package wire

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
)

var errTest = errors.New("test says so")

func TestFirstHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Established
		s := NewSession(Options{OnEstablished: func(e Established) { got = append(got, e) }})
		assert.Zero(t, s.ID())
		assert.Zero(t, s.Timeout())
		assert.Nil(t, s.Password())
		assert.True(t, s.LastAnswered().IsZero())

		tp := &tape{}
		conn, err := s.Wrap(tp)
		require.NoError(t, err)
		ask := connectFrame(0, 10*time.Second, 0)
		asked := time.Now()
		_, err = conn.Write(ask)
		require.NoError(t, err)
		assert.Equal(t, [][]byte{flaggedFrame(ask, 0)}, tp.written(t))
		time.Sleep(time.Second)
		answer := answerFrame(testTimeout, testSession)
		tp.feed(answer[:3], answer[3:9], answer[9:])
		frame, err := readFrame(conn)
		require.NoError(t, err)

		assert.Equal(t, answer, frame)
		assert.Equal(t, testSession, s.ID())
		assert.Equal(t, testTimeout, s.Timeout())
		assert.Equal(t, testPassword, s.Password())
		assert.Equal(t, asked, s.LastAnswered(), "the time of sending counts")
		assert.Equal(t, []Established{{testSession, testTimeout, false, tp.RemoteAddr(), 0, false}}, got)
	})
}

func TestResume(t *testing.T) {
	var got []Established
	s, _, _ := opened(t, Options{OnEstablished: func(e Established) { got = append(got, e) }})
	shake(t, s, 77, testSession)
	require.Len(t, got, 2)
	assert.True(t, got[1].Resumed)
	assert.EqualValues(t, 77, got[1].LastZxid)
	assert.EqualValues(t, 2, s.Stats().Links)
}

func TestPasswordIsACopy(t *testing.T) {
	s, _, _ := opened(t, Options{})
	s.Password()[0] = 'x'
	assert.Equal(t, testPassword, s.Password())
}

// A server that hands out another session must not get the driver to use it.
func TestForeignAnswerFences(t *testing.T) {
	var asked, got int64
	var fenced error
	var s *Session
	s, _, _ = opened(t, Options{OnForeign: func(a, g int64) {
		asked, got = a, g
		_, fenced = s.Wrap(&tape{})
	}})
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(5, testTimeout, testSession))
	require.NoError(t, err)
	tp.feed(answerFrame(testTimeout, 99))

	n, err := conn.Read(make([]byte, 100))
	assert.Zero(t, n, "the driver saw the foreign answer")
	assert.ErrorIs(t, err, ErrFenced)
	assert.ErrorIs(t, err, ErrForeignSession)
	assert.ErrorIs(t, fenced, ErrForeignSession, "fenced before the callback")
	assert.Equal(t, []int64{testSession, 99}, []int64{asked, got})
	assert.True(t, tp.isClosed())
	assert.Equal(t, testSession, s.ID())
}

func TestExpiredAnswerReachesTheDriver(t *testing.T) {
	expired := 0
	s, _, _ := opened(t, Options{OnExpired: func() { expired++ }})
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(5, testTimeout, testSession))
	require.NoError(t, err)
	answer := enc{}.i32(0).i32(0).i64(0).str(string(make([]byte, 16))).frame()
	tp.feed(answer)

	frame, err := readFrame(conn)
	require.NoError(t, err)
	assert.Equal(t, answer, frame)
	assert.Equal(t, 1, expired)
	assert.True(t, tp.isClosed())
	_, err = conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, ErrExpired)
	_, err = conn.Write(pingFrame)
	assert.ErrorIs(t, err, ErrExpired)
	next := &tape{}
	_, err = s.Wrap(next)
	assert.ErrorIs(t, err, ErrExpired)
	assert.ErrorIs(t, err, ErrFenced)
	assert.True(t, next.isClosed())
	assert.Zero(t, s.Stats().HandshakesFailed)
}

// Closed by the driver itself, a link gives nothing more, not even that.
func TestExpiredAnswerEndsWithClose(t *testing.T) {
	s, _, _ := opened(t, Options{})
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(5, testTimeout, testSession))
	require.NoError(t, err)
	tp.feed(answerFrame(0, 0))
	_, err = io.ReadFull(conn, make([]byte, 4))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	_, err = conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, net.ErrClosed)
}

func TestWrongSessionIsNotAskedFor(t *testing.T) {
	for _, c := range []struct {
		name string
		id   int64
		want error
	}{
		{"a new one", 0, ErrSecondSession},
		{"another one", 98, ErrForeignSession},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _, _ := opened(t, Options{})
			tp := &tape{}
			conn, err := s.Wrap(tp)
			require.NoError(t, err)
			_, err = conn.Write(connectFrame(0, testTimeout, c.id))
			assert.ErrorIs(t, err, c.want)
			assert.ErrorIs(t, err, ErrFenced)
			assert.Empty(t, tp.written(t), "the request went out")
			_, err = s.Wrap(&tape{})
			assert.ErrorIs(t, err, c.want)
		})
	}
}

// Before a session was ever established, asking again for a new one is right:
// nothing can have been done in one whose answer was lost.
func TestNewSessionMayBeAskedForAgain(t *testing.T) {
	s := NewSession(Options{})
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(0, testTimeout, 0))
	require.NoError(t, err)
	tp.hangUp(io.EOF)
	_, err = readFrame(conn)
	require.ErrorIs(t, err, io.EOF)
	shake(t, s, 0, 0)
	assert.EqualValues(t, 1, s.Stats().HandshakesFailed)
}

// A Conn may be started on a session that exists (its id patched in above).
func TestAdoptedSession(t *testing.T) {
	s := NewSession(Options{})
	shake(t, s, 0, testSession)
	assert.Equal(t, testSession, s.ID())

	foreign := false
	s = NewSession(Options{OnForeign: func(_, _ int64) { foreign = true }})
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(0, testTimeout, 98))
	require.NoError(t, err)
	tp.feed(answerFrame(testTimeout, testSession))
	_, err = readFrame(conn)
	assert.ErrorIs(t, err, ErrForeignSession)
	assert.True(t, foreign)
}

func TestFence(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	tp.feed(eventFrame(1, "/a"))
	s.Fence(errTest)
	s.Fence(errors.New("second"))
	s.Break(errors.New("third"))
	assert.True(t, tp.isClosed())
	for range 2 {
		_, err := conn.Read(make([]byte, 4))
		assert.ErrorIs(t, err, errTest)
		assert.ErrorIs(t, err, ErrFenced)
		assert.NotContains(t, err.Error(), "second")
		_, err = conn.Write(pingFrame)
		assert.ErrorIs(t, err, errTest)
	}
	next := &tape{}
	_, err := s.Wrap(next)
	assert.ErrorIs(t, err, errTest)
	assert.True(t, next.isClosed())
}

func TestFenceWithoutACause(t *testing.T) {
	s := NewSession(Options{})
	s.Fence(nil)
	_, err := s.Wrap(&tape{})
	assert.ErrorIs(t, err, ErrFenced)
}

// A fence from inside a callback holds for the reply that caused it.
func TestFenceFromACallback(t *testing.T) {
	var s *Session
	fence := func() { s.Fence(errTest) }
	t.Run("OnEstablished", func(t *testing.T) {
		s = NewSession(Options{OnEstablished: func(Established) { fence() }})
		tp := &tape{}
		conn, err := s.Wrap(tp)
		require.NoError(t, err)
		_, err = conn.Write(connectFrame(0, testTimeout, 0))
		require.NoError(t, err)
		tp.feed(answerFrame(testTimeout, testSession))
		n, err := conn.Read(make([]byte, 100))
		assert.ErrorIs(t, err, errTest)
		assert.Zero(t, n)
	})
	for name, c := range map[string]struct {
		opt  Options
		call *Call
	}{
		"OnEvent":    {Options{OnEvent: func(int32, string) { fence() }}, &Call{}},
		"OnAnswered": {Options{OnAnswered: func(int32) { fence() }}, &Call{}},
		"OnRegress":  {Options{SeenZxid: 100, OnRegress: fence}, &Call{}},
		"Decode":     {Options{}, &Call{Decode: func(*jute.Decoder) error { fence(); return nil }}},
		"Answered":   {Options{}, &Call{Answered: func(int64, int32) { fence() }}},
		"Over":       {Options{}, &Call{Over: func(error) { fence() }}},
	} {
		t.Run(name, func(t *testing.T) {
			opened, conn, tp := opened(t, c.opt)
			s, c.call.Op = opened, opDelete
			require.NoError(t, s.Send(c.call))
			_, err := conn.Write(pingFrame)
			require.NoError(t, err)
			tp.feed(slices.Concat(eventFrame(1, "/a"), replyFrame(firstXid, 5, 0, nil), replyFrame(xidPing, 5, 0, nil)))
			n, err := conn.Read(make([]byte, 100))
			assert.ErrorIs(t, err, errTest)
			assert.Zero(t, n)
		})
	}
}

func TestBreak(t *testing.T) {
	s := NewSession(Options{})
	s.Break(errTest) // nothing to break
	conn, tp := shake(t, s, 0, 0)
	s.Break(errTest)
	s.Break(nil)
	assert.True(t, tp.isClosed())
	_, err := conn.Read(make([]byte, 4))
	assert.ErrorIs(t, err, errTest)
	assert.NotErrorIs(t, err, ErrFenced)
	_, err = conn.Write(pingFrame)
	assert.ErrorIs(t, err, errTest)
	shake(t, s, 1, testSession)
}

// A driver that did not get the answer would ask for a second session, which
// would cost the whole epoch.
func TestAcceptedHandshakeSurvivesABreak(t *testing.T) {
	var s *Session
	s = NewSession(Options{OnEstablished: func(Established) { s.Break(errTest) }})
	shake(t, s, 0, 0)
	s.Break(errTest)
	shake(t, s, 1, testSession)
}

func TestWrapSupersedes(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	_, err := s.Wrap(&tape{})
	require.NoError(t, err)
	assert.True(t, tp.isClosed())
	_, err = conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, errSuperseded)
	_, err = s.Wrap(nil)
	assert.ErrorContains(t, err, "no connection")
}

func TestClose(t *testing.T) {
	_, conn, tp := opened(t, Options{})
	require.NoError(t, conn.Close())
	assert.True(t, tp.isClosed())
	assert.ErrorIs(t, conn.Close(), net.ErrClosed)
	_, err := conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = conn.Write(pingFrame)
	assert.ErrorIs(t, err, net.ErrClosed)
}

// secure is like a TLS connection: closing it says goodbye, unless the
// connection below is closed already.
type secure struct {
	net.Conn
	below *tape
	rude  bool
}

func (c *secure) NetConn() net.Conn { return c.below }
func (c *secure) Close() error      { c.rude = c.below.isClosed(); return nil }

func TestFenceDoesNotWaitForATLSGoodbye(t *testing.T) {
	s := NewSession(Options{})
	c := &secure{below: &tape{}}
	c.Conn = c.below
	_, err := s.Wrap(c)
	require.NoError(t, err)
	s.Fence(errTest)
	assert.True(t, c.rude)
}

func TestLogger(t *testing.T) {
	var log strings.Builder
	s, conn, tp := opened(t, Options{Auth: twoCredentials, Logger: slog.New(slog.NewTextHandler(&log,
		&slog.HandlerOptions{Level: slog.LevelDebug}))})
	assert.Contains(t, log.String(), "link open")
	tp.feed(replyFrame(9, 1, 0, nil), enc{}.i32(-1))
	_, err := readFrame(conn)
	require.Error(t, err)
	assert.Contains(t, log.String(), "not sent")
	assert.Contains(t, log.String(), "-1 bytes claimed")
	assert.NotContains(t, log.String(), "s3cr3t")
	before := log.String()
	s.Fence(errTest)
	assert.Equal(t, before, log.String(), "a fence waits for no log")
}

// closeFirst notes whether the connection was closed already when a warning came.
type closeFirst struct {
	slog.Handler
	s    *Session
	open []bool
}

func (h *closeFirst) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "link failed" {
		h.s.mu.Lock()
		defer h.s.mu.Unlock()
		h.open = append(h.open, h.s.link != nil)
	}
	return nil
}

// A log that blocks keeps no connection open.
func TestLinkEndsAheadOfTheLog(t *testing.T) {
	h := &closeFirst{Handler: slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})}
	s := NewSession(Options{Logger: slog.New(h)})
	h.s = s
	conn, tp := shake(t, s, 0, 0)
	tp.feed(enc{}.i32(-1))
	_, err := readFrame(conn)
	require.Error(t, err)
	assert.Equal(t, []bool{false}, h.open)
}

// Every entry point at once; the race detector watches.
func TestConcurrentUse(t *testing.T) {
	s := NewSession(Options{})
	for range 20 {
		client, server := net.Pipe()
		conn, err := s.Wrap(client)
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() { answerPings(server) })
		_, err = conn.Write(connectFrame(0, testTimeout, s.ID()))
		require.NoError(t, err)
		_, err = readFrame(conn)
		require.NoError(t, err)
		wg.Go(func() {
			for err := error(nil); err == nil; {
				_, err = readFrame(conn)
			}
		})
		wg.Go(func() {
			for err := error(nil); err == nil; {
				conn.SetDeadline(time.Now().Add(time.Minute))
				_, err = conn.Write(pingFrame)
			}
		})
		wg.Go(func() {
			for i := range 100 {
				s.LastAnswered()
				s.Stats()
				s.Timeout()
				if i == 99 {
					s.Break(errTest)
					conn.Close()
				}
			}
		})
		wg.Wait()
	}
	s.Fence(errTest)
}

// answerPings plays a server that grants every handshake and answers pings.
func answerPings(conn net.Conn) {
	defer conn.Close()
	if _, err := readFrame(conn); err != nil {
		return
	}
	reply := answerFrame(testTimeout, testSession)
	for {
		if _, err := conn.Write(reply); err != nil {
			return
		}
		if _, err := readFrame(conn); err != nil {
			return
		}
		reply = replyFrame(xidPing, 1, 0, nil)
	}
}

// The end of a link is seen together with its reason.
func TestEndOfALinkIsSeenWithItsReason(t *testing.T) {
	s, conn, _ := opened(t, Options{})
	l, done := conn.(*link), make(chan struct{})
	s.mu.Lock()
	go func() { l.end(errTest); close(done) }()
	for range 10_000 {
		runtime.Gosched()
	}
	assert.Equal(t, l.cause.Load() != nil, s.ended != nil)
	s.mu.Unlock()
	<-done
	assert.ErrorIs(t, s.Ended(), errTest)
	assert.NoError(t, s.Ended(), "it is told once")
}
