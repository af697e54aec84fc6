package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMalformedHandshakes(t *testing.T) {
	ok := enc{}.i32(0).i32(6000).i64(testSession)
	for _, c := range []struct {
		name   string
		answer []byte
	}{
		{"too short", ok.frame()},
		{"too long", ok.i32(16).zeros(2000).frame()},
		{"2 GiB claimed", enc{}.i32(1<<31 - 1)},
		{"negative length", enc{}.i32(-1)},
		{"empty", enc{}.i32(0)},
		{"password beyond the frame", ok.i32(17).zeros(16).frame()},
		{"password of -2", ok.i32(-2).zeros(16).frame()},
		{"password too long for the driver", ok.i32(200).zeros(200).frame()},
		{"no timeout", enc{}.i32(0).i32(0).i64(1).i32(16).zeros(16).frame()},
		{"a timeout of a millisecond", enc{}.i32(0).i32(1).i64(1).i32(16).zeros(16).frame()},
		{"negative timeout", enc{}.i32(0).i32(-5).i64(1).i32(16).zeros(16).frame()},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSession(Options{})
			tp := &tape{}
			conn, err := s.Wrap(tp)
			require.NoError(t, err)
			_, err = conn.Write(connectFrame(0, testTimeout, 0))
			require.NoError(t, err)
			tp.feed(c.answer)
			n, err := conn.Read(make([]byte, 100))
			assert.Zero(t, n)
			assert.ErrorIs(t, err, ErrMalformed)
			assert.ErrorContains(t, err, "127.0.0.1:2181")
			assert.True(t, tp.isClosed())
			assert.Zero(t, s.ID())
			assert.EqualValues(t, 1, s.Stats().HandshakesFailed)
			shake(t, s, 0, 0) // the session is not harmed
		})
	}
}

func TestOddButLegalHandshakes(t *testing.T) {
	head := enc{}.i32(0).i32(6000).i64(-7) // ids of servers above 127 are negative
	for name, answer := range map[string][]byte{
		"null password":  head.i32(-1).frame(),
		"empty password": head.i32(0).frame(),
		"read-only flag": head.i32(16).zeros(16).flag(0).frame(),
	} {
		t.Run(name, func(t *testing.T) {
			s := NewSession(Options{})
			tp := &tape{}
			conn, err := s.Wrap(tp)
			require.NoError(t, err)
			_, err = conn.Write(connectFrame(0, testTimeout, 0))
			require.NoError(t, err)
			tp.feed(answer)
			got, err := readFrame(conn)
			require.NoError(t, err)
			assert.Equal(t, answer, got)
			assert.EqualValues(t, -7, s.ID())
		})
	}
}

// Nothing has been established that could expire.
func TestRefusedSession(t *testing.T) {
	s := NewSession(Options{OnExpired: func() { t.Error("OnExpired was called") }})
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(0, testTimeout, 0))
	require.NoError(t, err)
	tp.feed(answerFrame(0, 0))
	_, err = readFrame(conn)
	assert.ErrorIs(t, err, ErrRefused)
	shake(t, s, 0, 0)
}

func TestDriverOutOfStep(t *testing.T) {
	for _, c := range []struct {
		name   string
		writes [][]byte
		want   string
	}{
		{"request instead of a handshake", [][]byte{pingFrame}, "invalid frame"},
		{"request behind it", [][]byte{append(connectFrame(0, testTimeout, 0), pingFrame...)}, "more than"},
		{"request before the answer", [][]byte{connectFrame(0, testTimeout, 0), pingFrame}, "before its handshake"},
		{"giant", [][]byte{enc{}.i32(1 << 20)}, "invalid frame"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSession(Options{})
			conn, err := s.Wrap(&tape{})
			require.NoError(t, err)
			for _, b := range c.writes[:len(c.writes)-1] {
				_, err = conn.Write(b)
				require.NoError(t, err)
			}
			_, err = conn.Write(c.writes[len(c.writes)-1])
			assert.ErrorContains(t, err, c.want)
			_, err = conn.Read(make([]byte, 1))
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestServerSpeaksFirst(t *testing.T) {
	s := NewSession(Options{})
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	tp.feed(answerFrame(testTimeout, testSession))
	_, err = readFrame(conn)
	assert.ErrorIs(t, err, ErrMalformed)
	assert.Zero(t, s.ID())
}

func TestConnectRequestInPieces(t *testing.T) {
	s := NewSession(Options{})
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	ask := connectFrame(0, testTimeout, 0)
	for i := range ask {
		n, err := conn.Write(ask[i : i+1])
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
	assert.Equal(t, [][]byte{flaggedFrame(ask, 0)}, tp.written(t))
	assert.Equal(t, 1, tp.writes)
}

// pipe wraps one end of a net.Pipe and returns the other.
func pipe(t *testing.T, s *Session) (link, server net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	link, err := s.Wrap(client)
	require.NoError(t, err)
	return link, server
}

// A server that takes the connection and says nothing, however long the
// driver itself would wait.
func TestHandshakeLimit(t *testing.T) {
	for _, c := range []struct {
		name   string
		opt    Options
		asked  time.Duration
		driver time.Duration // deadline, 0 for none
		want   time.Duration
	}{
		{"a third of what was asked", Options{}, 6 * time.Second, 40 * time.Second, 2 * time.Second},
		{"without a deadline of the driver", Options{}, 6 * time.Second, 0, 2 * time.Second},
		{"as configured", Options{HandshakeTimeout: func() time.Duration { return time.Second }}, 6 * time.Second, 40 * time.Second, time.Second},
		{"the driver's if shorter", Options{}, 6 * time.Second, time.Second, time.Second},
		{"nothing asked", Options{}, 0, 0, fallbackHandshake},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewSession(c.opt)
				conn, server := pipe(t, s)
				defer server.Close()
				go readFrame(server)
				_, err := conn.Write(connectFrame(0, c.asked, 0))
				require.NoError(t, err)
				start := time.Now()
				if c.driver > 0 {
					require.NoError(t, conn.SetReadDeadline(start.Add(c.driver)))
				} else {
					require.NoError(t, conn.SetReadDeadline(time.Time{}))
				}
				_, err = readFrame(conn)
				assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
				var ne net.Error
				assert.True(t, errors.As(err, &ne) && ne.Timeout())
				assert.Equal(t, c.want, time.Since(start))
				assert.EqualValues(t, 1, s.Stats().HandshakesFailed)
			})
		})
	}
}

// A server that sends one byte now and then is not better than a silent one.
func TestHandshakeLimitOfATricklingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := pipe(t, NewSession(Options{}))
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			defer server.Close()
			readFrame(server)
			for _, b := range answerFrame(testTimeout, testSession) {
				time.Sleep(700 * time.Millisecond)
				if _, err := server.Write([]byte{b}); err != nil {
					return
				}
			}
		})
		_, err := conn.Write(connectFrame(0, 6*time.Second, 0))
		require.NoError(t, err)
		start := time.Now()
		_, err = readFrame(conn)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}

// A server that does not even read.
func TestHandshakeLimitOfTheWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := pipe(t, NewSession(Options{}))
		defer server.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Hour)))
		start := time.Now()
		_, err := conn.Write(connectFrame(0, 6*time.Second, 0))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}

// grant plays a server's side of the handshake.
func grant(t *testing.T, server net.Conn) {
	_, err := readFrame(server)
	require.NoError(t, err)
	_, err = server.Write(answerFrame(testTimeout, testSession))
	require.NoError(t, err)
}

// open makes a handshake over a pipe.
func open(t *testing.T, conn, server net.Conn) {
	t.Helper()
	go grant(t, server)
	_, err := conn.Write(connectFrame(0, testTimeout, 0))
	require.NoError(t, err)
	_, err = readFrame(conn)
	require.NoError(t, err)
}

// An open link ends when nothing comes for two thirds of the session timeout, and while bytes come it lives, whatever
// deadlines the driver sets.
func TestDeadlinesAfterTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var latest time.Time
		conn, server := pipe(t, NewSession(Options{OnEvent: func(int32, string) { latest = time.Now() }}))
		defer server.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Second)))
		open(t, conn, server)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Second)))
		begin, event := time.Now(), eventFrame(1, "/a")
		go func() {
			for i := range event {
				time.Sleep(testTimeout / 2)
				server.Write(event[i : i+1])
			}
		}()
		_, err := conn.Read(make([]byte, 4))
		require.ErrorIs(t, err, ErrSilent)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Duration(len(event))*testTimeout/2, latest.Sub(begin))
		assert.Equal(t, testTimeout*2/3, time.Since(latest))
		_, err = conn.Write(pingFrame)
		assert.ErrorIs(t, err, ErrSilent)
	})
}

// A peer that takes nothing ends the link after the same time.
func TestDeadlineOfWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := pipe(t, NewSession(Options{}))
		defer server.Close()
		open(t, conn, server)
		begin := time.Now()
		_, err := conn.Write(pingFrame)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, testTimeout*2/3, time.Since(begin))
		_, err = conn.Read(make([]byte, 4))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "half a frame may have left")
	})
}

// Close, Break and Fence free a reader and a writer that are stuck.
func TestEndsFreeStuckCalls(t *testing.T) {
	for name, end := range map[string]func(*Session, net.Conn){
		"close": func(_ *Session, c net.Conn) { c.Close() },
		"break": func(s *Session, _ net.Conn) { s.Break(errTest) },
		"fence": func(s *Session, _ net.Conn) { s.Fence(errTest) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewSession(Options{})
				conn, server := pipe(t, s)
				defer server.Close()
				open(t, conn, server)
				errs := make(chan error, 2)
				go func() { _, err := conn.Read(make([]byte, 4)); errs <- err }()
				go func() { _, err := conn.Write(pingFrame); errs <- err }()
				synctest.Wait()
				end(s, conn)
				for range 2 {
					err := <-errs
					assert.True(t, errors.Is(err, errTest) || errors.Is(err, net.ErrClosed), "%v", err)
				}
			})
		})
	}
}

// The driver asks for a new session, and the server for that of Options.Resume. From then on the driver knows it.
func TestResumeOfAnEarlierSession(t *testing.T) {
	for name, password := range map[string]string{"as long as the driver's": "0123456789abcdef", "longer": "0123456789abcdef0123456789", "shorter": "01", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			given := []byte(password)
			s := NewSession(Options{Resume: Resume{ID: testSession, Password: given}, Abandoned: NewAbandoned(func() time.Duration { return time.Hour }, func(time.Duration) { t.Error("nothing is granted") })})
			assert.Equal(t, testSession, s.ID())
			clear(given)
			for _, flag := range [][]byte{nil, {1}} { // the read-only flag
				tp := &tape{}
				conn, err := s.Wrap(tp)
				require.NoError(t, err)
				ask := slices.Concat(connectFrame(7, testTimeout, 0)[prefixLen:], flag)
				_, err = conn.Write(enc(ask).frame())
				require.NoError(t, err)
				if flag == nil {
					flag = []byte{0} // a session of before does not go to a read-only server
				}
				want := enc{}.i32(0).i64(7).i32(int32(testTimeout.Milliseconds())).i64(testSession).str(password).raw(flag)
				assert.Equal(t, [][]byte{want.frame()}, tp.written(t))
				require.NoError(t, conn.Close()) // a resume that is given up is not kept
				assert.True(t, tp.isClosed())
			}
			shake(t, s, 0, 0)
			_, err := s.Wrap(&tape{})
			require.NoError(t, err)
			assert.Equal(t, testSession, s.ID())
		})
	}
}

// A session that was to be resumed is over, or the server has made another one: nothing else can be done in this Session.
func TestResumeOfAnEndedSession(t *testing.T) {
	expired, foreign := 0, int64(0)
	for answer, want := range map[int64]error{0: ErrExpired, testSession + 1: ErrForeignSession} {
		s := NewSession(Options{
			Resume: Resume{ID: testSession, Password: []byte("s3cr3t")}, OnExpired: func() { expired++ }, OnForeign: func(_, got int64) { foreign = got },
		})
		tp := &tape{}
		conn, err := s.Wrap(tp)
		require.NoError(t, err)
		_, err = conn.Write(connectFrame(0, testTimeout, 0))
		require.NoError(t, err)
		tp.feed(answerFrame(testTimeout, answer))
		_, _ = readFrame(conn)
		_, err = s.Wrap(&tape{})
		assert.ErrorIs(t, err, want)
	}
	assert.Equal(t, 1, expired)
	assert.Equal(t, testSession+1, foreign)
}

// The answer to a closeSession, the driver's or docent's own, says that the session is over.
func TestClosed(t *testing.T) {
	for _, code := range []int32{0, codeSessionExpired} {
		for _, own := range []bool{false, true} {
			s := NewSession(Options{})
			conn, tp := shake(t, s, 0, 0)
			xid := int32(5)
			if own {
				xid = firstXid
				require.NoError(t, s.Send(&Call{Op: opClose}))
			} else {
				_, err := conn.Write(requestFrame(xid, opClose, nil))
				require.NoError(t, err)
			}
			assert.False(t, s.Closed())
			tp.feed(replyFrame(xid, 1, code, nil))
			tp.hangUp(io.EOF)
			_, _ = readFrame(conn)
			assert.Equal(t, code == 0, s.Closed())
		}
	}
}
