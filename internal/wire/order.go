package wire

import (
	"errors"
	"fmt"
	"time"
)

// The server answers the requests of a link in order. So a reply to a later request, even to a ping, proves that an
// earlier reply is lost: see "Lost replies" in the package documentation.

var (
	// ErrReplyLost ends a link on which a reply was overtaken.
	ErrReplyLost = errors.New("wire: a reply is lost")

	// ErrNoReply ends a link on which a request was not answered for the session
	// timeout.
	ErrNoReply = errors.New("wire: no reply for the session timeout")

	// ErrSilent ends a link on which nothing came for two thirds of the session
	// timeout, pings being sent every third.
	ErrSilent = errors.New("wire: the server is silent")
)

// maxGrace is the maximum time for which a reply that was overtaken may be late.
const maxGrace = 100 * time.Millisecond

// overdue tracks the late replies of one link. Its fields are guarded by Session.mu.
type overdue struct {
	suspect int32       // xid of the request whose reply was overtaken; 0 for none
	grace   *time.Timer // nil if there is no suspect
	moved   time.Time   // when the last reply in order came; the next one was due then
	check   *time.Timer // checks the oldest request
	warned  time.Time   // since when the request waits that was almost due at the last check
	broken  *time.Timer // ends the link after a failed write; nil before
	expiry  *time.Timer // ends the wait for calls whose deadline has passed; nil until one has a deadline
	expires time.Time   // when that fires; zero when it does not
}

// replied records a reply, and whether it overtook an earlier one.
func (l *link) replied(xid int32, overtook bool) {
	if overtook {
		l.overtaken()
	}
	if l.onTime(xid, overtook) {
		l.s.log.Warn("the server answers out of order; a lost reply is noticed later than usual", "server", l.peer())
	}
}

// overtaken is called when a reply has come while an earlier one is missing.
func (l *link) overtaken() {
	oldest, ok := l.reqs.oldest()
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	o := &l.late
	if !ok || l.s.outOfTurn || o.grace != nil || l.cause.Load() != nil {
		return
	}
	o.suspect = oldest.xid
	o.grace = time.AfterFunc(l.grace(), func() { l.missing(oldest) })
}

// missing ends the link if the reply to a request has not come within its grace. A reply that has partly arrived is not
// lost, and one behind another long reply cannot be seen yet.
func (l *link) missing(suspect request) {
	if now, ok := l.reqs.oldest(); !ok || now.xid != suspect.xid {
		l.unsuspect(suspect.xid)
		return
	}
	switch part := l.in.arriving(); {
	case part.size == 0:
		l.fail(fmt.Errorf("%w: %s answered a later request, and not %s", ErrReplyLost, l.peer(), suspect.describe()))
	case part.xid != suspect.xid:
		l.s.mu.Lock()
		defer l.s.mu.Unlock()
		if l.cause.Load() == nil && l.late.grace != nil {
			l.late.grace.Reset(l.grace())
		}
	}
}

// unsuspect clears a suspect whose reply has come.
func (l *link) unsuspect(xid int32) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.late.suspect == xid {
		l.late.grace = nil
	}
}

// grace returns for how long a reply that was overtaken may be late.
func (l *link) grace() time.Duration { return min(l.timeout/20, maxGrace) }

// onTime implements replied. A late reply that comes after all shows that the server answers out of order. onTime
// reports whether that was not known before.
func (l *link) onTime(xid int32, overtook bool) (news bool) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	o := &l.late
	if !overtook {
		o.moved = l.in.at
	}
	if o.grace == nil || o.suspect != xid {
		return false
	}
	if _, ok := l.reqs.find(xidPing); ok && xid == xidPing {
		return false // pings cannot be told apart: this may be the reply to another one
	}
	o.grace.Stop()
	o.grace = nil
	news = !l.s.outOfTurn
	l.s.outOfTurn = true
	return news
}

// watch starts to watch the deadlines of requests.
func (l *link) watch() {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.cause.Load() == nil {
		l.late.check = time.AfterFunc(l.timeout-l.grace(), l.lookAtOldest)
	}
}

// unwatch stops that. Session.mu is held.
func (l *link) unwatch() {
	for _, t := range []*time.Timer{l.late.check, l.late.grace, l.late.broken, l.late.expiry} {
		if t != nil {
			t.Stop()
		}
	}
}

// lookAtOldest ends the link if the oldest request has been unanswered for the session timeout. It is not due while the
// server answers earlier requests, as with a long queue, or while bytes of a reply arrive, as on a slow line. It is
// checked shortly before it is due, and then again: in a process that was stopped, timers fire before the reader has
// read.
func (l *link) lookAtOldest() {
	since := time.Now()
	oldest, ok := l.reqs.oldest()
	if ok {
		since = l.waitingSince(oldest)
	}
	rest, grace := time.Until(since.Add(l.timeout)), l.grace()
	if l.mayWait(since, rest, grace) {
		return
	}
	l.fail(fmt.Errorf("%w: %s does not answer %s", ErrNoReply, l.peer(), oldest.describe()))
}

// mayWait schedules another check of the oldest request, unless it is due and was checked before.
func (l *link) mayWait(since time.Time, rest, grace time.Duration) bool {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	o := &l.late
	switch {
	case l.cause.Load() != nil:
	case rest > grace:
		o.check.Reset(rest - grace)
	case rest <= 0 && o.warned.Equal(since):
		return false
	default:
		o.warned = since
		o.check.Reset(max(rest, grace))
	}
	return true
}

// waitingSince returns since when nothing has kept the server from answering the oldest request. Bytes of another reply
// only count while replies have come in order. Otherwise, on a busy line, they would hide the loss for ever.
func (l *link) waitingSince(oldest request) time.Time {
	l.s.mu.Lock()
	moved, overtaken := l.late.moved, l.s.outOfTurn || l.late.grace != nil
	l.s.mu.Unlock()
	since := oldest.sent
	if moved.After(since) {
		since = moved
	}
	if part := l.in.arriving(); part.at.After(since) && (part.xid == oldest.xid || !overtaken) {
		since = part.at
	}
	return since
}

// eventCame is called for each event. Events that watches have missed come before the reply to the setWatches that sets
// them again, up to one for each path. Like bytes of a reply, they show that it is coming. They do not count on a
// server that answers out of order, because then nothing else would show that the reply is lost.
func (l *link) eventCame() {
	oldest, ok := l.reqs.oldest()
	if !ok || oldest.op != opSetWatches && oldest.op != opSetWatches2 {
		return
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if !l.s.outOfTurn {
		l.late.moved = l.in.at
	}
}

// describe names a request.
func (r request) describe() string {
	if r.call != nil {
		return opName(r.op) + " " + r.call.Path
	}
	return opName(r.op)
}

// Arriving is a reply that has partly arrived.
type Arriving struct {
	Op        int32     // of the request that it answers
	Path      string    // likewise
	Got, Size int       // bytes
	Latest    time.Time // when the latest of them came
}

// Arriving returns the reply that is arriving, if there is one.
func (s *Session) Arriving() (a Arriving, ok bool) {
	l := s.current.Load()
	if l == nil {
		return a, false
	}
	part := l.in.arriving()
	if part.size == 0 {
		return a, false
	}
	r, ok := l.reqs.find(part.xid)
	if !ok {
		return a, false
	}
	a = Arriving{Op: r.op, Got: part.got, Size: part.size, Latest: part.at}
	if r.call != nil {
		a.Path = r.call.Path
	}
	return a, true
}

// earlier returns the earlier of two times, of which a may be zero for none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// lookBy has the deadlines of calls looked at by then; the zero time is never.
func (l *link) lookBy(deadline time.Time) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	o := &l.late
	if deadline.IsZero() || l.cause.Load() != nil || !o.expires.IsZero() && !deadline.Before(o.expires) {
		return
	}
	o.expires = deadline
	if o.expiry == nil {
		o.expiry = time.AfterFunc(time.Until(deadline), l.expire)
		return
	}
	o.expiry.Reset(time.Until(deadline))
}

// expire ends the wait for calls whose deadline has passed.
func (l *link) expire() {
	l.s.mu.Lock()
	l.late.expires = time.Time{}
	l.s.mu.Unlock()
	var next time.Time
	now := time.Now()
	look := func(c *Call) {
		switch {
		case c == nil || c.Deadline.IsZero() || c.state.Load() != callOpen:
		case now.Before(c.Deadline):
			next = earlier(next, c.Deadline)
		default:
			c.expire()
		}
	}
	l.writer.eachHeld(look) // first: a call goes from there to the others, and not back
	l.reqs.each(func(r *request) { look(r.call) })
	l.lookBy(next)
}
