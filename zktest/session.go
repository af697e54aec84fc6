package zktest

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// session is a client's session. It outlives its connections.
type session struct {
	id         int64
	timeout    time.Duration
	deadline   time.Duration // on the server's clock
	conn       *conn         // nil while no connection is attached
	ephemerals map[string]struct{}
	tally      *tally
}

func (ss *session) sortedEphemerals() []string {
	return slices.Sorted(maps.Keys(ss.ephemerals))
}

// firstSessionID returns the id of the first session, made as servers make it: the server's number in the high byte,
// then the time in milliseconds, then room for a counter.
func firstSessionID(now time.Time) int64 {
	const serverID = 1
	return serverID<<56 | int64(uint64(now.UnixMilli())<<24>>8)
}

// password derives a session's password from its id and the server's secret, so that it survives a restart.
func (s *Server) password(id int64) []byte {
	mac := hmac.New(sha256.New, s.secret)
	_ = binary.Write(mac, binary.BigEndian, id)
	return mac.Sum(nil)[:16]
}

// touch re-arms a session's expiry. Deadlines lie on multiples of the tick, so a silent session dies between its
// timeout and one tick later, never before.
func (s *Server) touch(ss *session) {
	tick := s.cfg.TickTime
	ss.deadline = ((s.clock()+ss.timeout)/tick + 1) * tick
	s.nextExpiry = min(s.nextExpiry, ss.deadline)
}

// handshake serves the first frame of a connection.
func (s *Server) handshake(c *conn, frame []byte) {
	var req jute.ConnectRequest
	d := jute.NewDecoder(frame)
	req.Decode(d)
	for t := range c.tallies {
		t.requests[OpConnect]++
	}
	if d.Err() != nil || req.LastZxidSeen > c.rep().zxid || !s.serving(c) {
		// A client that has seen more than this server must find another one.
		s.tracef("%v: handshake refused: last zxid seen %#x, here %#x, %v", c, req.LastZxidSeen, c.rep().zxid, d.Err())
		s.hangUp(c)
		return
	}
	if s.readOnly(c) && (!req.ReadOnly || req.SessionID != 0) {
		s.tracef("%v: handshake refused by a read-only member", c)
		s.hangUp(c)
		return
	}
	timeout := time.Duration(req.TimeOut) * time.Millisecond
	timeout = min(max(timeout, s.cfg.MinSessionTimeout), s.cfg.MaxSessionTimeout)
	if s.readOnly(c) {
		s.welcomeReader(c, &req, timeout)
		return
	}
	if req.SessionID == 0 {
		s.welcome(c, &req, s.newSession(timeout))
		return
	}
	s.reattach(c, &req, timeout)
}

// newSession starts a session, which takes a transaction.
func (s *Server) newSession(timeout time.Duration) *session {
	s.begin(nil).end(0)
	ss := &session{id: s.nextSession, timeout: timeout, ephemerals: make(map[string]struct{}), tally: newTally()}
	s.nextSession++
	s.sessions[ss.id] = ss
	s.perSession[ss.id] = ss.tally
	s.total.sessions++
	return ss
}

// reattach resumes a session on a new connection. Whoever holds the session loses it before the password is even
// looked at.
func (s *Server) reattach(c *conn, req *jute.ConnectRequest, timeout time.Duration) {
	ss := s.sessions[req.SessionID]
	s.hangUpAll(ss, c.endpoint)
	if ss == nil && s.renewing > 0 {
		s.welcome(c, req, s.newSession(timeout))
		return
	}
	if ss == nil || subtle.ConstantTimeCompare(req.Passwd, s.password(req.SessionID)) != 1 {
		s.tracef("%v: session %#x refused", c, req.SessionID)
		s.greet(c, req, &jute.ConnectResponse{Passwd: make([]byte, 16)})
		s.hangUp(c)
		return
	}
	ss.timeout = timeout
	s.welcome(c, req, ss)
}

// welcome attaches a session to a connection and says so.
func (s *Server) welcome(c *conn, req *jute.ConnectRequest, ss *session) {
	ss.conn, c.session, c.sessionID = c, ss, ss.id
	s.touch(ss)
	s.tracef("%v: session %#x for %v", c, ss.id, ss.timeout)
	s.greet(c, req, &jute.ConnectResponse{
		TimeOut: int32(ss.timeout / time.Millisecond), SessionID: ss.id, Passwd: s.password(ss.id)})
}

// greet sends the answer to a handshake, with the readOnly byte if the client sent one.
func (s *Server) greet(c *conn, req *jute.ConnectRequest, resp *jute.ConnectResponse) {
	resp.HasReadOnly = req.HasReadOnly
	var e jute.Encoder
	mark := e.BeginFrame()
	resp.Encode(&e)
	e.EndFrame(mark)
	code := ErrCode(0)
	if resp.SessionID == 0 {
		code = ErrSessionExpired
	}
	if req.SessionID == 0 {
		s.park(c, OpConnect)
	}
	p := &packet{kind: framePacket, data: e.Bytes(), meta: Frame{Stage: Reply, Op: OpConnect, Err: code, Zxid: s.zxid}}
	s.whenApplied(c, func() { s.emit(c, p) })
}

// serveCloseSession ends a session at its client's wish. The events that this causes come before the reply.
func (s *Server) serveCloseSession(c *conn, r *request) {
	s.endSession(c.session)
	s.finish(c, r, 0)
	s.hangUpAll(c.session, nil)
	s.hangUp(c)
}

// endSession ends a session and deletes its ephemeral nodes, in one transaction.
func (s *Server) endSession(ss *session) {
	t := s.begin(nil)
	t.session, t.ending = ss.id, true
	for _, path := range ss.sortedEphemerals() {
		t.drop(s.tree.get(path))
	}
	delete(s.sessions, ss.id)
	t.end(0)
	if s.over = append(s.over, ss.id); len(s.over) > countedSessions {
		delete(s.perSession, s.over[0])
		s.over = s.over[1:]
	}
}

// countedSessions is how many ended sessions SessionCounts still knows.
const countedSessions = 1000

// strangerTime is how long a connection may be without a session, as zookeeper.nio.sessionlessCnxnTimeout says; servers look as often.
const strangerTime = 10 * time.Second

// strangerUntil is when the connection ends if it has no session by then.
func (c *conn) strangerUntil() time.Duration {
	return ((c.opened+strangerTime)/strangerTime + 1) * strangerTime
}

// strangersDue ends one connection that has made no handshake in time, and reports whether there was one.
func (s *Server) strangersDue() bool {
	now := s.clock()
	if s.frozen() || s.nextStranger > now {
		return false
	}
	s.nextStranger = never
	for _, c := range s.liveConns() {
		switch until := c.strangerUntil(); {
		case c.sessionID != 0 || c.endpoint.paused:
		case until <= now:
			s.nextStranger = now // there may be others
			s.tracef("%v has made no handshake", c)
			s.hangUp(c)
			return true
		default:
			s.nextStranger = min(s.nextStranger, until)
		}
	}
	return false
}

// expire ends a session that its client did not end. The client gets no reply; its connection is closed.
func (s *Server) expire(ss *session) {
	s.tracef("session %#x expired", ss.id)
	s.endSession(ss)
	s.hangUpAll(ss, nil)
}

// expireDue ends one session whose time has come, and reports whether there was one.
func (s *Server) expireDue() bool {
	now := s.clock()
	if s.frozen() || s.nextExpiry > now {
		return false
	}
	var first *session
	for _, ss := range s.sessions {
		if first == nil || cmp.Or(cmp.Compare(ss.deadline, first.deadline), cmp.Compare(ss.id, first.id)) < 0 {
			first = ss
		}
	}
	s.nextExpiry = never
	if first == nil {
		return false
	}
	s.nextExpiry = first.deadline
	if first.deadline > now {
		return false
	}
	s.expire(first)
	return true
}
