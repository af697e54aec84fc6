package zktest

import (
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// memoryConn is the client's end of a connection in memory. It behaves like a TCP connection: deadlines work and may be
// moved while a call waits, what arrived before the end can still be read after it, and a reset fails writes.
type memoryConn struct {
	n             *memoryNetwork
	client        *Client
	local, remote *net.TCPAddr
	up, down      stream // guarded by memoryNetwork.mu

	mu            sync.Mutex
	changed       *sync.Cond
	peer          *conn    // nil until the server has accepted
	unread        [][]byte // what has arrived, message by message
	inflight      int      // bytes sent by the server and not read yet
	ended         error
	closed        bool
	readDeadline  time.Time
	writeDeadline time.Time
	alarm         *time.Timer // wakes a reader at its deadline
}

// newConn makes the client's end of a connection that is being opened.
func (n *memoryNetwork) newConn(c *Client, e *endpoint) *memoryConn {
	n.s.mu.Lock()
	c.dial++
	number := c.dial
	n.s.mu.Unlock()
	key := mix(n.s.cfg.Seed ^ mix(c.key^mix(number)))
	m := &memoryConn{n: n, client: c, remote: endpointAddr(e.index), up: stream{key: key}, down: stream{key: mix(key)},
		local: &net.TCPAddr{IP: c.host, Port: 1024 + int(number%64000)}}
	m.changed = sync.NewCond(&m.mu)
	return m
}

// attach makes the server accept the connection; it reports false if the server refuses or the client has given up.
func (m *memoryConn) attach(e *endpoint) bool {
	peer := m.n.s.accept(e, m.client.name, m.local, memoryLink{m})
	if peer == nil {
		return false
	}
	m.mu.Lock()
	m.peer = peer
	closed := m.closed
	m.mu.Unlock()
	if closed {
		m.n.s.receiveEnd(peer)
	}
	return true
}

// load counts bytes on their way to the client and reports whether there may be so many.
func (m *memoryConn) load(n int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inflight += n
	return m.inflight <= m.n.s.cfg.maxQueued
}

// deliver takes bytes from the network.
func (m *memoryConn) deliver(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed && m.ended == nil {
		m.unread = append(m.unread, b)
		m.changed.Broadcast()
	}
}

// end takes the end of the stream from the network.
func (m *memoryConn) end(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended == nil || m.ended == io.EOF {
		m.ended = err
	}
	m.changed.Broadcast()
}

// Read reads what has arrived, and waits if there is nothing.
func (m *memoryConn) Read(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.stopAlarm()
	for {
		switch {
		case m.closed:
			return 0, m.opError("read", net.ErrClosed)
		case passed(m.readDeadline):
			return 0, m.opError("read", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return 0, nil
		case len(m.unread) > 0:
			return m.take(b), nil
		case m.ended == io.EOF:
			return 0, io.EOF
		case m.ended != nil:
			return 0, m.opError("read", m.ended)
		}
		m.setAlarm()
		m.changed.Wait()
	}
}

func (m *memoryConn) take(b []byte) int {
	n := copy(b, m.unread[0])
	m.inflight -= n
	if m.unread[0] = m.unread[0][n:]; len(m.unread[0]) > 0 {
		return n
	}
	m.unread[0] = nil
	if m.unread = m.unread[1:]; len(m.unread) == 0 {
		m.unread = nil
	}
	return n
}

// setAlarm makes a reader that is about to wait look again at its deadline.
func (m *memoryConn) setAlarm() {
	switch {
	case m.readDeadline.IsZero():
		m.stopAlarm()
	case m.alarm == nil:
		m.alarm = time.AfterFunc(time.Until(m.readDeadline), m.ring)
	default:
		m.alarm.Reset(time.Until(m.readDeadline))
	}
}

func (m *memoryConn) stopAlarm() {
	if m.alarm != nil {
		m.alarm.Stop()
	}
}

func (m *memoryConn) ring() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed.Broadcast()
}

func passed(deadline time.Time) bool {
	return !deadline.IsZero() && !time.Now().Before(deadline)
}

// Write sends b as one message. It never waits: the network takes whatever it is given.
func (m *memoryConn) Write(b []byte) (int, error) {
	m.mu.Lock()
	peer, err := m.peer, error(nil)
	switch {
	case m.closed:
		err = net.ErrClosed
	case passed(m.writeDeadline):
		err = os.ErrDeadlineExceeded
	case m.ended != nil && m.ended != io.EOF:
		err = syscall.EPIPE
	}
	m.mu.Unlock()
	if err != nil {
		return 0, m.opError("write", err)
	}
	msg := slices.Clone(b)
	m.n.send(&m.up, 0, func() { m.n.s.receive(peer, msg) })
	return len(b), nil
}

// Close closes the connection. What was written before still reaches the server.
func (m *memoryConn) Close() error {
	m.mu.Lock()
	peer, already := m.peer, m.closed
	m.closed = true
	m.unread = nil
	m.changed.Broadcast()
	m.mu.Unlock()
	if already {
		return m.opError("close", net.ErrClosed)
	}
	m.n.forget(m)
	if peer != nil {
		m.n.send(&m.up, 0, func() { m.n.s.receiveEnd(peer) })
	}
	return nil
}

func (n *memoryNetwork) forget(m *memoryConn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = without(n.conns, m)
}

// without returns list without x, as a new slice: close may be walking over the old one.
func without[T comparable](list []T, x T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(y T) bool { return x == y })
}

func (m *memoryConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: m.local, Addr: m.remote, Err: err}
}

// LocalAddr returns the client's address.
func (m *memoryConn) LocalAddr() net.Addr { return m.local }

// RemoteAddr returns the endpoint's address.
func (m *memoryConn) RemoteAddr() net.Addr { return m.remote }

// SetDeadline sets both deadlines.
func (m *memoryConn) SetDeadline(t time.Time) error {
	return m.setDeadlines(func() { m.readDeadline, m.writeDeadline = t, t })
}

// SetReadDeadline sets the time after which Read fails; zero means never.
func (m *memoryConn) SetReadDeadline(t time.Time) error {
	return m.setDeadlines(func() { m.readDeadline = t })
}

// SetWriteDeadline sets the time after which Write fails; zero means never.
func (m *memoryConn) SetWriteDeadline(t time.Time) error {
	return m.setDeadlines(func() { m.writeDeadline = t })
}

func (m *memoryConn) setDeadlines(set func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return m.opError("set", net.ErrClosed)
	}
	set()
	m.changed.Broadcast()
	return nil
}
