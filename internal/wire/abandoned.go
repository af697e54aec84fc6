package wire

import (
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// maxAbandoned is the maximum number of connections that Abandoned keeps.
	maxAbandoned = 8
	// closeWriteLimit bounds the write of a closeSession to a peer that accepts no bytes.
	closeWriteLimit = 50 * time.Millisecond
)

// closeXid is the xid of the closeSession, which no other request of a handshake has.
const closeXid = 1

// closeFrame is the closeSession.
var closeFrame = []byte{0, 0, 0, requestHeaderLen, 0, 0, 0, closeXid, 0xff, 0xff, 0xff, byte(256 + opClose)}

// Abandoned keeps connections whose request for a new session was abandoned before the session was established. The
// server starts such a session anyway, and would keep it for its whole timeout. So a closeSession follows the
// ConnectRequest, and the connection stays open until both are answered, because a server may drop the requests of a
// connection that is gone.
//
// It may be shared by many Sessions. Each connection has a goroutine, which ends with the connection. If there are too
// many, the oldest connection is closed.
type Abandoned struct {
	patience func() time.Duration
	granted  func(timeout time.Duration)

	mu     sync.Mutex
	conns  []net.Conn // oldest first
	closed bool
	wg     sync.WaitGroup
}

// NewAbandoned returns an Abandoned without connections. Each connection is kept for patience() at most. granted is
// called, in its own goroutine, with the timeout of each session that a server has started in vain.
func NewAbandoned(patience func() time.Duration, granted func(timeout time.Duration)) *Abandoned {
	return &Abandoned{patience: patience, granted: granted}
}

// Close closes all connections and waits for their goroutines. Connections that are abandoned later are not kept.
func (a *Abandoned) Close() {
	a.mu.Lock()
	a.closed = true
	conns := slices.Clone(a.conns)
	a.mu.Unlock()
	for _, conn := range conns {
		abort(conn)
	}
	a.wg.Wait()
}

// keep takes over a connection on which both requests were written. in holds what was read of the replies. granted is
// the timeout of the session if the first reply was read completely, otherwise 0.
func (a *Abandoned) keep(conn net.Conn, in *frameReader, granted time.Duration) {
	conn.SetDeadline(time.Now().Add(a.patience()))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		abort(conn)
		return
	}
	if len(a.conns) == maxAbandoned {
		abort(a.conns[0])
		a.conns = slices.Delete(a.conns, 0, 1)
	}
	a.conns = append(a.conns, conn)
	a.wg.Go(func() {
		defer a.drop(conn)
		if granted == 0 {
			granted = awaitGrant(conn, in)
		}
		if granted > 0 {
			a.granted(granted)
			awaitClose(conn, in)
		}
	})
}

// awaitClose reads until the reply to the closeSession. SASL messages and credentials that were sent before it are
// answered first.
func awaitClose(conn net.Conn, in *frameReader) {
	for range maxRounds {
		frame, err := in.next(conn, replyHeaderLen, maxToken)
		if err != nil || parseReplyHeader(frame[prefixLen:]).xid == closeXid {
			return
		}
	}
}

// awaitGrant reads the reply to the ConnectRequest, and returns the timeout of the session; 0 if there is none.
func awaitGrant(conn net.Conn, in *frameReader) time.Duration {
	frame, err := in.next(conn, connectAnswerLen, maxHandshake)
	if err != nil {
		return 0
	}
	answer, err := parseConnectAnswer(frame[prefixLen:])
	if err != nil {
		return 0
	}
	return answer.grants()
}

func (a *Abandoned) drop(conn net.Conn) {
	abort(conn)
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.conns, conn); i >= 0 {
		a.conns = slices.Delete(a.conns, i, i+1)
	}
}

// usage tracks who uses the connection during the handshake, so that an abandoned connection is only taken over when no
// other goroutine reads it.
type usage struct {
	mu      sync.Mutex
	busy    bool          // the driver's goroutine reads or writes
	ended   bool          // the link has ended
	begun   bool          // a request for a new session is being written, or its session has not been established yet
	granted time.Duration // timeout of the session in the reply; 0 before
	cancel  func()        // ends what the driver's goroutine waits for besides the connection; may be nil
}

// use marks the connection as in use by the driver's goroutine, which makes the
// handshake. It reports false if the link has ended.
func (l *link) use() bool {
	u := &l.usage
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy = !u.ended
	return u.busy
}

// unuse ends use. If the link has ended, it gives the connection to Abandoned or closes it.
func (l *link) unuse() {
	u := &l.usage
	u.mu.Lock()
	u.busy = false
	ended, begun := u.ended, u.begun
	u.mu.Unlock()
	switch {
	case ended && begun:
		l.giveAway()
	case ended:
		abort(l.conn)
	}
}

// cancelWith calls cancel when the link ends, or at once if it has ended.
func (u *usage) cancelWith(cancel func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cancel = cancel
	if u.ended {
		cancel()
	}
}

// begin records that a new session is about to be requested.
func (l *link) begin() {
	l.usage.mu.Lock()
	defer l.usage.mu.Unlock()
	l.usage.begun = true
}

// settle records that the server has replied with a session that has this timeout. 0 means that no session has to be
// closed: none was started, or it is established.
func (l *link) settle(granted time.Duration) {
	l.usage.mu.Lock()
	defer l.usage.mu.Unlock()
	l.usage.begun, l.usage.granted = l.usage.begun && granted > 0, granted
}

// discard closes the connection of a link that has ended, unless the server may have started a session on it.
func (l *link) discard() error {
	busy, begun := l.endUse()
	switch {
	case !begun:
		return abort(l.conn)
	case !busy:
		l.giveAway()
	}
	return nil
}

// endUse records that the link has ended. If the driver reads or writes on a connection that has to be given away, it
// is interrupted, and unuse follows: its deadlines must not come later than those of the keeper.
func (l *link) endUse() (busy, begun bool) {
	u := &l.usage
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	if u.cancel != nil {
		u.cancel()
	}
	if u.busy && u.begun {
		_ = l.conn.SetDeadline(time.Unix(1, 0))
	}
	return u.busy, u.begun
}

// giveAway writes a closeSession after the ConnectRequest and gives the connection to Abandoned.
func (l *link) giveAway() {
	l.limits.give()
	deliver(l.conn)
	l.conn.SetWriteDeadline(time.Now().Add(closeWriteLimit))
	if err := l.put(closeFrame); err != nil {
		abort(l.conn)
		return
	}
	l.s.counters.framesOut.Add(1)
	l.s.opt.Abandoned.keep(l.conn, &l.in, l.usage.granted)
}

// deliver makes the close of a TCP connection deliver what was written before,
// which is the default.
func deliver(conn net.Conn) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	if c, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		c.SetLinger(-1)
	}
}
