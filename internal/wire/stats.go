package wire

import "sync/atomic"

// Stats are running totals over all links of a Session.
type Stats struct {
	Links            uint64 // connections wrapped
	HandshakesFailed uint64 // links that ended without an answer to their handshake
	FramesIn         uint64 // whole frames read, those hidden from the driver included
	FramesOut        uint64 // whole frames written, credentials included
	Writes           uint64 // calls of the connection's Write, handshakes included
	BytesIn          uint64 // read from the socket
	BytesOut         uint64 // written to the socket
}

type counters struct {
	links, handshakesFailed atomic.Uint64
	framesIn, framesOut     atomic.Uint64
	bytesIn, bytesOut       atomic.Uint64
	writes                  atomic.Uint64
}

// Stats returns the totals so far. Each is exact; together they are not a
// snapshot of one instant.
func (s *Session) Stats() Stats {
	c := &s.counters
	return Stats{
		Links:            c.links.Load(),
		HandshakesFailed: c.handshakesFailed.Load(),
		FramesIn:         c.framesIn.Load(),
		FramesOut:        c.framesOut.Load(),
		Writes:           c.writes.Load(),
		BytesIn:          c.bytesIn.Load(),
		BytesOut:         c.bytesOut.Load(),
	}
}

// put writes to the connection, and counts.
func (l *link) put(b []byte) error {
	l.s.counters.writes.Add(1)
	n, err := l.conn.Write(b)
	l.s.counters.bytesOut.Add(uint64(n))
	return err
}
