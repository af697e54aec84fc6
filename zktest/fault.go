package zktest

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Match selects connections. It must not call the server.
type Match func(ConnInfo) bool

// AllConns matches every connection.
func AllConns() Match {
	return func(ConnInfo) bool { return true }
}

// SessionConns matches the connection of the session.
func SessionConns(id int64) Match {
	return func(c ConnInfo) bool { return c.Session == id }
}

// ClientConns matches the connections of the named clients.
func ClientConns(names ...string) Match {
	return func(c ConnInfo) bool { return slices.Contains(names, c.Client) }
}

// EndpointConns matches the connections that came in on the endpoints, which are counted from 0.
func EndpointConns(endpoints ...int) Match {
	return func(c ConnInfo) bool { return slices.Contains(endpoints, c.Endpoint) }
}

// And matches the connections that both match.
func (m Match) And(other Match) Match {
	return func(c ConnInfo) bool { return m(c) && other(c) }
}

// Not matches the connections that m does not match.
func (m Match) Not() Match {
	return func(c ConnInfo) bool { return !m(c) }
}

// Direction is the direction in which a black hole drops packets.
type Direction uint8

// The directions of a black hole.
const (
	Both Direction = iota
	ToServer
	ToClient
)

// direction is one way of a connection.
type direction uint8

const (
	toServer direction = iota
	toClient
)

func (d Direction) covers(way direction) bool {
	return d == Both || d == ToServer && way == toServer || d == ToClient && way == toClient
}

// fault is a lasting fault of the network.
type fault struct {
	match Match
	hole  bool // packets in the directions of dir do not pass
	deaf  bool // bytes from the client are not read either
	dir   Direction
	delay time.Duration
	rate  int // bytes per second in each direction; 0 for no limit
}

// effect is what the lasting faults do to one direction of a connection.
type effect struct {
	shut  bool
	deaf  bool
	delay time.Duration
	rate  int // bytes per second; 0 for no limit
}

// faultsOn returns the effect of the lasting faults on a connection.
func (s *Server) faultsOn(c *conn, way direction) effect {
	e := effect{}
	if len(s.faults) > 0 {
		e = s.faultsAt(c.info(), way)
	}
	e.shut = e.shut || c.endpoint.paused || way == toServer && s.blocked(c)
	return e
}

func (s *Server) faultsAt(info ConnInfo, way direction) (e effect) {
	for _, f := range s.faults {
		switch {
		case !f.match(info):
		case f.hole:
			e.shut = e.shut || f.dir.covers(way)
			e.deaf = e.deaf || f.deaf
		case f.rate > 0:
			e.rate = f.rate
		default:
			e.delay += f.delay
		}
	}
	return e
}

// deafTo reports whether a client's bytes are not read.
func (s *Server) deafTo(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closing && s.faultsOn(c, toServer).deaf
}

// inject adds a lasting fault, until the returned function is called.
func (s *Server) inject(f *fault) (heal func()) {
	s.mu.Lock()
	s.faults = append(s.faults, f)
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.faults = slices.DeleteFunc(s.faults, func(o *fault) bool { return o == f })
		s.mu.Unlock()
		s.reopen()
	}
}

// reopen delivers packets that no fault holds any longer.
func (s *Server) reopen() {
	s.mu.Lock()
	s.nextRelease = 0
	s.standStill()
	s.mu.Unlock()
	s.net.changed()
	s.wake()
}

// Blackhole drops the packets of matching connections, in one direction or both, until heal is called. Neither end is
// notified, and sessions expire silently. It also applies to later connections. As with TCP, dropped packets, including
// the end of the stream, are sent again in order after heal. So a request that a client abandoned long ago may still be
// processed, if the server has not closed its connection meanwhile.
//
// In memory, a dial to a black hole hangs until it is cancelled or the hole heals. Over TCP it succeeds, and then
// nothing is answered.
func (s *Server) Blackhole(match Match, dir Direction) (heal func()) {
	return s.inject(&fault{match: match, hole: true, dir: dir})
}

// Delay delays every packet of matching connections by d in each direction, until heal is called. It also applies to
// later connections. Packets keep their order.
func (s *Server) Delay(match Match, d time.Duration) (heal func()) {
	return s.inject(&fault{match: match, delay: d})
}

// Throttle limits each matching connection to bytesPerSecond in each direction, until heal is called. It also applies
// to later connections. A long reply reaches the client little by little. A long request is processed when its last
// byte has arrived. Packets keep their order. What was sent before heal still takes its time. Throttle panics if
// bytesPerSecond is not positive.
func (s *Server) Throttle(match Match, bytesPerSecond int) (heal func()) {
	if bytesPerSecond <= 0 {
		panic(fmt.Sprintf("zktest: Throttle to %d bytes per second; it must be positive", bytesPerSecond))
	}
	return s.inject(&fault{match: match, rate: bytesPerSecond})
}

// StopReading makes the server read no bytes from matching connections until heal is called. After 64 KiB, a client's
// Write blocks, as it does when the window of a TCP connection is closed. Over TCP, the system's buffers add to that.
// The server continues to send, and reads what has arrived after heal. It also applies to later connections.
func (s *Server) StopReading(match Match) (heal func()) {
	return s.inject(&fault{match: match, hole: true, dir: ToServer, deaf: true})
}

// RenewSessions makes the server silently give a new session to a client that resumes one that has ended, until the
// returned function is called. ZooKeeper does not do this, but some other servers with its protocol have been seen to.
func (s *Server) RenewSessions() (heal func()) {
	add := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.renewing += n
	}
	add(1)
	return sync.OnceFunc(func() { add(-1) })
}

// Cut resets the matching connections without ending their sessions, and returns their number. Requests that have not
// been processed are lost.
func (s *Server) Cut(match Match) int {
	s.mu.Lock()
	n := s.cut(match)
	s.standStill()
	s.mu.Unlock()
	s.wake()
	return n
}

// cut resets matching connections, oldest first.
func (s *Server) cut(match Match) int {
	n := 0
	for _, c := range s.liveConns() {
		if match(c.info()) {
			s.sever(c)
			n++
		}
	}
	return n
}

// ExpireSession ends a session as if its timeout had passed: its ephemeral nodes are deleted, and its connection is
// closed. It reports whether the session existed.
func (s *Server) ExpireSession(id int64) bool {
	s.mu.Lock()
	ss := s.sessions[id]
	if ss != nil {
		s.expire(ss)
		s.standStill()
	}
	s.mu.Unlock()
	s.wake()
	return ss != nil
}
