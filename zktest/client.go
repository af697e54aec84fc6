package zktest

import (
	"context"
	"hash/fnv"
	"net"
	"time"
)

// Client is a host from which connections come, so that faults can be aimed at it. In memory, its IP address is derived
// from its name. Over TCP, and in memory for clients without a name, the address is 127.0.0.1.
type Client struct {
	s    *Server
	name string
	key  uint64 // what its name hashes to
	host net.IP // its address in memory
	dial uint64 // number of connections it has opened
}

// Client returns the client host with the name. The first call creates it.
func (s *Server) Client(name string) *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[name]
	if c == nil {
		c = &Client{s: s, name: name, key: hashOf(name)}
		c.host = net.IPv4(10, byte(c.key>>16), byte(c.key>>8), byte(c.key)).To4()
		if name == "" {
			c.host = net.IPv4(127, 0, 0, 1).To4()
		}
		s.clients[name] = c
	}
	return c
}

// hashOf makes a number of a name. What is derived from it does not depend on the order in which clients appear.
func hashOf(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return mix(h.Sum64())
}

// Name returns the client's name.
func (c *Client) Name() string {
	return c.name
}

// Dial opens a connection to one of the server's addresses, within ctx. Its errors are of the kind that net.Dialer
// returns.
func (c *Client) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return c.s.net.dial(ctx, c, network, addr)
}

// DialTimeout is Dial with a timeout instead of a context. Its signature is that of net.DialTimeout and of
// go-zookeeper's Dialer.
func (c *Client) DialTimeout(network, addr string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return c.Dial(ctx, network, addr)
}

// Dial opens a connection as a client without a name.
func (s *Server) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return s.Client("").Dial(ctx, network, addr)
}

// DialTimeout opens a connection as a client without a name; see Client.DialTimeout.
func (s *Server) DialTimeout(network, addr string, timeout time.Duration) (net.Conn, error) {
	return s.Client("").DialTimeout(network, addr, timeout)
}
