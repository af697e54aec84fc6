package sim

import (
	"context"
	"net"
	"sync"
)

// gate stops what a client reads and writes, as a process that is paused does: what arrives meanwhile waits for it in the kernel,
// and what it wanted to send goes out when it runs again, with the servers none the wiser. The client's timers run on.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed when the pause is over; nil when there is none
}

// shut stops the client until the function returned is called.
func (g *gate) shut() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		return func() {}
	}
	ch := make(chan struct{})
	g.open = ch
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.open = nil
		close(ch)
	}
}

// pass waits for the end of a pause.
func (g *gate) pass(done <-chan struct{}) {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if open == nil {
		return
	}
	select {
	case <-open:
	case <-done:
	}
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialer puts the gate on the connections that dial makes.
func (g *gate) dialer(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &gated{Conn: conn, gate: g, closed: make(chan struct{})}, nil
	}
}

// gated is one connection.
type gated struct {
	net.Conn
	gate   *gate
	once   sync.Once
	closed chan struct{}
}

func (c *gated) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.gate.pass(c.closed)
	return n, err
}

func (c *gated) Write(b []byte) (int, error) {
	c.gate.pass(c.closed)
	return c.Conn.Write(b)
}

func (c *gated) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
