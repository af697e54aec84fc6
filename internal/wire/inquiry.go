package wire

import (
	"encoding/binary"
	"slices"
)

// Inquiry asks the server which nodes have changed since a transaction, with a
// setWatches of wire's own: see "Inquiries" in the package documentation.
type Inquiry struct {
	Zxid     int64    // of the transaction
	Data     []string // nodes to be told of that were set since, or do not exist
	Children []string // nodes to be told of whose children have changed since, or that do not exist

	// Answered is called with the header of the reply, in the reading goroutine,
	// when the driver has had all events ahead of it.
	Answered func(zxid int64, code int32)
}

// Ask has the inquiry sent ahead of the driver's next frame, once, on the link
// that there is then. One that is lost with its link is not sent again.
func (s *Session) Ask(q *Inquiry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.standing
	t.queue = append(t.queue, order{op: opSetWatches, inquiry: q})
	t.settle()
}

// Retract makes the session forget an inquiry: it is not sent if it was not,
// and Answered is not called any more unless it is being called.
func (s *Session) Retract(q *Inquiry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.standing
	t.queue = slices.DeleteFunc(t.queue, func(o order) bool { return o.inquiry == q })
	for xid, other := range t.inquiries {
		if other == q {
			delete(t.inquiries, xid)
		}
	}
	t.settle()
}

// inquiryAnswered hands the answer to whoever has asked.
func (s *Session) inquiryAnswered(h replyHeader) {
	s.mu.Lock()
	q := s.standing.inquiries[h.xid]
	delete(s.standing.inquiries, h.xid)
	s.mu.Unlock()
	if q != nil {
		q.Answered(h.zxid, h.code)
	}
}

// frame encodes the setWatches.
func (q *Inquiry) frame(xid int32) []byte {
	n := requestHeaderLen + 8 + vectorLen(q.Data) + vectorLen(nil) + vectorLen(q.Children)
	b := make([]byte, 0, prefixLen+n)
	for _, v := range []int32{int32(n), xid, opSetWatches} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(q.Zxid))
	for _, paths := range [][]string{q.Data, nil, q.Children} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(paths)))
		for _, path := range paths {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(path))), path...)
		}
	}
	return b
}

// vectorLen is the length of a vector of paths.
func vectorLen(paths []string) int {
	n := 4
	for _, path := range paths {
		n += 4 + len(path)
	}
	return n
}
