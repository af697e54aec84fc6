package wire

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// nextReply returns the next frame that the driver is to see.
func (l *link) nextReply() ([]byte, error) {
	for {
		if err := l.halted(); err != nil {
			return nil, err // what led to it is no longer checked
		}
		frame, err := l.in.next(meter{l}, replyHeaderLen, l.s.opt.MaxFrame)
		if errors.Is(err, errFrameLength) {
			if err = l.drain(err); err == nil {
				l.letGo()
				continue
			}
		}
		if err != nil {
			return nil, l.readFailed(err)
		}
		l.s.counters.framesIn.Add(1)
		pass, err := l.inspect(frame[prefixLen:])
		if err != nil {
			return nil, err
		}
		l.letGo()
		if pass {
			return forDriver(frame), nil
		}
	}
}

// inspect validates and processes a frame. It reports whether the driver gets it. After an error the link has ended.
func (l *link) inspect(body []byte) (pass bool, err error) {
	h := parseReplyHeader(body)
	if h.xid == xidEvent {
		return false, l.event(body[replyHeaderLen:])
	}
	if h.xid == xidAuth {
		if ok, err := l.authReply(h); ok {
			return false, err
		}
	}
	r, ok, overtook := l.reqs.take(h.xid)
	if !ok {
		return false, l.unexpected(h)
	}
	l.replied(h.xid, overtook)
	l.answered(r, h)
	if r.call == nil {
		return true, nil
	}
	l.body.Reset(body[replyHeaderLen:])
	r.call.answered(h, &l.body)
	return false, nil
}

// forDriver returns the part of a reply that the driver gets. The reply to a ping has no body: the driver would skip
// it, or end the link if it is longer than the driver's buffer.
func forDriver(frame []byte) []byte {
	if int32At(frame, prefixLen) == xidPing {
		frame = frame[:prefixLen+replyHeaderLen]
		putInt32(frame, 0, replyHeaderLen)
	}
	return frame
}

// answered records the header of a reply.
func (l *link) answered(r request, h replyHeader) {
	l.s.noteAnswer(r.sent, h.zxid, h.code)
	if r.call != nil && l.s.opt.OnAnswered != nil {
		l.s.opt.OnAnswered(h.code)
	}
	if r.op == opClose && h.code == 0 {
		l.s.noteClosed()
	}
}

// event delivers a change.
func (l *link) event(body []byte) error {
	var ev jute.WatcherEvent
	l.body.Reset(body)
	ev.Decode(&l.body)
	if err := l.body.Err(); err != nil {
		return l.fail(l.malformed("a watch event: %v", err))
	}
	l.eventCame()
	if l.s.opt.OnEvent != nil {
		l.s.opt.OnEvent(ev.Type, ev.Path)
	}
	return nil
}

// unexpected counts a reply to a request that was not sent. The driver must not see it, because it would use its zxid.
func (l *link) unexpected(h replyHeader) error {
	if err := l.halted(); err != nil {
		return err // its call has ended with the link
	}
	l.unrequested++
	if l.unrequested > maxUnexpected {
		return l.fail(l.malformed("%d replies to requests that were not sent, the latest with xid %d",
			l.unrequested, h.xid))
	}
	l.s.log.Warn("reply to a request that was not sent", "server", l.peer(), "xid", h.xid)
	return nil
}

// readFailed returns the driver's error for an error of the connection.
func (l *link) readFailed(err error) error {
	if halt := l.halted(); halt != nil {
		return halt
	}
	switch {
	case errors.Is(err, errFrameLength):
		return l.fail(l.malformed("%v", err))
	case isTimeout(err) && time.Now().Before(l.readBy):
		return err // not the link's own deadline; nothing is lost
	case isTimeout(err):
		return l.fail(fmt.Errorf("%w: nothing came from %s for %v: %w", ErrSilent, l.peer(), l.quiet, err))
	case err == io.EOF:
		return l.lost(io.EOF)
	}
	return l.lost(fmt.Errorf("wire: reading from %s: %w", l.peer(), err))
}

// meter is the link's connection for reading, with its bytes counted.
type meter struct{ l *link }

func (m meter) Read(p []byte) (n int, err error) {
	if m.l.open.Load() {
		n, err = m.l.readSoon(p)
	} else {
		n, err = m.l.conn.Read(p)
	}
	m.l.s.counters.bytesIn.Add(uint64(n))
	return n, err
}

// readSoon reads something that arrives in time. In a process that was stopped, a deadline passes before what has
// arrived is read. So the first deadline is a little early, and a second one follows.
func (l *link) readSoon(p []byte) (int, error) {
	l.readBy = time.Now().Add(l.quiet)
	early := l.readBy.Add(-l.grace())
	_ = l.conn.SetReadDeadline(early)
	n, err := l.conn.Read(p)
	if n > 0 || !isTimeout(err) || time.Now().Before(early) {
		return n, err
	}
	if last := time.Now().Add(l.grace()); last.After(l.readBy) {
		l.readBy = last
	}
	_ = l.conn.SetReadDeadline(l.readBy)
	return l.conn.Read(p)
}

// drain discards a reply that is longer than MaxFrame, and ends its call. It fails if the frame is not a reply, has no
// request, or takes so long that breaking the link costs less; in the last case the call has ended all the same.
func (l *link) drain(cause error) error {
	prefix, err := l.in.header(meter{l}, prefixLen)
	if err != nil || int32At(prefix, 0) < replyHeaderLen {
		return cause
	}
	header, err := l.in.header(meter{l}, prefixLen+replyHeaderLen)
	if err != nil {
		return cause
	}
	n, h := int(int32At(header, 0)), parseReplyHeader(header[prefixLen:])
	r, ok := l.reqs.find(h.xid)
	if !ok || r.call == nil {
		return cause
	}
	r, ok, overtook := l.reqs.take(h.xid)
	if !ok {
		return l.unexpected(h) // the link has ended
	}
	tooLong := fmt.Errorf("%w: %s is answered with %d bytes, accepted are %d", ErrReplyTooLong, r.describe(), n, l.s.opt.MaxFrame)
	defer r.call.finish(tooLong)
	late := time.Now().Add(l.timeout / 3)
	l.in.notePart(prefixLen + n)
	l.replied(h.xid, overtook)
	err = l.in.skip(meter{l}, prefixLen+n, func() error {
		if time.Now().After(late) {
			return l.fail(tooLong)
		}
		return nil
	})
	l.in.wholePart()
	if err == nil {
		l.replied(h.xid, overtook)
		l.answered(r, h)
	}
	return err
}
