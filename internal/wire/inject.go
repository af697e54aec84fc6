package wire

import (
	"fmt"
	"time"
)

// among writes a frame of the driver together with what wire itself has to send
// around it, in one write.
func (l *link) among(r request, op int32, frame, out []byte) error {
	l.s.mu.Lock()
	ahead, behind := l.s.standing.ahead(), l.s.standing.behind(op, frame)
	l.s.mu.Unlock()
	return l.postAround(ahead, behind, out, r)
}

// postAround is post with requests of wire's own ahead and behind.
func (l *link) postAround(ahead, behind []own, out []byte, middle ...request) error {
	if len(ahead)+len(behind) == 0 {
		return l.post(out, middle...)
	}
	var all []byte
	var reqs []request
	for _, o := range ahead {
		all, reqs = append(all, o.frame...), append(reqs, o.request)
	}
	all, reqs = append(all, out...), append(reqs, middle...)
	for _, o := range behind {
		all, reqs = append(all, o.frame...), append(reqs, o.request)
	}
	return l.post(all, reqs...)
}

// sendStanding writes the requests for the recursive watches behind an accepted
// handshake, where they are ahead of everything that the driver reads or sets.
func (l *link) sendStanding() error {
	l.s.mu.Lock()
	list := l.s.standing.newLink()
	l.s.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	var all []byte
	var reqs []request
	for _, o := range list {
		all, reqs = append(all, o.frame...), append(reqs, o.request)
	}
	return l.post(all, reqs...)
}

// post remembers requests and writes their frames.
func (l *link) post(out []byte, reqs ...request) error {
	now := time.Now()
	for _, r := range reqs {
		r.sent = now
		if !l.reqs.push(r) {
			return l.fail(fmt.Errorf("%w: %d to %s", ErrTooManyRequests, maxPending, l.peer()))
		}
	}
	n, err := l.conn.Write(out)
	l.s.counters.bytesOut.Add(uint64(n))
	if err != nil {
		return l.lost(fmt.Errorf("wire: writing to %s: %w", l.peer(), err))
	}
	l.s.counters.framesOut.Add(uint64(len(reqs)))
	return nil
}

// ownReply handles the answer to a request that the driver knows nothing of.
func (l *link) ownReply(r request, h replyHeader) {
	switch {
	case disowns(h.code): // the session ends or the link does
		return
	case r.has(markInquiry):
		l.s.inquiryAnswered(h)
		return
	case r.has(markUntree):
		l.s.unwatched(h.code)
		return
	}
	path, denied := l.s.watched(r.xid, h.code)
	switch {
	case denied:
		l.s.denyTrees("it answers that addWatch is not implemented")
	case path != "" && l.s.opt.OnTree != nil:
		l.s.opt.OnTree(path, h.code)
	}
	if h.code == 0 {
		l.s.inForce(path)
	}
}

// inForce notes that OnTree was called for an addWatch that was carried out.
func (s *Session) inForce(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.standing
	if t.sent[path] && !t.unanswered(path) {
		t.live[path] = true
	}
}

// watched notes the answer to an addWatch and returns the path that OnTree is to
// be called for, if any.
func (s *Session) watched(xid, code int32) (path string, denied bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.standing
	path = t.asked[xid]
	delete(t.asked, xid)
	if code == codeUnimplemented {
		return "", true
	}
	t.adding.known = true
	switch {
	case !t.sent[path]: // taken back meanwhile
		return "", false
	case code == codeThrottled:
		t.enqueue(order{op: opAddWatch, path: path})
		return "", false
	case code != 0:
		delete(t.sent, path)
		t.forget(path)
	}
	return path, false
}

// unwatched notes the answer to a removeWatches. What it says of the watches is
// of no interest: there are none left.
func (s *Session) unwatched(code int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code == codeUnimplemented {
		s.standing.removing.denied = true
	}
	s.standing.removing.known = true
}

// standingLost counts a link that the server ended while a request of wire's own
// was unanswered.
func (s *Session) standingLost(adding bool) {
	s.mu.Lock()
	t := &s.standing
	which := &t.removing
	if adding {
		which = &t.adding
	}
	which.deaths++
	blame := !which.known && !which.denied && which.deaths >= maxStandingDeaths && !(adding && s.opt.TreesSupported)
	if blame && !adding {
		which.denied = true
	}
	s.mu.Unlock()
	if blame && adding {
		s.denyTrees("it closes the connection instead of answering addWatch")
	}
}

// denyTrees gives up recursive watches for good.
func (s *Session) denyTrees(why string) {
	s.mu.Lock()
	t := &s.standing
	already := t.adding.denied
	t.adding.denied = true
	t.wanted, t.queue = nil, nil
	t.settle()
	s.mu.Unlock()
	if already {
		return
	}
	if s.opt.OnTreesUnsupported != nil {
		s.opt.OnTreesUnsupported()
	}
	s.log.Warn("recursive watches are not supported by the server", "reason", why)
}
