package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// shortestSession is the shortest session timeout that is believed. All clocks follow what was granted: with one of a millisecond, no
// connection would ever be made in time again.
const shortestSession = 10 * time.Millisecond

// fallbackHandshake bounds the handshake of a driver that asks for no timeout.
const fallbackHandshake = 3 * time.Second

// connectRequest is what matters of the record that opens a link.
type connectRequest struct {
	zxid    int64 // lastZxidSeen
	timeout time.Duration
	id      int64 // 0 asks for a new session
}

func parseConnectRequest(body []byte) connectRequest {
	return connectRequest{
		zxid:    int64At(body, 4),
		timeout: time.Duration(int32At(body, 12)) * time.Millisecond,
		id:      int64At(body, 16),
	}
}

// connectAnswer is the server's ConnectResponse.
type connectAnswer struct {
	timeout  time.Duration
	id       int64 // 0: the session is not, or no longer, there
	password []byte
	readOnly bool // the server serves only reads
}

// shortAnswer is what is wrong with an answer to a ConnectRequest that is shorter than any ConnectResponse. A server that serves only reads
// answers so if it may not start sessions by itself.
func shortAnswer(body []byte) error {
	if len(body) >= connectAnswerLen {
		return nil
	}
	if len(body) == replyHeaderLen && parseReplyHeader(body).code == codeNotReadOnly {
		return fmt.Errorf("%w; and it starts no session, because localSessionsEnabled is not set on it", ErrReadOnly)
	}
	return errFrameLength
}

// parseConnectAnswer checks what the driver would rely on: it makes a ticker
// from the timeout, and a ConnectRequest in 256 bytes from the password.
func parseConnectAnswer(body []byte) (connectAnswer, error) {
	a := connectAnswer{
		timeout: time.Duration(int32At(body, 4)) * time.Millisecond,
		id:      int64At(body, 8),
	}
	n := int(int32At(body, 16))
	if n < -1 || n > len(body)-connectAnswerLen || n > maxPassword {
		return a, fmt.Errorf("a password of %d bytes in a ConnectResponse of %d", n, len(body))
	}
	if a.id != 0 && a.grants() == 0 {
		return a, fmt.Errorf("a session timeout of %v", a.timeout)
	}
	rest := body[connectAnswerLen:]
	a.password, rest = bytes.Clone(rest[:max(0, n)]), rest[max(0, n):]
	a.readOnly = len(rest) > 0 && rest[0] != 0
	return a, nil
}

// grants is the timeout of the session, 0 if there is none.
func (a connectAnswer) grants() time.Duration {
	if a.id == 0 || a.timeout < shortestSession {
		return 0
	}
	return a.timeout
}

// writeConnect passes the ConnectRequest on, if the session may be asked for.
func (l *link) writeConnect(p []byte) (int, error) {
	if l.asked {
		return 0, l.fail(errors.New("wire: the driver wrote before its handshake was answered"))
	}
	frame, used, err := l.asm.cut(p, connectRequestLen, maxHandshake)
	if err != nil {
		return 0, l.fail(fmt.Errorf("wire: the driver wrote an invalid frame: %w", err))
	}
	if frame == nil {
		return used, nil
	}
	if used < len(p) {
		return 0, l.fail(errors.New("wire: the driver wrote more than the ConnectRequest"))
	}
	frame = l.flagged(l.s.resuming(l.seen(frame)))
	l.ask = parseConnectRequest(frame[prefixLen:])
	if err := l.s.admit(l.ask); err != nil {
		l.s.Fence(err)
		return 0, l.halted()
	}
	l.asked = true
	if !l.use() {
		return 0, l.halted()
	}
	defer l.unuse()
	l.limits.start(l.conn, l.s.handshakeLimit(l.ask))
	l.askedAt = time.Now()
	if l.ask.id == 0 && l.s.opt.Abandoned != nil {
		l.begin()
	}
	if err := l.put(frame); err != nil {
		l.settle(0) // the server has not got all of it
		return 0, l.handshakeFailed(err)
	}
	l.s.counters.framesOut.Add(1)
	return len(p), nil
}

// seen puts the newest transaction that this session has seen into a ConnectRequest:
// the driver knows only of replies to requests of its own.
func (l *link) seen(frame []byte) []byte {
	zxid := l.s.LastZxid()
	if zxid <= int64At(frame, prefixLen+4) {
		return frame
	}
	frame = bytes.Clone(frame)
	binary.BigEndian.PutUint64(frame[prefixLen+4:], uint64(zxid))
	return frame
}

// resuming puts the session of Options.Resume into a ConnectRequest for a new one. The
// driver learns of it from the answer.
func (s *Session) resuming(frame []byte) []byte {
	const id = prefixLen + 16
	const password = id + 8
	r := s.opt.Resume
	if r.ID == 0 || int64At(frame, id) != 0 {
		return frame
	}
	rest := frame[password+4:]
	rest = rest[min(len(rest), max(0, int(int32At(frame, password)))):] // behind the driver's password
	out := bytes.Clone(frame[:password])
	binary.BigEndian.PutUint64(out[id:], uint64(r.ID))
	out = binary.BigEndian.AppendUint32(out, uint32(len(r.Password)))
	out = append(append(out, r.Password...), rest...)
	putInt32(out, 0, int32(len(out)-prefixLen))
	return out
}

// flagged appends to a ConnectRequest the byte that the driver leaves out: whether the client accepts a server that serves only reads.
// A server that does not get the byte takes the client for one from before ZooKeeper 3.4 and logs a warning.
func (l *link) flagged(frame []byte) []byte {
	body := frame[prefixLen:]
	if len(body) != connectRequestLen+max(0, int(int32At(body, connectRequestLen-4))) {
		return frame
	}
	flag := byte(0)
	if l.s.opt.ReadOnly != nil && int64At(body, 16) == 0 {
		flag = 1
	}
	frame = append(bytes.Clone(frame), flag)
	putInt32(frame, 0, int32(len(frame)-prefixLen))
	return frame
}

// admit decides whether the driver may ask for a session. Once there was one in
// this epoch, only that one may be asked for.
func (s *Session) admit(ask connectRequest) error {
	s.mu.Lock()
	id := s.id
	s.mu.Unlock()
	switch {
	case id == 0 || ask.id == id:
		return nil
	case ask.id == 0:
		return fmt.Errorf("%w; this epoch had %s", ErrSecondSession, hex(id))
	}
	return fmt.Errorf("%w: the driver asked for %s, this epoch has %s", ErrForeignSession, hex(ask.id), hex(id))
}

// handshakeLimit is how long the handshake may take.
func (s *Session) handshakeLimit(ask connectRequest) time.Duration {
	if s.opt.HandshakeTimeout != nil {
		return s.opt.HandshakeTimeout()
	}
	if limit := ask.timeout / 3; limit > 0 {
		return limit
	}
	return fallbackHandshake
}

// handshake reads the answer to the ConnectRequest and, if it is what the
// session needs, leaves it for the driver.
func (l *link) handshake() error {
	if !l.use() {
		return l.halted()
	}
	defer l.unuse()
	frame, err := l.in.next(meter{l}, replyHeaderLen, maxHandshake)
	if err != nil {
		if !isTimeout(err) {
			l.settle(0)
		}
		return l.handshakeFailed(err)
	}
	if err := shortAnswer(frame[prefixLen:]); err != nil {
		l.settle(0)
		return l.handshakeFailed(err)
	}
	l.s.counters.framesIn.Add(1)
	if !l.asked {
		return l.fail(l.malformed("%d bytes before anything was asked", len(frame)))
	}
	if l.s.opt.SASL != nil {
		frame = bytes.Clone(frame) // more frames are read before the driver gets it
	}
	answer, err := parseConnectAnswer(frame[prefixLen:])
	l.settle(answer.grants())
	if err != nil {
		return l.fail(l.malformed("%v", err))
	}
	if err := l.judge(answer); err != nil {
		return err
	}
	l.out, l.greeting = frame, true
	if err := l.halted(); err != nil && !l.owed() {
		return err
	}
	return nil
}

// judge accepts the answer, or returns the error for the driver.
func (l *link) judge(answer connectAnswer) error {
	switch {
	case answer.readOnly && answer.id != 0 && !l.acceptsReadOnly():
		return l.fail(fmt.Errorf("%w: %s", ErrReadOnly, l.peer()))
	case answer.id == l.ask.id || l.ask.id == 0:
		if answer.id == 0 {
			return l.fail(fmt.Errorf("%w: %s answered a request for a new one with id 0", ErrRefused, l.peer()))
		}
		return l.established(answer)
	case answer.id == 0:
		l.expired()
		return nil
	}
	l.foreign(answer.id)
	return l.halted()
}

// acceptsReadOnly reports whether the session may begin on a server that serves only reads. One that has begun elsewhere never goes on
// there: such a server does not prolong it.
func (l *link) acceptsReadOnly() bool {
	return l.ask.id == 0 && l.s.opt.ReadOnly != nil && l.s.opt.ReadOnly()
}

// established makes the link the session's open one. Credentials go first: as
// long as nothing is established, a failure costs no more than this link.
func (l *link) established(answer connectAnswer) error {
	if err := l.authenticate(); err != nil {
		return l.handshakeFailed(err)
	}
	if err := l.sendAuth(); err != nil {
		return l.handshakeFailed(err)
	}
	if err := l.s.establish(l, answer); err != nil {
		return err
	}
	l.settle(0)
	l.limits.lift(l)
	l.watch()
	if l.s.opt.OnLink != nil {
		calls := l.s.opt.OnLink(l.ask.zxid)
		if err := l.handIn(calls); err != nil {
			for _, c := range calls {
				c.notSent(err)
			}
		}
	}
	l.s.serves(l)
	l.presentNew()
	l.s.log.Debug("link open", "session", hex(answer.id), "server", l.peer(),
		"timeout", answer.timeout, "resumed", l.ask.id != 0)
	if l.s.opt.OnEstablished != nil {
		l.s.opt.OnEstablished(Established{
			SessionID:  answer.id,
			Timeout:    answer.timeout,
			Resumed:    l.ask.id != 0,
			RemoteAddr: l.conn.RemoteAddr(),
			LastZxid:   l.ask.zxid,
			ReadOnly:   answer.readOnly,
		})
	}
	if !l.creds.any() {
		l.identified()
	}
	return nil
}

// establish takes over what the server granted, unless the session was fenced
// meanwhile or the link has ended.
func (s *Session) establish(l *link, answer connectAnswer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := l.halted(); err != nil {
		return err
	}
	s.id, s.timeout, s.password = answer.id, answer.timeout, answer.password
	l.timeout, l.quiet = answer.timeout, answer.timeout*2/3
	s.opened, s.readOnly = time.Now(), answer.readOnly
	s.heard = later(s.heard, l.askedAt)
	if !s.readOnly {
		s.answered = later(s.answered, l.askedAt)
	}
	s.linkZxid, s.replied = 0, false
	return nil
}

// expired fences the session but leaves the answer for the driver, which
// learns from it alone that its session is gone.
func (l *link) expired() {
	l.parting.Store(true)
	l.s.Fence(fmt.Errorf("%w (%s, by %s)", ErrExpired, hex(l.ask.id), l.peer()))
	if l.s.opt.OnExpired != nil {
		l.s.opt.OnExpired()
	}
}

// foreign fences the session because the server answered with another one.
func (l *link) foreign(got int64) {
	l.s.Fence(fmt.Errorf("%w: %s answered a resume of %s with %s",
		ErrForeignSession, l.peer(), hex(l.ask.id), hex(got)))
	if l.s.opt.OnForeign != nil {
		l.s.opt.OnForeign(l.ask.id, got)
	}
}

// handshakeFailed ends the link and returns the driver's error.
func (l *link) handshakeFailed(err error) error {
	switch {
	case errors.Is(err, errFrameLength):
		return l.fail(l.malformed("%v in the handshake", err))
	case isTimeout(err):
		err = fmt.Errorf("wire: %s did not finish the handshake in time: %w", l.peer(), err)
	default:
		err = fmt.Errorf("wire: handshake with %s: %w", l.peer(), err)
	}
	return l.fail(err)
}
