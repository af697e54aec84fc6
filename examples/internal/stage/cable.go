package stage

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// Cable is the network of one process. Its Dial is a framework.Config.Dialer.
type Cable struct {
	mu    sync.Mutex
	state wire
	links []*link
}

// wire is what a cable does with new connections.
type wire int

const (
	plugged wire = iota
	silent       // hang
	down         // are refused
)

var errDown = errors.New("the network is down")

// Dial connects, as far as the cable lets it.
func (c *Cable) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	switch c.now() {
	case silent:
		<-ctx.Done() // no answer to a connection request
		return nil, context.Cause(ctx)
	case down:
		return nil, errDown
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: conn}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.dead.Store(c.state != plugged) // it was unplugged while we dialled
	c.links = append(c.links, l)
	return l, nil
}

func (c *Cable) now() wire {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Unplug makes every packet vanish from now on, as real networks do. The other side is told nothing.
func (c *Cable) Unplug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = silent
	for _, l := range c.links {
		l.dead.Store(true)
	}
}

// Cut breaks the connections and refuses new ones.
func (c *Cable) Cut() { c.sever(down) }

// Blip breaks the connections and lets new ones through at once.
func (c *Cable) Blip() { c.sever(plugged) }

// Plug lets new connections through again. Those that went dead stay so.
func (c *Cable) Plug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = plugged
}

func (c *Cable) sever(next wire) {
	c.mu.Lock()
	c.state = next
	links := c.links
	c.links = nil
	c.mu.Unlock()
	for _, l := range links {
		_ = l.Close() // a link that is closed already is as broken as it gets
	}
}

// link is a connection that can go dead without closing.
type link struct {
	net.Conn
	dead atomic.Bool
}

func (l *link) Read(p []byte) (int, error) {
	for {
		n, err := l.Conn.Read(p)
		if err != nil || !l.dead.Load() {
			return n, err
		}
	}
}

func (l *link) Write(p []byte) (int, error) {
	if l.dead.Load() {
		return len(p), nil
	}
	return l.Conn.Write(p)
}
