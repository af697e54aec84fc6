package zktest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

// tcpNetwork is the transport over 127.0.0.1. Each connection has a goroutine that reads and one that writes.
type tcpNetwork struct {
	s  *Server
	wg sync.WaitGroup

	mu        sync.Mutex
	named     *sync.Cond     // signalled when a client's dial has ended
	dials     map[string]int // dials under way, by port
	names     map[string]string
	listeners map[*endpoint]net.Listener
	links     map[*tcpLink]struct{}
	closed    bool
	healed    chan struct{} // closed, and replaced, when faults may have changed
}

func newTCPNetwork(s *Server) *tcpNetwork {
	n := &tcpNetwork{s: s, dials: make(map[string]int), names: make(map[string]string), listeners: make(map[*endpoint]net.Listener),
		links: make(map[*tcpLink]struct{}), healed: make(chan struct{})}
	n.named = sync.NewCond(&n.mu)
	return n
}

// listen takes a port outside the range that systems hand out for outgoing connections: while an endpoint refuses
// connections its port is free, and must not become the source of one.
func (n *tcpNetwork) listen(e *endpoint) error {
	if n.listening(e) {
		return nil
	}
	l, err := listenAt(e.addr)
	if err != nil {
		return fmt.Errorf("zktest: endpoint %d cannot listen: %w", e.index, err)
	}
	if e.addr == "" { // read without a lock once the server is up
		e.addr = l.Addr().String()
	}
	if !n.keep(e, l) {
		return l.Close()
	}
	return nil
}

// listening reports whether an endpoint has a listener, or no longer needs one.
func (n *tcpNetwork) listening(e *endpoint) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed || n.listeners[e] != nil
}

// keep starts to accept on a listener, unless the network has been closed meanwhile.
func (n *tcpNetwork) keep(e *endpoint, l net.Listener) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.listeners[e] = l
		n.wg.Go(func() { n.acceptAll(e, l) })
	}
	return !n.closed
}

// listenAt listens at addr, or at a free port for "".
func listenAt(addr string) (net.Listener, error) {
	if addr != "" {
		return net.Listen("tcp4", addr)
	}
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

func (n *tcpNetwork) unlisten(e *endpoint) {
	n.mu.Lock()
	l := n.listeners[e]
	delete(n.listeners, e)
	n.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
}

func (n *tcpNetwork) acceptAll(e *endpoint, l net.Listener) {
	for {
		socket, err := l.Accept()
		if err != nil {
			return // closed by unlisten or close
		}
		n.start(e, socket.(*net.TCPConn))
	}
}

// start runs the goroutines of a connection.
func (n *tcpNetwork) start(e *endpoint, socket *net.TCPConn) {
	l := newTCPLink(socket, n.s.cfg.secure(socket), n.s.cfg.maxQueued)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		l.abort()
	}
	n.links[l] = struct{}{}
	n.wg.Go(func() {
		l.write()
		close(l.over)
		n.mu.Lock()
		delete(n.links, l)
		n.mu.Unlock()
	})
	n.wg.Go(func() { n.read(e, l) })
}

// read passes on what a client sends.
func (n *tcpNetwork) read(e *endpoint, l *tcpLink) {
	addr := l.socket.RemoteAddr()
	identities, err := l.handshake()
	if err != nil {
		l.finish() // behind the alert
		return
	}
	c := n.s.accept(e, n.nameOf(addr, portOf(e.addr)), addr, l, identities...)
	if c == nil {
		l.abort()
		return
	}
	buf := make([]byte, 16<<10)
	for n.listens(c, l) {
		size, err := l.socket.Read(buf)
		if size > 0 {
			n.s.receive(c, buf[:size])
		}
		if err != nil {
			break
		}
	}
	n.s.receiveEnd(c)
}

// listens waits until the server takes what a client sends. It reports false if the connection ends before.
func (n *tcpNetwork) listens(c *conn, l *tcpLink) bool {
	for {
		n.mu.Lock()
		healed := n.healed
		n.mu.Unlock()
		if !n.s.deafTo(c) {
			return true
		}
		select {
		case <-healed:
		case <-l.over:
			return false
		}
	}
}

// portOf returns the port of an address, or all of what is none.
func portOf(addr string) string {
	if _, port, err := net.SplitHostPort(addr); err == nil {
		return port
	}
	return addr
}

// nameOf returns the name of the client at addr. A client's own dial may end later than the server's accept, so it
// waits for dials to the port that are under way.
func (n *tcpNetwork) nameOf(addr net.Addr, port string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		name, known := n.names[addr.String()]
		if known || n.dials[port] == 0 || n.closed {
			delete(n.names, addr.String())
			return name
		}
		n.named.Wait()
	}
}

func (n *tcpNetwork) dial(ctx context.Context, c *Client, network, addr string) (net.Conn, error) {
	port := portOf(addr)
	n.mu.Lock()
	n.dials[port]++
	n.mu.Unlock()
	var d net.Dialer
	socket, err := d.DialContext(ctx, network, addr)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dials[port]--; n.dials[port] == 0 {
		delete(n.dials, port)
	}
	if err == nil && c.name != "" && !n.closed {
		n.names[socket.LocalAddr().String()] = c.name
	}
	n.named.Broadcast()
	return socket, err
}

// changed lets connections look again whether the server listens.
func (n *tcpNetwork) changed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.healed)
	n.healed = make(chan struct{})
}

func (n *tcpNetwork) close() {
	n.mu.Lock()
	n.closed = true
	n.named.Broadcast()
	listeners := slices.Collect(maps.Values(n.listeners))
	for l := range n.links {
		l.abort()
	}
	n.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close()
	}
	n.wg.Wait()
}

// tcpLink is the transport of one connection. Its queue keeps a client that does not read from blocking the server.
type tcpLink struct {
	tcp    *net.TCPConn
	socket net.Conn      // tcp, or TLS on it
	over   chan struct{} // closed when the socket is

	mu     sync.Mutex
	ready  *sync.Cond
	queue  net.Buffers
	bytes  int
	max    int  // bytes that may be queued
	ending bool // close when the queue is empty
	reset  bool // close now
}

func newTCPLink(tcp *net.TCPConn, socket net.Conn, maxQueued int) *tcpLink {
	l := &tcpLink{tcp: tcp, socket: socket, max: maxQueued, over: make(chan struct{})}
	l.ready = sync.NewCond(&l.mu)
	return l
}

func (l *tcpLink) send(b []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, b)
	l.bytes += len(b)
	l.ready.Signal()
	return l.bytes <= l.max
}

// finish gives a client that does not read some time to take what is queued.
func (l *tcpLink) finish() {
	const patience = 10 * time.Second
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
	_ = l.socket.SetWriteDeadline(time.Now().Add(patience))
	l.ready.Signal()
}

func (l *tcpLink) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reset = true
	_ = l.socket.SetDeadline(time.Unix(1, 0)) // wakes both goroutines out of the system
	l.ready.Signal()
}

// write sends what is queued until the connection is to be closed, and closes it.
func (l *tcpLink) write() {
	for {
		batch, more := l.next()
		if !more {
			break
		}
		if _, err := batch.WriteTo(l.socket); err != nil {
			break
		}
	}
	l.mu.Lock()
	reset := l.reset
	l.mu.Unlock()
	if reset {
		_ = l.tcp.SetLinger(0)
		_ = l.tcp.Close()
	}
	_ = l.socket.Close()
}

// next waits for something to write.
func (l *tcpLink) next() (batch net.Buffers, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.ending && !l.reset {
		l.ready.Wait()
	}
	batch, l.queue, l.bytes = l.queue, nil, 0
	return batch, len(batch) > 0 && !l.reset
}
