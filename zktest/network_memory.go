package zktest

import (
	"container/heap"
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// memoryNetwork is the transport in memory. One goroutine delivers messages, each at an instant of its own: within a
// synctest bubble the clock does not move on before everything that one message set off has come to rest, so no two
// messages can race and a seed replays.
type memoryNetwork struct {
	s    *Server
	quit chan struct{}
	done chan struct{}

	mu      sync.Mutex
	timer   *time.Timer
	pending arrivals
	taken   map[time.Duration]struct{} // instants of pending arrivals
	dials   []*memoryDial              // under way
	conns   []*memoryConn              // not closed by the client
	closed  bool
}

// arrival is a message on its way.
type arrival struct {
	at      time.Duration // on the server's clock
	deliver func()
}

// arrivals is a heap, earliest first.
type arrivals []arrival

func (h arrivals) Len() int           { return len(h) }
func (h arrivals) Less(i, j int) bool { return h[i].at < h[j].at }
func (h arrivals) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *arrivals) Push(x any)        { *h = append(*h, x.(arrival)) }
func (h *arrivals) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = arrival{}
	*h = (*h)[:last]
	return a
}

// stream is one direction of a connection: what is sent on it arrives in order. Latencies are drawn from the stream's
// key and the message's number alone, so they do not depend on what other streams do.
type stream struct {
	key  uint64
	sent uint64
	last time.Duration // when the latest message arrives
}

func newMemoryNetwork(s *Server) *memoryNetwork {
	n := &memoryNetwork{s: s, quit: make(chan struct{}), done: make(chan struct{}), timer: stoppedTimer(),
		taken: make(map[time.Duration]struct{})}
	go n.run()
	return n
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// send makes deliver happen when a message sent now has crossed the network, and extra later if the path is slow.
func (n *memoryNetwork) send(st *stream, extra time.Duration, deliver func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	now, mean := n.s.clock(), n.s.cfg.Latency
	st.sent++
	latency := mean/2 + time.Duration(mix(st.key^mix(st.sent))%uint64(mean+1))
	at := n.free(max(now+extra+latency, now+1, st.last+1))
	st.last = at
	n.taken[at] = struct{}{}
	heap.Push(&n.pending, arrival{at, deliver})
	if n.pending[0].at == at {
		n.timer.Reset(at - now)
	}
}

// free returns the first instant from at on at which nothing is to arrive.
func (n *memoryNetwork) free(at time.Duration) time.Duration {
	for {
		if _, taken := n.taken[at]; !taken {
			return at
		}
		at++
	}
}

// run delivers what has arrived.
func (n *memoryNetwork) run() {
	defer close(n.done)
	for {
		select {
		case <-n.timer.C:
		case <-n.quit:
			return
		}
		for deliver := n.next(); deliver != nil; deliver = n.next() {
			deliver()
		}
	}
}

// next takes the next message that has arrived, or sets the timer for it.
func (n *memoryNetwork) next() func() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.pending) == 0 || n.closed {
		return nil
	}
	if wait := n.pending[0].at - n.s.clock(); wait > 0 {
		n.timer.Reset(wait)
		return nil
	}
	a := heap.Pop(&n.pending).(arrival)
	delete(n.taken, a.at)
	return a.deliver
}

// listen gives an endpoint its address, out of a block that is reserved for documentation.
func (n *memoryNetwork) listen(e *endpoint) error {
	if e.addr == "" { // it stays the same, and dials read it
		e.addr = endpointAddr(e.index).String()
	}
	return nil
}

func endpointAddr(index int) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, byte(index+1)).To4(), Port: 2181}
}

func (n *memoryNetwork) unlisten(*endpoint) {}

// lookup returns the endpoint at addr, which is one of ConnectString or has the host name zk1, zk2 and so on.
func (n *memoryNetwork) lookup(addr string) (*endpoint, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if number, ok := strings.CutPrefix(host, "zk"); ok {
		if i, err := strconv.Atoi(number); err == nil && i >= 1 && i <= len(n.s.endpoints) && port == "2181" {
			return n.s.endpoints[i-1], nil
		}
	}
	for _, e := range n.s.endpoints {
		if e.addr == addr {
			return e, nil
		}
	}
	if net.ParseIP(host) == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return nil, syscall.ECONNREFUSED
}

// memoryDial is an attempt to open a connection.
type memoryDial struct {
	n        *memoryNetwork
	endpoint *endpoint
	conn     *memoryConn
	result   chan error
	late     bool // the delay of its path has been served
	lost     bool // a black hole has swallowed it
}

func (n *memoryNetwork) dial(ctx context.Context, c *Client, network, addr string) (net.Conn, error) {
	if network != "tcp" && network != "tcp4" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	e, err := n.lookup(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	d := &memoryDial{n: n, endpoint: e, conn: n.newConn(c, e), result: make(chan error, 1)}
	if !n.begin(d) {
		return nil, d.conn.opError("dial", syscall.ECONNREFUSED)
	}
	defer n.finish(d)
	n.send(&d.conn.up, 0, d.arrive)
	select {
	case err = <-d.result:
	case <-ctx.Done():
		err = dialError(ctx.Err())
	}
	if err != nil {
		_ = d.conn.Close()
		return nil, d.conn.opError("dial", err)
	}
	return d.conn, nil
}

// dialError gives the end of a context the form that net.Dialer gives it.
func dialError(err error) error {
	if err == context.DeadlineExceeded {
		return dialTimeout{}
	}
	return err
}

// dialTimeout is a timeout to callers of package net as well as to those of package context.
type dialTimeout struct{}

func (dialTimeout) Error() string   { return "i/o timeout" }
func (dialTimeout) Timeout() bool   { return true }
func (dialTimeout) Temporary() bool { return true }
func (dialTimeout) Is(err error) bool {
	return err == context.DeadlineExceeded || err == os.ErrDeadlineExceeded
}

// arrive is the moment at which the request to connect reaches the server's host.
func (d *memoryDial) arrive() {
	s, info := d.n.s, ConnInfo{Client: d.conn.client.name, Endpoint: d.endpoint.index, Addr: d.conn.local}
	s.mu.Lock()
	up, down := s.faultsAt(info, toServer), s.faultsAt(info, toClient)
	s.mu.Unlock()
	switch {
	case up.shut && !up.deaf || down.shut: // the system accepts for a process that does not read
		d.n.lose(d)
	case up.delay > 0 && !d.late:
		d.late = true
		d.n.send(&d.conn.up, 2*up.delay, d.arrive)
	case d.conn.attach(d.endpoint):
		d.n.send(&d.conn.down, 0, func() { d.result <- nil })
	default:
		d.n.send(&d.conn.down, 0, func() { d.result <- syscall.ECONNREFUSED })
	}
}

// begin notes a dial under way. It reports false when the network is closed.
func (n *memoryNetwork) begin(d *memoryDial) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.dials = append(n.dials, d)
	n.conns = append(n.conns, d.conn)
	return true
}

func (n *memoryNetwork) finish(d *memoryDial) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials = without(n.dials, d)
}

func (n *memoryNetwork) lose(d *memoryDial) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d.lost = true
}

// changed lets dials that a black hole has swallowed try again, and writers that nobody listened to.
func (n *memoryNetwork) changed() {
	n.mu.Lock()
	var again []*memoryDial
	for _, d := range n.dials {
		if d.lost {
			d.lost = false
			again = append(again, d)
		}
	}
	conns := n.conns
	n.mu.Unlock()
	for _, c := range conns {
		c.heard()
	}
	for _, d := range again {
		n.send(&d.conn.up, 0, d.arrive)
	}
}

func (n *memoryNetwork) close() {
	n.mu.Lock()
	already := n.closed
	n.closed = true
	dials, conns := n.dials, n.conns
	n.mu.Unlock()
	if !already {
		close(n.quit)
	}
	<-n.done
	n.timer.Stop()
	for _, d := range dials {
		select {
		case d.result <- syscall.ECONNREFUSED:
		default:
		}
	}
	for _, c := range conns {
		c.end(syscall.ECONNRESET)
	}
}

// memoryLink is the server's side of a connection.
type memoryLink struct {
	conn *memoryConn
}

func (l memoryLink) send(b []byte) bool {
	l.conn.n.send(&l.conn.down, 0, func() { l.conn.deliver(b) })
	return l.conn.load(len(b))
}

func (l memoryLink) finish() { l.conn.n.send(&l.conn.down, 0, func() { l.conn.end(io.EOF) }) }

func (l memoryLink) abort() {
	l.conn.n.send(&l.conn.down, 0, func() { l.conn.end(syscall.ECONNRESET) })
}
