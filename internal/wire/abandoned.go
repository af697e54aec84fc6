package wire

import (
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// maxAbandoned is how many connections Abandoned keeps at a time.
	maxAbandoned = 8
	// closeWriteLimit bounds the write of a closeSession to a peer that takes nothing.
	closeWriteLimit = 50 * time.Millisecond
)

// closeFrame is a closeSession request with xid 1.
var closeFrame = []byte{0, 0, 0, requestHeaderLen, 0, 0, 0, 1, 0xff, 0xff, 0xff, 256 + opClose}

// Abandoned keeps the connections of tries for a new session that were given up
// before the server answered. The server starts such a session all the same,
// and would keep it for its whole timeout. So a closeSession follows the
// ConnectRequest, and the connection stays open until both are answered: a
// server may drop the requests of a connection that is gone.
//
// It may be shared by many Sessions. Each connection has a goroutine, which ends
// with the connection. The oldest connection gives way when there are too many.
type Abandoned struct {
	patience func() time.Duration
	granted  func(timeout time.Duration)

	mu     sync.Mutex
	conns  []net.Conn // oldest first
	closed bool
	wg     sync.WaitGroup
}

// NewAbandoned returns an Abandoned without connections. Each connection is kept
// for patience() at most. granted is called with the timeout of each session
// that a server has started too late, in a goroutine of its own.
func NewAbandoned(patience func() time.Duration, granted func(timeout time.Duration)) *Abandoned {
	return &Abandoned{patience: patience, granted: granted}
}

// Close closes all connections and waits for their goroutines. Connections that
// are given up later are not kept.
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

// keep takes over a connection on which both requests were written. in holds
// what was read of the answer.
func (a *Abandoned) keep(conn net.Conn, in *frameReader) {
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
		a.await(conn, in)
	})
}

// await reads until both requests are answered or the connection ends.
func (a *Abandoned) await(conn net.Conn, in *frameReader) {
	frame, err := in.next(conn, connectAnswerLen, maxHandshake)
	if err != nil {
		return
	}
	answer, err := parseConnectAnswer(frame[prefixLen:])
	if err != nil || answer.id == 0 {
		return
	}
	a.granted(answer.timeout)
	_, _ = in.next(conn, replyHeaderLen, maxHandshake)
}

func (a *Abandoned) drop(conn net.Conn) {
	abort(conn)
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.conns, conn); i >= 0 {
		a.conns = slices.Delete(a.conns, i, i+1)
	}
}

// usage says who uses the connection of a link during the handshake, so that an
// abandoned connection passes to its keeper only when nobody else reads it.
type usage struct {
	mu    sync.Mutex
	busy  bool // the driver's goroutine reads or writes
	ended bool // the link has ended
	begun bool // a request for a new session is being written, or was written and not answered
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

// unuse ends use. If the link has ended, it gives the connection away or closes it.
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

// begin notes that the server is about to be asked for a new session, or that
// this is over.
func (l *link) begin(begun bool) {
	l.usage.mu.Lock()
	defer l.usage.mu.Unlock()
	l.usage.begun = begun
}

// discard closes the connection of a link that has ended, unless the server may
// still start a session on it.
func (l *link) discard() error {
	u := &l.usage
	u.mu.Lock()
	u.ended = true
	busy, begun := u.busy, u.begun
	u.mu.Unlock()
	switch {
	case !begun:
		return abort(l.conn)
	case busy:
		return l.conn.SetDeadline(time.Unix(1, 0)) // unuse follows
	}
	l.giveAway()
	return nil
}

// giveAway writes a closeSession behind the ConnectRequest and leaves the
// connection to its keeper.
func (l *link) giveAway() {
	l.limits.give()
	deliver(l.conn)
	l.conn.SetWriteDeadline(time.Now().Add(closeWriteLimit))
	if err := l.put(closeFrame); err != nil {
		abort(l.conn)
		return
	}
	l.s.counters.framesOut.Add(1)
	l.s.opt.Abandoned.keep(l.conn, &l.in)
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
