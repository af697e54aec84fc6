package wire

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tries are tries for a session over pipes, whose servers read everything and answer when they are told to.
type tries struct {
	*Session
	abandoned *Abandoned
	granted   atomic.Int64
}

const (
	tryLimit = time.Second
	kept     = 10 * time.Second
)

func newTries() *tries {
	tr := &tries{}
	tr.abandoned = NewAbandoned(func() time.Duration { return kept }, func(d time.Duration) { tr.granted.Store(int64(d)) })
	tr.Session = NewSession(Options{Abandoned: tr.abandoned, HandshakeTimeout: func() time.Duration { return tryLimit }})
	return tr
}

// end is a server's end of a pipe.
type end struct {
	net.Conn
	frames chan []byte   // read from the client
	closed chan struct{} // when the client has closed
}

// try dials and sends a ConnectRequest for session id, 0 for a new one.
func (tr *tries) try(t *testing.T, id int64) (net.Conn, *end) {
	t.Helper()
	conn, server := pipe(t, tr.Session)
	e := &end{server, make(chan []byte, 10), make(chan struct{})}
	go func() {
		defer close(e.closed)
		for {
			frame, err := readFrame(server)
			if err != nil {
				return
			}
			e.frames <- frame
		}
	}()
	_, err := conn.Write(connectFrame(0, testTimeout, id))
	require.NoError(t, err)
	require.Len(t, <-e.frames, 4+connectRequestLen+16+1)
	return conn, e
}

// giveUp reads until the try is over, and closes the link as the driver does.
func giveUp(t *testing.T, conn net.Conn) {
	t.Helper()
	begun := time.Now()
	_, err := readFrame(conn)
	require.ErrorContains(t, err, "did not finish the handshake in time")
	require.Equal(t, tryLimit, time.Since(begun))
	conn.SetReadDeadline(time.Time{})
	conn.Close()
}

func (e *end) isClosed() bool {
	synctest.Wait()
	select {
	case <-e.closed:
		return true
	default:
		return false
	}
}

func TestAbandonedTryForANewSessionIsClosedByRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTries()
		defer tr.abandoned.Close()
		conn, server := tr.try(t, 0)
		giveUp(t, conn)
		assert.Equal(t, []byte{0, 0, 0, 8, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xf5}, <-server.frames)
		time.Sleep(kept / 2)
		require.False(t, server.isClosed())
		_, err := server.Write(answerFrame(4*time.Second, testSession))
		require.NoError(t, err)
		require.False(t, server.isClosed(), "closeSession is not answered")
		assert.EqualValues(t, 4*time.Second, tr.granted.Load())
		_, err = server.Write(replyFrame(saslXid, 7, 0, nil))
		require.NoError(t, err)
		require.False(t, server.isClosed(), "nor is it by what was sent ahead of it")
		_, err = server.Write(replyFrame(closeXid, 7, 0, nil))
		require.NoError(t, err)
		assert.True(t, server.isClosed())
		assert.Zero(t, tr.ID())
		assert.EqualValues(t, 1, tr.Stats().HandshakesFailed)
	})
}

// The part of the answer that was read before the try was given up is not lost.
func TestAbandonedTryInTheMiddleOfItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTries()
		defer tr.abandoned.Close()
		conn, server := tr.try(t, 0)
		answer := answerFrame(4*time.Second, testSession)
		go server.Write(answer[:11])
		giveUp(t, conn)
		_, err := server.Write(answer[11:])
		require.NoError(t, err)
		synctest.Wait()
		assert.EqualValues(t, 4*time.Second, tr.granted.Load())
	})
}

func TestAbandonedTryIsKeptNoLongerThanItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTries()
		conn, server := tr.try(t, 0)
		giveUp(t, conn)
		time.Sleep(kept - time.Millisecond)
		require.False(t, server.isClosed())
		time.Sleep(time.Millisecond)
		require.True(t, server.isClosed())
		tr.abandoned.Close()
	})
}

func TestAbandonedTryEndsWithItsServer(t *testing.T) {
	for name, answer := range map[string][]byte{"nothing": nil, "refused": answerFrame(0, 0), "nonsense": bytes.Repeat([]byte{0xff}, 100)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := newTries()
				conn, server := tr.try(t, 0)
				giveUp(t, conn)
				synctest.Wait()
				server.Write(answer)
				server.Close()
				synctest.Wait()
				tr.abandoned.mu.Lock()
				assert.Empty(t, tr.abandoned.conns)
				tr.abandoned.mu.Unlock()
				tr.abandoned.Close()
			})
		})
	}
}

func TestAbandonedTriesAreFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTries()
		synctest.Wait()
		before := runtime.NumGoroutine()
		var servers []*end
		for range maxAbandoned + 3 {
			conn, server := tr.try(t, 0)
			tr.Break(io.ErrUnexpectedEOF) // ends the link as a timeout does, but at once
			conn.Close()
			servers = append(servers, server)
		}
		for i, server := range servers {
			assert.Equal(t, i < 3, server.isClosed(), "try %d", i)
		}
		synctest.Wait()
		assert.LessOrEqual(t, runtime.NumGoroutine(), before+2*maxAbandoned+2, "the two may be timers of other tests")
		tr.abandoned.Close()
		for _, server := range servers {
			assert.True(t, server.isClosed())
		}
		conn, server := tr.try(t, 0)
		tr.Break(io.ErrUnexpectedEOF)
		conn.Close()
		assert.True(t, server.isClosed(), "nothing is kept any more")
	})
}

// Whoever ends the link, and whatever the driver is doing: closeSession comes behind the ConnectRequest.
func TestEndsOfATryForANewSession(t *testing.T) {
	for name, finish := range map[string]func(*tries, net.Conn){
		"close": func(_ *tries, c net.Conn) { c.Close() },
		"break": func(tr *tries, _ net.Conn) { tr.Break(errTest) },
		"fence": func(tr *tries, _ net.Conn) { tr.Fence(errTest) },
	} {
		for _, reading := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tr := newTries()
					conn, server := tr.try(t, 0)
					read := make(chan error, 1)
					if reading {
						go func() { _, err := readFrame(conn); read <- err }()
						synctest.Wait()
					}
					finish(tr, conn)
					if !reading {
						_, err := readFrame(conn)
						read <- err
					}
					require.Error(t, <-read)
					require.False(t, server.isClosed())
					assert.Equal(t, closeFrame, <-server.frames)
					tr.abandoned.Close()
					assert.True(t, server.isClosed())
				})
			})
		}
	}
}

// A session that was granted, and then not established, is closed like one that comes too late.
func TestGrantedSessionThatIsNotEstablished(t *testing.T) {
	for name, finish := range map[string]func(*tries, net.Conn){
		"the link ends":            func(tr *tries, _ net.Conn) { tr.Break(errTest) },
		"the session is fenced":    func(tr *tries, _ net.Conn) { tr.Fence(errTest) },
		"the driver closes":        func(_ *tries, c net.Conn) { c.Close() },
		"credentials are not read": func(*tries, net.Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := newTries()
				defer tr.abandoned.Close()
				tr.opt.Auth = twoCredentials
				conn, server := pipe(t, tr.Session)
				defer server.Close()
				go conn.Write(connectFrame(0, testTimeout, 0))
				_, err := readFrame(server)
				require.NoError(t, err)
				synctest.Wait()
				read := make(chan error, 1)
				go func() { _, err := readFrame(conn); read <- err }()
				_, err = server.Write(answerFrame(4*time.Second, testSession))
				require.NoError(t, err)
				synctest.Wait() // the credentials are being written
				if finish(tr, conn); conn.(*link).halted() == nil {
					time.Sleep(tryLimit + closeWriteLimit/2)
				}
				frame, err := readFrame(server)
				require.NoError(t, err)
				assert.Equal(t, closeFrame, frame)
				require.Error(t, <-read)
				synctest.Wait()
				assert.EqualValues(t, 4*time.Second, tr.granted.Load())
				assert.Zero(t, tr.ID())
				_, err = server.Write(replyFrame(1, 7, 0, nil))
				require.NoError(t, err)
				_, err = server.Read(make([]byte, 1))
				assert.ErrorIs(t, err, io.EOF)
			})
		})
	}
}

// hooked is a connection with something to do at certain times.
type hooked struct {
	net.Conn
	afterWrite   func()
	beforeExpiry func() // before a deadline that has passed is set
}

func (h *hooked) Write(p []byte) (int, error) {
	n, err := h.Conn.Write(p)
	if h.afterWrite != nil {
		h.afterWrite()
	}
	return n, err
}

func (h *hooked) SetDeadline(t time.Time) error {
	if h.beforeExpiry != nil && t.Before(time.Now()) {
		h.beforeExpiry()
	}
	return h.Conn.SetDeadline(t)
}

// hook puts hooks into a connection that is wrapped.
func hook(conn net.Conn) *hooked {
	h := &hooked{Conn: conn.(*link).conn}
	conn.(*link).conn = h
	return h
}

// The ConnectRequest may have left although nobody has noted that yet.
func TestLinkEndsWhileASessionIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTries()
		defer tr.abandoned.Close()
		conn, server := pipe(t, tr.Session)
		defer server.Close()
		h := hook(conn)
		h.afterWrite = func() { h.afterWrite = nil; tr.Break(errTest) }
		go conn.Write(connectFrame(0, testTimeout, 0))
		_, err := readFrame(server)
		require.NoError(t, err)
		frame, err := readFrame(server)
		require.NoError(t, err)
		assert.Equal(t, closeFrame, frame)
	})
}

// The deadline that stops the driver's read does not stop the reads of the keeper.
func TestAbandonedTryKeepsItsOwnDeadline(t *testing.T) {
	tr := newTries()
	defer tr.abandoned.Close()
	conn, server := tr.try(t, 0)
	reading, read := make(chan struct{}), make(chan error, 1)
	h := hook(conn)
	h.beforeExpiry = func() {
		h.SetReadDeadline(time.Unix(1, 0)) // as if the limit of the handshake had come first
		for range 10_000 {
			runtime.Gosched()
		}
	}
	go func() { close(reading); _, err := readFrame(conn); read <- err }()
	<-reading
	for !conn.(*link).usage.isBusy() {
		runtime.Gosched()
	}
	tr.Break(errTest)
	require.Error(t, <-read)
	assert.Equal(t, closeFrame, <-server.frames)
	_, err := server.Write(answerFrame(4*time.Second, testSession))
	require.NoError(t, err, "the connection is not kept")
	_, err = server.Write(replyFrame(1, 7, 0, nil))
	require.NoError(t, err)
	<-server.closed
	assert.EqualValues(t, 4*time.Second, tr.granted.Load())
}

func (u *usage) isBusy() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.busy
}

// A session that goes on must not be closed.
func TestNoCloseSessionBehindAResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTries()
		defer tr.abandoned.Close()
		conn, server := tr.try(t, testSession)
		giveUp(t, conn)
		assert.True(t, server.isClosed())
		assert.Empty(t, server.frames)
	})
}

// Nor one that was established.
func TestNoCloseSessionOnAnEstablishedLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTries()
		defer tr.abandoned.Close()
		conn, server := tr.try(t, 0)
		go server.Write(answerFrame(testTimeout, testSession))
		_, err := readFrame(conn)
		require.NoError(t, err)
		assert.Equal(t, time.Now(), tr.Opened())
		tr.Break(errTest)
		assert.True(t, server.isClosed())
		assert.Empty(t, server.frames)
		assert.Zero(t, tr.Opened())
	})
}

// A peer that takes nothing costs no more than a moment.
func TestAbandonedTryOfAServerThatReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTries()
		defer tr.abandoned.Close()
		conn, server := pipe(t, tr.Session)
		defer server.Close()
		go readFrame(server)
		_, err := conn.Write(connectFrame(0, testTimeout, 0))
		require.NoError(t, err)
		begun := time.Now()
		tr.Fence(errTest)
		assert.Equal(t, closeWriteLimit, time.Since(begun))
		_, err = server.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF)
	})
}
