package zktest

import "time"

// replica is what one server has of the state that all share: a prefix of the transactions.
type replica struct {
	tree    *tree
	zxid    int64 // of the last transaction applied
	watches *watchManager
}

func newReplica(s *Server) *replica {
	return &replica{tree: newTree(), watches: newWatchManager(s)}
}

// rep returns the state that requests of a connection are answered from.
func (c *conn) rep() *replica {
	if m := c.endpoint.member; m != nil {
		return m.rep
	}
	return c.endpoint.s.replica
}

// copyOf returns what a transaction makes of a new node, for other trees.
func copyOf(n *node) *node {
	other := *n
	other.parent, other.pos, other.kids = nil, 0, nil
	return &other
}

// insertInto adds a copy of n to a tree, as the transaction that created n.
func (n *node) insertInto(tr *tree) {
	other := copyOf(n)
	tr.insert(other)
	other.parent.created++
	other.parent.pzxid = n.czxid
}

// replay notes what members of a cluster do to their trees when they apply the transaction.
func (t *txn) replay(f func(*tree)) {
	if t.s.cluster != nil {
		t.redo = append(t.redo, f)
	}
}

// pending is a transaction that a member has not applied.
type pending struct {
	t     *txn
	due   time.Duration // on the server's clock
	after []func()      // what waits for it
}

// advance takes the next zxid.
func (s *Server) advance() {
	if s.cluster != nil {
		s.zxid = max(s.zxid, s.cluster.epoch<<32)
	}
	s.zxid++
}

// replicate passes a transaction on to the members that follow.
func (s *Server) replicate(t *txn) {
	if s.cluster == nil {
		return
	}
	now := s.clock()
	for _, m := range s.cluster.members {
		linked := s.cluster.linked(m)
		if linked || m.rep == s.replica {
			m.logged = t.zxid
		}
		if m.rep == s.replica {
			continue
		}
		m.queue = append(m.queue, &pending{t: t, due: now + m.lag})
		if linked {
			m.applyDue(now)
		}
		if len(m.queue) > 0 {
			s.cluster.next = min(s.cluster.next, m.queue[0].due)
		}
	}
}

// applyDue applies what a member that hears its leader no longer lags behind with.
func (m *member) applyDue(now time.Duration) {
	for len(m.queue) > 0 && m.queue[0].due <= now {
		m.apply()
	}
}

// apply applies a member's next transaction, and sends what waited for it.
func (m *member) apply() {
	p := m.queue[0]
	m.queue = m.queue[1:]
	for _, f := range p.t.redo {
		f(m.rep.tree)
	}
	m.rep.zxid = p.t.zxid
	for i := range p.t.changes {
		m.rep.watches.fire(&p.t.changes[i], p.t.zxid)
	}
	for _, f := range p.after {
		f()
	}
}

// park makes a connection wait until its member has applied what has been committed, if op has to be answered from there on.
// It reports whether the connection has to wait.
func (s *Server) park(c *conn, op Op) bool {
	m := c.endpoint.member
	if m == nil || m.readOnly || len(m.queue) == 0 || !leaderOp(op) {
		return false
	}
	p := m.queue[len(m.queue)-1]
	c.parked = p
	p.after = append(p.after, func() {
		if c.parked == p {
			c.parked = nil
			s.nextRelease = 0
		}
	})
	return true
}

// whenApplied calls f when the member of c has applied what c waits for, unless c has ended before: at once if it does not wait.
func (s *Server) whenApplied(c *conn, f func()) {
	if c.parked == nil {
		f()
		return
	}
	c.parked.after = append(c.parked.after, func() {
		if !c.gone {
			f()
		}
	})
}

// hangUpAll ends the connections of a session: those at one endpoint, or all for nil. Where the session's end has not been
// applied, that is when they end.
func (s *Server) hangUpAll(ss *session, at *endpoint) {
	switch {
	case ss == nil:
		return
	case s.cluster == nil:
		if ss.conn != nil {
			s.hangUp(ss.conn)
		}
		return
	}
	for _, c := range s.liveConns() {
		if c.session != ss || at != nil && c.endpoint != at {
			continue
		}
		if m := c.endpoint.member; at == nil && len(m.queue) > 0 {
			last := m.queue[len(m.queue)-1]
			last.after = append(last.after, func() { s.hangUpNow(c) })
		} else {
			s.hangUp(c)
		}
	}
}

// leaderOp reports whether the leader has to take part in the answer to a request.
func leaderOp(op Op) bool {
	switch op {
	case OpConnect, OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL, OpDelete, OpSetData, OpSetACL, OpMulti, OpSync, OpReconfig,
		OpCloseSession:
		return true
	}
	return false
}
