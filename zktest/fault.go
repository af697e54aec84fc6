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

// And matches what both match.
func (m Match) And(other Match) Match {
	return func(c ConnInfo) bool { return m(c) && other(c) }
}

// Not matches what m does not.
func (m Match) Not() Match {
	return func(c ConnInfo) bool { return !m(c) }
}

// Direction says which way a black hole swallows packets.
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

// fault is a standing fault of the network.
type fault struct {
	match Match
	hole  bool // packets in the directions of dir do not pass
	deaf  bool // nor are bytes taken from the client
	dir   Direction
	delay time.Duration
	rate  int // bytes per second in each direction; 0 for no limit
}

// effect is what the standing faults do to one direction of a connection.
type effect struct {
	shut  bool
	deaf  bool
	delay time.Duration
	rate  int // bytes per second; 0 for no limit
}

// faultsOn returns the effect of the standing faults on a connection.
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

// deafTo reports whether a client's bytes are not taken.
func (s *Server) deafTo(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closing && s.faultsOn(c, toServer).deaf
}

// inject makes a fault stand until the function it returns is called.
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

// reopen lets pass what no fault holds any longer.
func (s *Server) reopen() {
	s.mu.Lock()
	s.nextRelease = 0
	s.standStill()
	s.mu.Unlock()
	s.net.changed()
	s.wake()
}

// Blackhole makes packets of matching connections vanish, in one direction or both, until heal is called: neither end
// learns of it, and sessions expire in silence. It holds for connections made later as well. As with TCP, what vanished
// is sent again when the hole has healed, in order, also the end of the stream: a request that a client has long given up
// may then still be processed, if its connection was not closed at the server in the meantime.
//
// A dial to a black hole hangs, in memory, until it is given up or the hole heals. Over real TCP it succeeds, and then
// nothing is answered.
func (s *Server) Blackhole(match Match, dir Direction) (heal func()) {
	return s.inject(&fault{match: match, hole: true, dir: dir})
}

// Delay makes every packet of matching connections take d longer in each direction, until heal is called. It holds for
// connections made later as well. Packets keep their order.
func (s *Server) Delay(match Match, d time.Duration) (heal func()) {
	return s.inject(&fault{match: match, delay: d})
}

// Throttle lets matching connections carry no more than so many bytes per second, each by itself and in each direction,
// until heal is called. It holds for connections made later as well. A long reply reaches the client little by little; a
// long request is served when its last byte has arrived. Nothing overtakes on a connection. What was sent before heal
// still takes its time. Throttle panics if bytesPerSecond is not positive.
func (s *Server) Throttle(match Match, bytesPerSecond int) (heal func()) {
	if bytesPerSecond <= 0 {
		panic(fmt.Sprintf("zktest: Throttle to %d bytes per second; it must be positive", bytesPerSecond))
	}
	return s.inject(&fault{match: match, rate: bytesPerSecond})
}

// StopReading makes the server take no bytes from matching connections until heal is called: after 64 KiB that nobody
// has taken, a client's Write waits, as it does when the window of a TCP connection is closed. Over TCP the buffers of
// the system come on top. The server goes on sending, and takes what has come in when it is healed. It holds for
// connections made later as well.
func (s *Server) StopReading(match Match) (heal func()) {
	return s.inject(&fault{match: match, hole: true, dir: ToServer, deaf: true})
}

// RenewSessions makes the server give a new session to a client that asks for one that has ended, without saying so, as
// some servers that speak this protocol have been seen to do, until the function returned is called. ZooKeeper never
// does that.
func (s *Server) RenewSessions() (heal func()) {
	add := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.renewing += n
	}
	add(1)
	return sync.OnceFunc(func() { add(-1) })
}

// Cut resets the matching connections without ending their sessions, and returns how many there were. Requests that have
// not been processed yet are lost.
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

// ExpireSession ends a session as if its timeout had passed: its ephemeral nodes are deleted and its connection, if it
// has one, is closed. It reports whether there was such a session.
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
