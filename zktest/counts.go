package zktest

import (
	"maps"
	"slices"
)

// Counts says how often things have happened. Take one before and one after an operation and subtract them, to learn
// what the operation cost.
type Counts struct {
	Requests map[Op]int64 // requests processed by opcode; handshakes count as OpConnect
	Accepted int64        // connections accepted
	Sessions int64        // sessions started
	Watches  int64        // watches set: a getData with a watch sets one, an addWatch two
	Events   int64        // watch events sent
}

// Sub returns what has happened since earlier.
func (c Counts) Sub(earlier Counts) Counts {
	diff := Counts{
		Requests: maps.Clone(c.Requests),
		Accepted: c.Accepted - earlier.Accepted,
		Sessions: c.Sessions - earlier.Sessions,
		Watches:  c.Watches - earlier.Watches,
		Events:   c.Events - earlier.Events,
	}
	for op, n := range earlier.Requests {
		diff.Requests[op] -= n
		if diff.Requests[op] == 0 {
			delete(diff.Requests, op)
		}
	}
	return diff
}

// RoundTrips returns the number of requests, without handshakes and pings.
func (c Counts) RoundTrips() int64 {
	var n int64
	for op, count := range c.Requests {
		if op != OpConnect && op != OpPing {
			n += count
		}
	}
	return n
}

// Writes returns the number of requests that take a transaction, whether they succeeded or not, without the beginnings
// and ends of sessions.
func (c Counts) Writes() int64 {
	var n int64
	for _, op := range []Op{OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL, OpDelete, OpSetData, OpSetACL, OpMulti} {
		n += c.Requests[op]
	}
	return n
}

// tally is a set of counters.
type tally struct {
	requests map[Op]int64
	accepted int64
	sessions int64
	watches  int64
	events   int64
}

func newTally() *tally {
	return &tally{requests: make(map[Op]int64, 4)}
}

func (t *tally) counts() Counts {
	if t == nil {
		return Counts{Requests: map[Op]int64{}}
	}
	return Counts{maps.Clone(t.requests), t.accepted, t.sessions, t.watches, t.events}
}

// tallyOf returns the counters of the client with the name.
func (s *Server) tallyOf(client string) *tally {
	t := s.perClient[client]
	if t == nil {
		t = newTally()
		s.perClient[client] = t
	}
	return t
}

// Counts returns what has happened since the server was started.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total.counts()
}

// ClientCounts returns what connections of the named client have caused; "" stands for all that have no name.
func (s *Server) ClientCounts(name string) Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.perClient[name].counts()
}

// SessionCounts returns what a session has caused, which may be one of the 1,000 that ended last. A session's own handshakes
// and connections are not part of it.
func (s *Server) SessionCounts(id int64) Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.perSession[id].counts()
}

// liveConns returns the connections that the server has not ended, by age.
func (s *Server) liveConns() []*conn {
	var live []*conn
	for _, c := range s.conns {
		if !c.gone {
			live = append(live, c)
		}
	}
	slices.SortFunc(live, byAge)
	return live
}
