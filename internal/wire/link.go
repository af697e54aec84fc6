package wire

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// maxUnexpected is how many replies without a request a link accepts before it ends.
const maxUnexpected = 128

// link is one connection of a Session: the net.Conn that the driver uses.
type link struct {
	s    *Session
	conn net.Conn

	open    atomic.Bool          // the handshake was accepted
	parting atomic.Bool          // the answer was "expired"
	closed  atomic.Bool          // Close was called
	cause   atomic.Pointer[stop] // why the connection was closed, whoever did it
	limits  deadlines
	usage   usage
	reqs    pending
	writer  writer
	late    overdue
	creds   credentials

	// Set when the link is opened.
	timeout time.Duration // of the session
	quiet   time.Duration // how long nothing may come, or be taken

	// Set by the handshake, which is over before the driver reads and writes at
	// the same time.
	ask     connectRequest
	asked   bool      // the ConnectRequest was written
	askedAt time.Time // before it was

	// The reader's.
	in          frameReader
	body        jute.Decoder
	readBy      time.Time // deadline of the latest read of the socket
	out         []byte    // what the driver has not yet read of the latest frame
	greeting    bool      // out is the answer to the handshake
	unrequested int

	// The writer's.
	asm assembler
}

// Read hands out validated frames, at most one per call. The next frame is not
// looked at before the previous one was read to its end.
func (l *link) Read(p []byte) (int, error) {
	if err := l.halted(); err != nil && !l.owed() {
		return 0, err
	}
	if len(l.out) == 0 && len(p) > 0 {
		if err := l.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.out)
	l.out = l.out[n:]
	return n, nil
}

// advance puts the next frame for the driver into l.out.
func (l *link) advance() error {
	l.greeting = false
	if !l.open.Load() {
		return l.handshake()
	}
	frame, err := l.nextReply()
	if err == nil {
		err = l.halted() // a callback may have fenced
	}
	if err == nil {
		l.out = frame
	}
	return err
}

// Write passes whole frames on, one write of the socket for each. An error ends
// the link: nobody knows how much of the frame has left.
func (l *link) Write(p []byte) (int, error) {
	if err := l.halted(); err != nil {
		return 0, err
	}
	if !l.open.Load() {
		return l.writeConnect(p)
	}
	for done := 0; done < len(p); {
		frame, used, err := l.asm.cut(p[done:], requestHeaderLen, maxRequestLen)
		if err != nil {
			return done, l.fail(fmt.Errorf("wire: the driver wrote an invalid frame: %w", err))
		}
		if frame != nil {
			if err := l.send(frame); err != nil {
				return done, err
			}
		}
		done += used
	}
	return len(p), nil
}

// Close closes the connection. Reads and writes under way end with an error.
func (l *link) Close() error {
	if l.closed.Swap(true) {
		return l.closedError()
	}
	return l.end(l.closedError())
}

// LocalAddr returns the address of this side.
func (l *link) LocalAddr() net.Addr { return l.conn.LocalAddr() }

// RemoteAddr returns the address of the server.
func (l *link) RemoteAddr() net.Addr { return l.conn.RemoteAddr() }

// peer names the server in errors.
func (l *link) peer() string {
	if a := l.conn.RemoteAddr(); a != nil {
		return a.String()
	}
	return "unknown address"
}

// halted returns the error of reads and writes after the end of the link or of
// the session.
func (l *link) halted() error {
	if l.closed.Load() {
		return l.closedError()
	}
	if fence := l.s.fence.Load(); fence != nil {
		return fence.err
	}
	if cause := l.cause.Load(); cause != nil {
		return cause.err
	}
	return nil
}

// owed reports whether the driver still has to get what is in l.out, although
// the link has ended. The news that the session has expired must reach it in
// any case. So must an accepted handshake, unless the session is fenced: a
// driver that does not know its session would ask for a second one.
func (l *link) owed() bool {
	if len(l.out) == 0 || !l.greeting || l.closed.Load() {
		return false
	}
	return l.parting.Load() || l.s.fence.Load() == nil
}

// end closes the connection with err as the reason, unless it was closed
// before.
func (l *link) end(err error) error {
	if !l.s.ends(l, err) {
		return nil
	}
	if !l.open.Load() && !l.parting.Load() {
		l.s.counters.handshakesFailed.Add(1)
	}
	closed := l.discard()
	l.closeLane(err)
	return closed
}

// fail ends the link because of err and returns the error for the driver: the
// reason that came first.
func (l *link) fail(err error) error {
	first := l.cause.Load() == nil
	l.end(err) // ahead of the log, which may block
	if first {
		l.s.log.Debug("link failed", "server", l.peer(), "error", err) // whoever made the session says more
	}
	return l.halted()
}

// lost ends the link because the connection failed or the server closed it.
func (l *link) lost(err error) error {
	if !isTimeout(err) {
		err = &hungUp{err}
	}
	l.end(err)
	return l.halted()
}

// abort closes a connection at once. A TLS connection would first try to say
// goodbye, for up to five seconds.
func abort(conn net.Conn) error {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		t.NetConn().Close()
	}
	return conn.Close()
}

// isTimeout reports whether a deadline has passed, which does not end a link.
func isTimeout(err error) bool {
	if errors.Is(err, syscall.ETIMEDOUT) { // the network's: the connection is gone
		return false
	}
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
