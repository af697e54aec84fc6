package zktest

import (
	"cmp"
	"slices"
	"time"
)

// A gate stands in each direction of each connection, between the transport and the server's queues. It is where
// partitions, delays and pauses act, so that they mean the same on both transports. Like TCP, a gate never loses or
// reorders what it holds: it lets it through when the fault has healed.
type gate struct {
	held []*packet     // in order
	free time.Duration // when a throttled line has carried what it was given
}

type packetKind uint8

const (
	framePacket packetKind = iota
	partPacket             // of a frame, but not its last one
	wordPacket             // a four-letter word
	endPacket              // end of the stream; outwards, the connection is closed after all before it was sent
	resetPacket            // outwards only: the connection is reset
)

// packet is what passes a gate.
type packet struct {
	seq    uint64        // place among all packets of the server
	due    time.Duration // on the server's clock: it passes no earlier
	kind   packetKind
	data   []byte
	meta   Frame
	hooked bool // hooks have seen it
}

// hold puts a packet in its place, by seq. It is nearly always the last.
func (g *gate) hold(p *packet) {
	i := len(g.held)
	for i > 0 && g.held[i-1].seq > p.seq {
		i--
	}
	g.held = slices.Insert(g.held, i, p)
}

// pop takes the first packet if it may pass at now.
func (g *gate) pop(now time.Duration) *packet {
	if len(g.held) == 0 || g.held[0].due > now {
		return nil
	}
	p := g.held[0]
	g.held = g.held[1:]
	if len(g.held) == 0 {
		g.held = nil
	}
	return p
}

// queued is a packet with the connection that it came from or goes to.
type queued struct {
	c *conn
	p *packet
}

// admit takes a packet from the transport through the inward gate.
func (s *Server) admit(c *conn, p *packet) {
	s.lastPacket++
	p.seq = s.lastPacket
	if c.unserved += len(p.data); c.unserved > s.cfg.maxQueued {
		s.sever(c)
		return
	}
	if !s.stop(c, &c.in, toServer, p) {
		s.inbox = append(s.inbox, queued{c, p})
	}
}

// emit queues a packet for a client. It goes out in this order, after hooks have seen it.
func (s *Server) emit(c *conn, p *packet) {
	s.outbox = append(s.outbox, queued{c, p})
}

// depart takes a packet through the outward gate to the transport, in parts if the line is slow.
func (s *Server) depart(c *conn, p *packet) {
	rate := 0
	if p.kind == framePacket {
		rate = s.faultsOn(c, toClient).rate
	}
	if rate > 0 {
		size := max(rate/partsPerSecond, 1)
		for whole := p; len(p.data) > size; {
			part := *whole
			part.kind, part.data = partPacket, p.data[:size]
			rest := *whole
			rest.data = p.data[size:]
			if p = &rest; !s.pass(c, &part) {
				return
			}
		}
	}
	s.pass(c, p)
}

// partsPerSecond is in how many parts a slow line carries what it can carry in a second.
const partsPerSecond = 20

// pass takes a packet or part through the outward gate. It reports false if that cost the connection.
func (s *Server) pass(c *conn, p *packet) bool {
	s.lastPacket++
	p.seq = s.lastPacket
	if !s.stop(c, &c.out, toClient, p) {
		return s.transmit(c, p)
	}
	if c.unsent += len(p.data); c.unsent > s.cfg.maxQueued {
		s.sever(c)
		return false
	}
	return true
}

// stop holds a packet if the gate is shut, or if others are held before it, or if it is too early for it.
func (s *Server) stop(c *conn, g *gate, dir direction, p *packet) bool {
	now := s.clock()
	e := s.faultsOn(c, dir)
	if p.kind == resetPacket && c.endpoint.paused {
		e = s.faultsAt(c.info(), dir) // resets come from the network, not from the frozen process
	}
	p.due = max(p.due, g.carried(len(p.data), e.rate, now)+e.delay)
	if !e.shut && len(g.held) == 0 && p.due <= now {
		return false
	}
	g.hold(p)
	s.holding[c] = struct{}{}
	if !e.shut {
		s.nextRelease = min(s.nextRelease, g.held[0].due)
	}
	return true
}

// carried returns when a line of so many bytes per second has carried n bytes more: at once if there is no limit.
func (g *gate) carried(n, rate int, now time.Duration) time.Duration {
	if rate == 0 {
		return now
	}
	g.free = max(g.free, now) + time.Duration(n)*time.Second/time.Duration(rate)
	return g.free
}

// release lets pass what is held and no longer has to be, in the order in which it came.
func (s *Server) release() {
	now := s.clock()
	s.nextRelease = never
	var in, out []queued
	for c := range s.holding {
		in = s.drain(in, c, &c.in, toServer, now)
		out = s.drain(out, c, &c.out, toClient, now)
		if len(c.in.held) == 0 && len(c.out.held) == 0 {
			delete(s.holding, c)
		}
	}
	bySeq := func(a, b queued) int { return cmp.Compare(a.p.seq, b.p.seq) }
	slices.SortFunc(in, bySeq)
	slices.SortFunc(out, bySeq)
	s.inbox = append(in, s.inbox...)
	for _, q := range out {
		q.c.unsent -= len(q.p.data)
		s.transmit(q.c, q.p)
	}
}

// drain appends to list what may pass a gate now, and notes when the next may.
func (s *Server) drain(list []queued, c *conn, g *gate, dir direction, now time.Duration) []queued {
	if s.faultsOn(c, dir).shut {
		return list
	}
	for p := g.pop(now); p != nil; p = g.pop(now) {
		list = append(list, queued{c, p})
	}
	if len(g.held) > 0 {
		s.nextRelease = min(s.nextRelease, g.held[0].due)
	}
	return list
}

// transmit hands a packet to the transport. It reports false if that cost the connection.
func (s *Server) transmit(c *conn, p *packet) bool {
	switch {
	case p.kind == resetPacket:
		c.link.abort()
		delete(s.conns, c.id)
	case p.kind == endPacket:
		s.tracef("%v closed", c)
		c.link.finish()
		delete(s.conns, c.id)
	default:
		if p.kind == framePacket {
			c.sent++
			s.sent++
		}
		if !c.link.send(p.data) {
			s.sever(c)
			return false
		}
	}
	return true
}
