package zktest

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// The server is one goroutine that takes one step after the other: it sends what is queued for clients, runs what is
// due, and serves the next packet, in this order. Which of several things that are ready at the same instant comes
// first is thereby decided here and not by the scheduler, so that a seed replays.

// run is the server's goroutine.
func (s *Server) run() {
	defer close(s.stopped)
	timer := stoppedTimer()
	defer timer.Stop()
	for {
		s.mu.Lock()
		for !s.closing && s.clock() >= s.resumes && s.step() {
			s.yieldLock()
		}
		at, closing := s.alarm(), s.closing
		s.mu.Unlock()
		if closing {
			return
		}
		if at != never {
			timer.Reset(at - s.clock())
		}
		select {
		case <-s.signal:
		case <-timer.C:
		}
	}
}

// stoppedTimer returns a timer that has not been set. With nothing to wait for it must stay so: a bubble whose goroutines
// all wait for each other is told so only if no timer is left.
func stoppedTimer() *time.Timer {
	timer := time.NewTimer(never)
	timer.Stop()
	return timer
}

// yieldLock lets transports and tests in between two steps.
func (s *Server) yieldLock() {
	s.mu.Unlock()
	s.mu.Lock()
}

// wake makes the server's goroutine look for work.
func (s *Server) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// standStill is called with s.mu held by whatever interferes from outside. The server acts on it a nanosecond later, so
// in a bubble everything that a test does at one instant comes first, and none of it races with what it causes.
func (s *Server) standStill() {
	s.resumes = s.clock() + 1
}

// clock returns the time since the server was made; expiry and delays are measured on it.
func (s *Server) clock() time.Duration {
	return time.Since(s.started)
}

// step does one thing and reports whether there was any.
func (s *Server) step() bool {
	switch {
	case len(s.outbox) > 0:
		q := s.outbox[0]
		s.outbox = s.outbox[1:]
		s.dispatch(q.c, q.p)
	case s.membersDue():
	case s.nextRelease <= s.clock():
		s.release()
	case s.expireDue(), s.strangersDue(), s.reapDue():
	case len(s.inbox) > 0:
		q := s.inbox[0]
		s.inbox = s.inbox[1:]
		s.take(q.c, q.p)
	default:
		s.inbox, s.outbox = nil, nil
		return false
	}
	return true
}

// alarm returns when the next thing is due by itself.
func (s *Server) alarm() time.Duration {
	switch {
	case s.resumes > s.clock():
		return s.resumes
	case s.frozen():
		return min(s.nextRelease, s.nextMembers())
	}
	return min(s.nextRelease, s.nextExpiry, s.nextStranger, s.nextReap(), s.nextMembers())
}

// dispatch sends a queued packet on its way, if the hooks let it.
func (s *Server) dispatch(c *conn, p *packet) {
	if c.muted {
		return
	}
	verdict := Pass
	if p.kind == framePacket {
		if s.cfg.Trace != nil {
			s.trace(c.String() + ": " + p.meta.String())
		}
		verdict = s.ask(c, p.meta)
	}
	switch {
	case c.muted || verdict == Drop: // a hook may have cut the connection itself
		return
	case verdict == Cut:
		s.sever(c)
		return
	case verdict == Overtaken:
		c.overtaken = append(c.overtaken, p)
		return
	case verdict == CutAfter:
		s.detach(c)
		c.muted = true
		s.depart(c, p)
		s.depart(c, &packet{kind: endPacket})
	default:
		if err, ok := verdict.answer(); ok {
			p, verdict = falsified(p, err), Pass
		}
		p.due = s.clock() + time.Duration(verdict)
		s.depart(c, p)
	}
	s.departed(c, p)
}

// departed counts an event that was sent, and sends what a reply has overtaken.
func (s *Server) departed(c *conn, p *packet) {
	switch {
	case p.kind != framePacket:
		return
	case p.meta.Stage == Event:
		for t := range c.tallies {
			t.events++
		}
	case p.meta.Stage == Reply:
		late := c.overtaken
		c.overtaken = nil
		for _, p := range late {
			s.depart(c, p)
			s.departed(c, p)
		}
	}
}

// take serves a packet from a client, if the hooks let it and no fault holds it.
func (s *Server) take(c *conn, p *packet) {
	if c.gone || s.putBack(c, p) {
		return
	}
	c.unserved -= len(p.data)
	c.waiting = false
	switch p.kind {
	case endPacket:
		s.hangUp(c)
		return
	case wordPacket:
		s.answerWord(c, string(p.data))
		return
	}
	verdict := Pass
	if len(s.hooks) > 0 && !p.hooked {
		p.hooked = true
		verdict = s.ask(c, s.peek(c, p.data))
	}
	switch {
	case c.gone || verdict == Drop:
	case verdict == Cut:
		s.sever(c)
	case verdict > 0:
		p.due = s.clock() + time.Duration(verdict)
		c.unserved += len(p.data)
		c.in.hold(p)
		s.holding[c] = struct{}{}
		s.nextRelease = min(s.nextRelease, p.due)
	default:
		err, refused := verdict.answer()
		if !refused || !s.refuse(c, p.data, err) {
			s.serve(c, p.data)
		}
		if verdict == CutAfter {
			s.sever(c)
		}
	}
}

// falsified returns a reply that says err instead. Anything else stays as it is.
func falsified(p *packet, err ErrCode) *packet {
	if p.meta.Stage != Reply || p.meta.Op == OpConnect {
		return p
	}
	data := binary.BigEndian.AppendUint32(nil, 16)
	data = binary.BigEndian.AppendUint32(append(data, p.data[4:16]...), uint32(err))
	other := *p
	other.data, other.meta.Err = data, err
	return &other
}

// refuse answers a request that is not processed. It reports false for a handshake and for what is no request.
func (s *Server) refuse(c *conn, frame []byte, err ErrCode) bool {
	d := jute.NewDecoder(frame)
	var h jute.RequestHeader
	h.Decode(d)
	if c.session == nil || d.Err() != nil {
		return false
	}
	s.fail(c, &request{xid: h.Xid, op: Op(h.Op), path: firstPath(Op(h.Op), jute.NewDecoder(frame[8:])), zxid: lastZxid}, err)
	return true
}

// putBack holds a packet that was let in before a fault or before a delay of an earlier one.
func (s *Server) putBack(c *conn, p *packet) bool {
	if len(c.in.held) == 0 {
		c.waiting = s.needsLeader(c, p)
		if !s.faultsOn(c, toServer).shut {
			return false
		}
	}
	c.in.hold(p)
	s.holding[c] = struct{}{}
	return true
}

// serve processes one frame.
func (s *Server) serve(c *conn, frame []byte) {
	c.received++
	s.received++
	if c.session == nil {
		s.handshake(c, frame)
		return
	}
	d := jute.NewDecoder(frame)
	var h jute.RequestHeader
	h.Decode(d)
	if d.Err() != nil {
		s.hangUp(c)
		return
	}
	r := &request{xid: h.Xid, op: Op(h.Op), body: d, zxid: lastZxid}
	r.path = firstPath(r.op, jute.NewDecoder(frame[8:]))
	c.lastOp, c.lastXid = r.op, r.xid
	for t := range c.tallies {
		t.requests[r.op]++
	}
	if s.hears(c) {
		s.touch(c.session)
	}
	if s.cfg.Trace != nil {
		s.trace(c.String() + ": request " + r.op.String() + " " + r.path + " xid=" + strconv.Itoa(int(r.xid)))
	}
	if s.demandsSASL(c, r) || s.readOnly(c) && s.serveReader(c, r) {
		return
	}
	if s.owned(c, r) {
		s.serveRequest(c, r)
	}
}

// serveRequest answers a request.
func (s *Server) serveRequest(c *conn, r *request) {
	if slices.Contains(s.cfg.Lacks, r.op) {
		s.refuseUnknown(c, r)
		return
	}
	switch r.op {
	case OpPing:
		r.xid = -2
		s.finish(c, r, 0)
	case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL:
		s.serveCreate(c, r)
	case OpDelete:
		s.serveDelete(c, r)
	case OpSetData:
		s.serveSetData(c, r)
	case OpExists:
		s.serveExists(c, r)
	case OpGetData, OpGetChildren, OpGetChildren2:
		s.serveRead(c, r)
	case OpSync:
		s.serveSync(c, r)
	case OpMulti:
		s.serveMulti(c, r)
	case OpMultiRead:
		s.serveMultiRead(c, r)
	case OpCloseSession:
		s.serveCloseSession(c, r)
	default:
		s.serveRare(c, r)
	}
}

// serveRare answers the requests that clients send less often.
func (s *Server) serveRare(c *conn, r *request) {
	if s.cfg.Watches == OneShotOnly && (r.op == OpAddWatch || r.op == OpSetWatches2) {
		s.refuseUnknown(c, r)
		return
	}
	switch r.op {
	case OpGetACL:
		s.serveGetACL(c, r)
	case OpSetACL:
		s.serveSetACL(c, r)
	case OpAuth:
		s.serveAuth(c, r)
	case OpSASL:
		s.serveSASL(c, r)
	case OpWhoAmI:
		s.serveWhoAmI(c, r)
	case OpSetWatches, OpSetWatches2:
		s.serveSetWatches(c, r)
	case OpAddWatch:
		s.serveAddWatch(c, r)
	case OpCheckWatches, OpRemoveWatches:
		s.serveWatchTypes(c, r)
	case OpGetEphemerals:
		s.serveEphemerals(c, r)
	case OpGetAllChildrenNumber:
		s.serveChildrenNumber(c, r)
	case OpReconfig:
		s.serveReconfig(c, r)
	case opDeleteContainer:
		s.fail(c, r, s.begin(c).end(ErrBadArguments))
	case OpConnect:
		s.hangUp(c) // createSession: only servers among themselves say that
	default:
		s.refuseUnknown(c, r)
	}
}

// refuseUnknown answers an operation that the server does not know, which ends the connection.
func (s *Server) refuseUnknown(c *conn, r *request) {
	r.zxid = -1
	s.fail(c, r, ErrUnimplemented)
	s.hangUp(c)
}

// serveReconfig answers reconfig, which a server refuses unless it is configured otherwise.
func (s *Server) serveReconfig(c *conn, r *request) {
	for range 3 {
		r.body.Buffer() // strings that may be null
	}
	r.body.Int64()
	if r.body.Err() != nil {
		s.fail(c, r, ErrMarshalling)
		return
	}
	s.fail(c, r, s.begin(c).end(ErrReconfigDisabled))
}
