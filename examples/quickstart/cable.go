package main

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// cable is one replica's network. Unplugged, it loses packets without a word, as real networks do.
type cable struct {
	mu        sync.Mutex
	unplugged bool
	links     []*link
}

// Dial is a framework.Config.Dialer.
func (c *cable) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	unplugged := c.unplugged
	c.mu.Unlock()
	if unplugged {
		<-ctx.Done() // no answer to a connection request
		return nil, context.Cause(ctx)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: conn}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links = append(c.links, l)
	return l, nil
}

// Unplug makes every packet vanish from now on. The other side is told nothing.
func (c *cable) Unplug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unplugged = true
	for _, l := range c.links {
		l.dead.Store(true)
	}
}

// Plug lets new connections through again.
func (c *cable) Plug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unplugged = false
}

// Blip breaks the connections and lets new ones through at once.
func (c *cable) Blip() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.links {
		_ = l.Close() // a link that is closed already is as broken as it gets
	}
	c.links = nil
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
