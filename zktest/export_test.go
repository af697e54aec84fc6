package zktest

// WithMaxQueued makes a server reset connections sooner than after 256 MiB.
func (c Config) WithMaxQueued(n int) Config {
	c.maxQueued = n
	return c
}

// BeginDial makes a server that listens on TCP believe that one of its clients dials a port, and takes its time.
func (s *Server) BeginDial(port string) {
	n := s.net.(*tcpNetwork)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dials[port]++
}
