package zktest

import (
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// readOnlyDelay is how long a member looks for a leader before it serves reads, unless the tick is longer.
const readOnlyDelay = 2 * time.Second

// readOnly reports whether the member behind a connection serves only reads.
func (s *Server) readOnly(c *conn) bool {
	return s.cluster != nil && c.endpoint.member.readOnly
}

// serveReads lets members that have been looking for a leader for long serve reads.
func (e *ensemble) serveReads(now time.Duration) {
	if !e.s.cfg.ReadOnlyMode {
		return
	}
	for _, m := range e.members {
		switch {
		case m.e.down || m.state != Looking:
			e.endReads(m)
		case m.readOnly:
		case m.readsAt == 0:
			m.readsAt = now + max(readOnlyDelay, e.s.cfg.TickTime)
		case now >= m.readsAt:
			for len(m.queue) > 0 && m.queue[0].t.zxid <= m.logged {
				m.apply()
			}
			m.readOnly, m.readsAt = true, 0
			e.s.tracef("member %d serves reads", m.e.index)
		}
		if m.readsAt > 0 {
			e.next = min(e.next, m.readsAt)
		}
	}
}

// endReads closes the connections of a member that has served only reads and has found a leader.
func (e *ensemble) endReads(m *member) {
	m.readsAt = 0
	if !m.readOnly {
		return
	}
	m.readOnly = false
	if m.proper != nil {
		m.rep, m.proper = m.proper, nil
	}
	for _, c := range e.s.liveConns() {
		if c.endpoint == m.e {
			e.s.hangUpNow(c)
		}
	}
}

// Stray gives a member that serves only reads a transaction that was never committed. It is as if the member had stored
// it from a leader that failed before a majority had. The member drops it when it finds another leader. The transaction
// sets the data of a node, or creates the node, whose parent must exist. Stray panics if the member does not serve only
// reads.
func (c *Cluster) Stray(i int, path string, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.cluster.members[i]
	if !m.readOnly {
		panic("zktest: Stray of a member that does not serve only reads")
	}
	if m.proper == nil {
		m.proper = m.rep
		m.rep = &replica{tree: m.rep.tree.clone(), zxid: m.rep.zxid, watches: m.rep.watches}
	}
	m.rep.zxid++
	zxid, now := m.rep.zxid, time.Now().UnixMilli()
	if n := m.rep.tree.get(path); n != nil {
		m.rep.tree.set(n, data, zxid, now)
		return
	}
	n := &node{path: path, data: data, acl: worldAnyone, czxid: zxid, mzxid: zxid, pzxid: zxid, ctime: now, mtime: now}
	n.insertInto(m.rep.tree)
}

// clone returns a copy of a tree.
func (t *tree) clone() *tree {
	other := &tree{nodes: make(map[string]*node), reapable: make(map[string]*node)}
	other.root = copyOf(t.root)
	other.nodes["/"], other.nodes[""] = other.root, other.root
	other.account(other.root, 1)
	var below func(n *node)
	below = func(n *node) {
		for _, kid := range n.kids {
			other.insert(copyOf(kid))
			below(kid)
		}
	}
	below(t.root)
	return other
}

// welcomeReader starts a session that only the member of the connection knows.
func (s *Server) welcomeReader(c *conn, req *jute.ConnectRequest, timeout time.Duration) {
	ss := &session{id: s.nextSession, timeout: timeout, conn: c, tally: newTally()}
	s.nextSession++
	c.session, c.sessionID = ss, ss.id
	s.tracef("%v: read-only session %#x for %v", c, ss.id, timeout)
	resp := &jute.ConnectResponse{
		TimeOut: int32(timeout / time.Millisecond), SessionID: ss.id, Passwd: s.password(ss.id), HasReadOnly: true, ReadOnly: true,
	}
	var e jute.Encoder
	mark := e.BeginFrame()
	resp.Encode(&e)
	e.EndFrame(mark)
	s.emit(c, &packet{kind: framePacket, data: e.Bytes(), meta: Frame{Stage: Reply, Op: OpConnect, Zxid: c.rep().zxid}})
}

// serveReader answers what a member that serves only reads answers by itself, and reports whether it was that.
func (s *Server) serveReader(c *conn, r *request) bool {
	switch {
	case r.op == OpCloseSession:
		s.finish(c, r, 0)
		s.hangUp(c)
	case leaderOp(r.op), r.op == OpCheck:
		s.fail(c, r, ErrNotReadOnly)
	default:
		s.serveRequest(c, r)
	}
	return true
}
