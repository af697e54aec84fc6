package realzk

import (
	"io"
	"net"
	"sync"
	"time"
)

// Direction tells which way bytes flow through a proxy.
type Direction int

// The directions, which can be combined.
const (
	ToServer Direction = 1 << iota
	ToClient
	Both = ToServer | ToClient
)

// Proxy is a TCP proxy in front of one server, with faults on demand. Faults add
// up until Heal takes all of them back. Its methods can be called from any
// goroutine.
type Proxy struct {
	target   string
	port     *port
	patience time.Duration                   // for a server that refuses connections
	preamble func(io.Reader) ([]byte, error) // replaces a client's first bytes; nil for none
	wg       sync.WaitGroup                  // the accept loops and the links

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	accepted int
	weather  weather
	judge    func(Frame) Verdict // nil for none
	closed   bool
}

// weather is what a proxy does to bytes now. It is never changed in place.
type weather struct {
	hole    Direction // these directions let nothing through
	delay   time.Duration
	rate    int           // bytes per second that each connection carries each way; 0 for no limit
	changed chan struct{} // closed when there is new weather
}

// NewProxy starts a proxy in front of the server at target, host:port. It ends
// with the test.
func NewProxy(tb TB, target string) *Proxy {
	tb.Helper()
	proxy, err := startProxy(target)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(proxy.Close)
	return proxy
}

func startProxy(target string) (*Proxy, error) {
	ports, err := reserve(1)
	if err != nil {
		return nil, err
	}
	proxy := newProxy(target, ports[0])
	if err := proxy.listen(); err != nil {
		proxy.Close()
		return nil, err
	}
	return proxy, nil
}

// newProxy returns a proxy that does not listen yet.
func newProxy(target string, on *port) *Proxy {
	return &Proxy{
		target:  target,
		port:    on,
		links:   make(map[*link]struct{}),
		weather: weather{changed: make(chan struct{})},
	}
}

// Addr returns the address to connect to instead of the server's, host:port. It
// never changes.
func (p *Proxy) Addr() string { return p.port.addr() }

// Accepted returns the number of connections that clients have made so far.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Cut resets all connections, on both sides, with the bytes under way. New
// connections are welcome.
func (p *Proxy) Cut() {
	for _, l := range p.snapshot() {
		l.cut()
	}
}

// Refuse refuses new connections until Heal. Existing ones live on; Cut ends
// them.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unlisten()
}

// Blackhole lets nothing through in the given directions until Heal, not even
// the end of a connection: neither side can tell it from a slow network. Bytes
// are kept and arrive after Heal unless their connection is cut before.
//
// New connections succeed, because the system accepts them for the proxy, and
// reach the server after Heal; a real black hole would leave the client dialing.
func (p *Proxy) Blackhole(direction Direction) {
	p.change(func(w *weather) { w.hole |= direction })
}

// Delay holds all bytes back for d, each way, until Heal. It adds latency and
// takes no bandwidth away. Bytes that already wait are held to the new delay.
func (p *Proxy) Delay(d time.Duration) {
	p.change(func(w *weather) { w.delay = d })
}

// Throttle lets each connection carry no more than so many bytes per second, each
// way, until Heal. The proxy reads up to 1 MiB ahead of what it has passed on.
func (p *Proxy) Throttle(bytesPerSecond int) {
	p.change(func(w *weather) { w.rate = bytesPerSecond })
}

// Heal takes all faults back. It fails only if the port has been taken by
// somebody else while connections were refused, which Linux prevents.
func (p *Proxy) Heal() error {
	p.change(func(w *weather) { w.hole, w.delay, w.rate = 0, 0, 0 })
	return p.listen()
}

// Close ends the proxy with all of its connections and waits for its goroutines.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.unlisten()
	p.mu.Unlock()
	p.Cut()
	p.wg.Wait()
	p.port.release()
}

// listen accepts connections unless that happens already. Binding does not
// block, so the mutex may be held meanwhile.
func (p *Proxy) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil || p.closed {
		return nil
	}
	listener, err := p.port.listen()
	if err != nil {
		return err
	}
	p.listener = listener
	p.wg.Go(func() { p.accept(listener) })
	return nil
}

// unlisten closes the door; p.mu is held, so that nobody opens it before the
// port is free. Closing waits for a system call that has been told to return,
// not for accept, which may be waiting for p.mu.
func (p *Proxy) unlisten() {
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
}

// accept ends when the listener is closed.
func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		p.admit(listener, client.(*net.TCPConn))
	}
}

// admit starts a link for a client, unless connections have been refused since
// the system accepted this one.
func (p *Proxy) admit(listener net.Listener, client *net.TCPConn) {
	l := newLink(p, client)
	p.mu.Lock()
	welcome := p.listener == listener
	if welcome {
		p.accepted++
		p.links[l] = struct{}{}
		p.wg.Go(l.run)
	}
	p.mu.Unlock()
	if !welcome {
		l.cut()
	}
}

func (p *Proxy) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) snapshot() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	return links
}

func (p *Proxy) now() weather {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weather
}

func (p *Proxy) change(apply func(*weather)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.weather.changed)
	p.weather.changed = make(chan struct{})
	apply(&p.weather)
}
