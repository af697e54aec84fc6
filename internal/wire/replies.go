package wire

import (
	"errors"
	"fmt"
	"io"
)

// nextReply returns the next frame that the driver is to see.
func (l *link) nextReply() ([]byte, error) {
	for {
		if len(l.owes) > 0 {
			frame := l.owes[0]
			l.owes = l.owes[1:]
			return frame, nil
		}
		frame, err := l.in.next(meter{l}, replyHeaderLen, l.s.opt.MaxFrame)
		if err != nil {
			return nil, l.readFailed(err)
		}
		l.s.counters.framesIn.Add(1)
		pass, err := l.inspect(frame[prefixLen:])
		if err != nil {
			return nil, err
		}
		if pass {
			return frame, nil
		}
	}
}

// inspect validates a frame, draws the conclusions from it and reports whether
// the driver gets it. After an error the link has ended.
func (l *link) inspect(body []byte) (pass bool, err error) {
	h := parseReplyHeader(body)
	if h.xid == xidEvent {
		if !conforms(layoutEvent, body[replyHeaderLen:]) {
			return false, l.broken(l.malformed("a watch event of %d bytes", len(body)))
		}
		return true, nil
	}
	if h.xid == xidAuth && l.awaitsAuth() {
		return false, l.authReply(h)
	}
	r, ok := l.reqs.take(h.xid)
	if !ok {
		return false, l.stray(h)
	}
	if h.code == 0 && !conforms(replyLayout(r.op), body[replyHeaderLen:]) {
		return false, l.broken(l.malformed("a reply of %d bytes to xid %d cannot be one to opcode %d",
			len(body), r.xid, r.op))
	}
	l.accept(r, h, body[replyHeaderLen:])
	if r.has(markRearm) && h.code != 0 {
		if !disowns(h.code) { // which says nothing of setWatches
			l.s.rearmRefused()
		}
		return false, l.fail(fmt.Errorf("%w: %s answered setWatches with error %d", ErrNotRearmed, l.peer(), h.code))
	}
	return !r.has(markOwn), nil
}

// accept draws the conclusions from a valid reply.
func (l *link) accept(r request, h replyHeader, body []byte) {
	l.s.noteAnswer(r.sent, h.zxid, h.code)
	if r.has(markRearm | markProof) {
		l.s.rearmAnswered(l.watches, r, h.code)
	}
	if r.has(markCreate2) {
		l.s.create2Answered(h.code)
	}
	switch {
	case r.has(markSingle):
		l.singleAnswered(h, body)
	case r.has(markOwn):
		l.ownReply(r, h)
	}
	if h.code == 0 && (r.op == opCreate2 || r.op == opContainer || r.op == opTTL) {
		l.s.noteCreated(body)
	}
}

// stray counts a reply to something that was not sent. The driver must not see
// it: it would take over the zxid.
func (l *link) stray(h replyHeader) error {
	l.strays++
	if l.strays > maxStrays {
		return l.broken(l.malformed("%d replies to requests that were not sent, the latest with xid %d",
			l.strays, h.xid))
	}
	l.s.counters.malforms.Add(1)
	l.s.log.Warn("reply to a request that was not sent", "server", l.peer(), "xid", h.xid)
	return nil
}

// broken ends the link because of a malformed frame.
func (l *link) broken(err error) error {
	l.s.counters.malforms.Add(1)
	return l.fail(err)
}

// readFailed returns the driver's error for an error of the connection.
func (l *link) readFailed(err error) error {
	if halt := l.halted(); halt != nil {
		return halt
	}
	switch {
	case errors.Is(err, errFrameLength):
		return l.broken(l.malformed("%v", err))
	case isTimeout(err):
		return err // nothing is lost: a later read goes on from here
	case err == io.EOF:
		return l.lost(io.EOF)
	}
	return l.lost(fmt.Errorf("wire: reading from %s: %w", l.peer(), err))
}

// meter is the link's connection for reading, with its bytes counted.
type meter struct{ l *link }

func (m meter) Read(p []byte) (int, error) {
	n, err := m.l.conn.Read(p)
	m.l.s.counters.bytesIn.Add(uint64(n))
	return n, err
}
