package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
)

// cable is the way from one process to the registry, which can be cut.
type cable struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

var errCut = errors.New("the network is down")

// Dial is a framework.Config.Dialer.
func (c *cable) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return nil, errors.Join(errCut, conn.Close())
	}
	c.conns = append(c.conns, conn)
	return conn, nil
}

// Cut breaks the connections and lets no new ones through.
func (c *cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for _, conn := range c.conns {
		_ = conn.Close() // one that is closed already is as broken as it gets
	}
	c.conns = nil
}

// Mend lets connections through again.
func (c *cable) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}

// connect starts a client of the registry and waits for its session.
func connect(ctx context.Context, zk string, timeout time.Duration, c *cable) (*framework.Client, error) {
	cli, err := framework.New(framework.Config{
		ConnectString: zk, SessionTimeout: timeout, Namespace: "docent-discovery", Dialer: c.Dial,
	})
	if err != nil {
		return nil, err
	}
	if err := cli.WaitConnected(ctx); err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	return cli, nil
}
