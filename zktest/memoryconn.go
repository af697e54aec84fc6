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
	readAlarm     *time.Timer // wakes a reader at its deadline
	writeAlarm    *time.Timer // wakes a writer that nobody listens to
	writing       bool        // somebody is in Write
	untaken       int         // bytes written since the server stopped to listen
	hearings      int         // how often it may have begun again
}

// window is how many bytes a server that does not listen is sent.
const window = 64 << 10

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

// Read reads what has arrived, and waits if that is nothing.
func (m *memoryConn) Read(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer stopAlarm(&m.readAlarm)
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
		m.setAlarm(&m.readAlarm, m.readDeadline)
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

// setAlarm makes somebody who is about to wait look again at the deadline.
func (m *memoryConn) setAlarm(alarm **time.Timer, deadline time.Time) {
	switch {
	case deadline.IsZero():
		stopAlarm(alarm)
	case *alarm == nil:
		*alarm = time.AfterFunc(time.Until(deadline), m.ring)
	default:
		(*alarm).Reset(time.Until(deadline))
	}
}

func stopAlarm(alarm **time.Timer) {
	if *alarm != nil {
		(*alarm).Stop()
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

// Write sends b as one message. It does not block, unless the server has stopped reading: then it waits when the window
// is full, as TCP does.
func (m *memoryConn) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.writing {
		m.changed.Wait()
	}
	m.writing = true
	defer m.wrote()
	for done := 0; ; {
		seen := m.hearings
		n := m.room(len(b) - done)
		if err := m.unwritable(); err != nil {
			return done, m.opError("write", err)
		}
		if done += m.push(b[done : done+n]); done == len(b) {
			return done, nil
		}
		if n == 0 && seen == m.hearings {
			m.setAlarm(&m.writeAlarm, m.writeDeadline)
			m.changed.Wait()
		}
	}
}

// wrote ends a Write.
func (m *memoryConn) wrote() {
	m.writing = false
	stopAlarm(&m.writeAlarm)
	m.changed.Broadcast()
}

// unwritable returns why nothing can be written, if nothing can.
func (m *memoryConn) unwritable() error {
	switch {
	case m.closed:
		return net.ErrClosed
	case passed(m.writeDeadline):
		return os.ErrDeadlineExceeded
	case m.ended != nil && m.ended != io.EOF:
		return syscall.EPIPE
	}
	return nil
}

// room returns how many of n bytes the other side takes now. It lets go of m.mu, which the server may want.
func (m *memoryConn) room(n int) int {
	peer := m.peer
	m.mu.Unlock()
	deaf := m.n.s.deafTo(peer)
	m.mu.Lock()
	if !deaf {
		m.untaken = 0
		return n
	}
	return min(n, max(window-m.untaken, 0))
}

// push hands bytes to the network.
func (m *memoryConn) push(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	m.untaken += len(b)
	peer, msg := m.peer, slices.Clone(b)
	m.n.send(&m.up, 0, func() { m.n.s.receive(peer, msg) })
	return len(b)
}

// heard lets a writer look again whether the server listens.
func (m *memoryConn) heard() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hearings++
	m.changed.Broadcast()
}

// Close closes the connection. Data written before still reaches the server.
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
