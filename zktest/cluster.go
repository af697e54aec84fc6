package zktest

import (
	"fmt"
	"sync"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// Cluster is a Server whose endpoints are the members of an ensemble, each with its own state. The package
// documentation says what it models. Where methods of Server take endpoints, they take members. Methods that read or
// change the tree use the leader.
type Cluster struct {
	*Server
}

// StartCluster starts an ensemble of n members on free TCP ports of 127.0.0.1. It returns when the ensemble has a
// leader. Config.Endpoints is ignored.
func StartCluster(n int, cfg Config) (*Cluster, error) {
	cfg.Endpoints = n
	s, err := startWith(cfg, func(s *Server) network { return newTCPNetwork(s) }, found)
	return clusterOf(s, err)
}

// StartMemoryCluster starts an ensemble of n members on a network in memory, as StartMemory does.
func StartMemoryCluster(n int, cfg Config) (*Cluster, error) {
	if cfg.TLS != nil {
		return nil, errMemoryTLS
	}
	cfg.Endpoints = n
	s, err := startWith(cfg, func(s *Server) network { return newMemoryNetwork(s) }, found)
	return clusterOf(s, err)
}

func clusterOf(s *Server, err error) (*Cluster, error) {
	if err != nil {
		return nil, err
	}
	return &Cluster{s}, nil
}

// MemberState is the state of a member of a cluster.
type MemberState uint8

const (
	// Looking is the state of a member without a leader. It closes the connections of clients at their handshake.
	Looking MemberState = iota
	// Following is the state of a member that has a leader, or has not noticed yet that it has lost it.
	Following
	// Leading is the state of the leader.
	Leading
)

// String returns the state as in the four-letter words.
func (s MemberState) String() string {
	return [...]string{"looking", "follower", "leader"}[s]
}

// MemberInfo describes a member of a cluster.
type MemberInfo struct {
	State MemberState // what the member does
	Zxid  int64       // last transaction that the member has applied
	Lag   int         // number of transactions that it has not applied
	// ReadOnly means that the member has no leader and serves reads: see Config.ReadOnlyMode.
	ReadOnly bool
}

// Member describes a member, counted from 0.
func (c *Cluster) Member(i int) MemberInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.cluster.members[i]
	return MemberInfo{State: m.state, Zxid: m.rep.zxid, Lag: len(m.queue), ReadOnly: m.readOnly}
}

// Leader returns the number of the leader; -1 if there is none. It also returns a leader that has lost its quorum and
// not noticed yet.
func (c *Cluster) Leader() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cluster.leader
}

// Followers returns the numbers of the followers, in order.
func (c *Cluster) Followers() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []int
	for _, m := range c.cluster.members {
		if m.state == Following {
			list = append(list, m.e.index)
		}
	}
	return list
}

// Lag delays members (all if none are named): until heal is called, they apply every transaction d after it was
// committed. Their clients read old data. A client's own writes, and sync, are answered when the member has applied
// them. The leader never lags, and a member that joins starts up to date.
func (c *Cluster) Lag(d time.Duration, members ...int) (heal func()) {
	chosen := c.selected(members)
	add := func(d time.Duration) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, e := range chosen {
			e.member.lag += d
			if d < 0 {
				for _, p := range e.member.queue {
					p.due = min(p.due, c.clock()+e.member.lag)
				}
			}
		}
		c.reckon()
	}
	add(d)
	return sync.OnceFunc(func() { add(-d) })
}

// CutOff separates members (each of them if none are named) from all other members, but not from clients, until heal is
// called. For Config.SyncLimit, such a member answers reads and pings with increasingly old data, while writes, sync
// and handshakes wait. Then it closes the connections of its clients and accepts no more. If the leader is cut off, its
// followers do the same, and elect another one.
func (c *Cluster) CutOff(members ...int) (heal func()) {
	chosen := c.selected(members)
	add := func(n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, e := range chosen {
			e.member.cut += n
		}
		c.reckon()
	}
	add(1)
	return sync.OnceFunc(func() { add(-1) })
}

// ensemble is the members of a cluster and what they agree on. It is guarded by Server.mu.
type ensemble struct {
	s       *Server
	members []*member
	leader  int // -1 for none
	epoch   int64
	electAt time.Duration // when there will be a leader; 0 while nobody can be elected
	next    time.Duration // when something is due
}

// member is one server of an ensemble.
type member struct {
	e        *endpoint
	state    MemberState
	epoch    int64 // of the leader that it follows
	rep      *replica
	queue    []*pending    // what it has not applied
	logged   int64         // last transaction that it has stored: what the election goes by
	lag      time.Duration // between a commit and its application
	cut      int           // number of CutOffs that stand
	deadline time.Duration // when it gives its leader up; 0 while it hears it
	readOnly bool          // it is looking for a leader, and serves reads
	proper   *replica      // without what was strayed; nil if nothing was
	readsAt  time.Duration // when it begins to, unless it has found a leader by then; 0 if that is not planned
}

// found makes a cluster of a server.
func found(s *Server) {
	e := &ensemble{s: s, leader: -1}
	s.cluster = e
	for _, at := range s.endpoints {
		at.member = &member{e: at}
		e.members = append(e.members, at.member)
	}
	e.reset()
	e.electAt = 1 // the past
	e.elect(1)
}

// reset takes every transaction from the members.
func (e *ensemble) reset() {
	for _, m := range e.members {
		m.rep, m.queue, m.logged = newReplica(e.s), nil, 0
	}
	e.s.replica = e.members[0].rep
}

// heard reports whether other members can reach m.
func (m *member) heard() bool {
	return !m.e.down && !m.e.paused && m.cut == 0
}

// linked reports whether a follower hears its leader.
func (e *ensemble) linked(m *member) bool {
	return m.state == Following && m.heard() && e.leader >= 0 && m.epoch == e.epoch && e.members[e.leader].heard()
}

// hasQuorum reports whether a leader can commit.
func (e *ensemble) hasQuorum() bool {
	if e.leader < 0 {
		return false
	}
	n := 1
	for _, m := range e.members {
		if e.linked(m) {
			n++
		}
	}
	return e.enough(n)
}

func (e *ensemble) enough(n int) bool { return 2*n > len(e.members) }

// reckon is called with s.mu held when something has happened to members.
func (s *Server) reckon() {
	if s.cluster != nil {
		s.cluster.giveUp(s.clock())
		s.cluster.next = 0
		s.standStill()
		s.wake()
	}
}

// nextMembers returns when something is due among the members.
func (s *Server) nextMembers() time.Duration {
	if s.cluster == nil {
		return never
	}
	return s.cluster.next
}

// membersDue does what is due among the members, and reports whether there was anything.
func (s *Server) membersDue() bool {
	now := s.clock()
	if s.nextMembers() > now {
		return false
	}
	e := s.cluster
	e.giveUp(now)
	e.elect(now)
	e.join()
	e.next = never
	e.serveReads(now)
	if e.electAt > 0 {
		e.next = e.electAt
	}
	for _, m := range e.members {
		if m.deadline > 0 {
			e.next = min(e.next, m.deadline)
		}
		if e.linked(m) {
			m.logged = s.zxid
			m.applyDue(now)
			if len(m.queue) > 0 {
				e.next = min(e.next, m.queue[0].due)
			}
		}
	}
	s.nextRelease = 0
	return true
}

// giveUp ends what members have had without a word from each other for too long, or have seen the end of.
func (e *ensemble) giveUp(now time.Duration) {
	if e.leader >= 0 && e.members[e.leader].e.down {
		e.leave(e.members[e.leader])
	}
	for _, m := range e.members {
		if m.state == Following {
			e.watch(m, now)
		}
	}
	if e.leader < 0 {
		return
	}
	n := 1
	for _, m := range e.members {
		if m.state == Following && m.epoch == e.epoch {
			n++
		}
	}
	if !e.enough(n) {
		e.leave(e.members[e.leader])
		e.giveUp(now)
	}
}

// watch looks whether a follower still has its leader.
func (e *ensemble) watch(m *member, now time.Duration) {
	switch {
	case m.e.down, m.heard() && (e.leader < 0 || m.epoch != e.epoch):
		e.leave(m)
	case e.linked(m):
		m.deadline = 0
	case m.deadline == 0:
		m.deadline = now + e.s.cfg.SyncLimit
	case now >= m.deadline:
		e.leave(m)
	}
}

// leave makes a member look for another leader, which costs its clients their connections.
func (e *ensemble) leave(m *member) {
	e.s.tracef("member %d is looking for a leader", m.e.index)
	if m.state == Leading {
		e.leader = -1
	}
	m.state, m.deadline = Looking, 0
	if m.e.down {
		return // it was killed: connections are reset
	}
	for _, c := range e.s.liveConns() {
		if c.endpoint == m.e {
			c.parked, c.waiting = nil, false
			e.s.hangUpNow(c)
		}
	}
}

// elect makes the member that has stored most the leader, some time after there were enough to agree on it.
func (e *ensemble) elect(now time.Duration) {
	var best *member
	n := 0
	for _, m := range e.members {
		if !m.heard() || m.state != Looking {
			continue
		}
		n++
		if best == nil || m.logged >= best.logged {
			best = m
		}
	}
	switch {
	case e.leader >= 0, !e.enough(n):
		e.electAt = 0
	case e.electAt == 0:
		e.electAt = now + e.s.cfg.ElectionTime
	case now >= e.electAt:
		e.electAt = 0
		e.crown(best)
	}
}

// crown makes a member the leader of those that it hears. Sessions have their full timeouts before them.
func (e *ensemble) crown(m *member) {
	e.endReads(m)
	m.catchUp()
	e.epoch++
	e.leader, m.state, m.epoch = m.e.index, Leading, e.epoch
	e.s.replica = m.rep
	e.s.tracef("member %d leads epoch %d", m.e.index, e.epoch)
	e.join()
	e.s.rewind()
}

// join makes followers of the members that hear the leader.
func (e *ensemble) join() {
	for _, m := range e.members {
		if e.leader >= 0 && m.state == Looking && m.heard() && e.members[e.leader].heard() {
			e.endReads(m)
			m.catchUp()
			m.state, m.epoch, m.deadline, m.logged = Following, e.epoch, 0, e.s.zxid
			e.s.tracef("member %d follows member %d", m.e.index, e.leader)
		}
	}
}

// catchUp applies everything, whatever a member's lag.
func (m *member) catchUp() {
	for len(m.queue) > 0 {
		m.apply()
	}
}

// serving reports whether the member behind a connection serves clients.
func (s *Server) serving(c *conn) bool {
	return s.cluster == nil || c.endpoint.member.state != Looking || c.endpoint.member.readOnly
}

// hears reports whether the member behind a connection can reach a leader that can commit.
func (s *Server) hears(c *conn) bool {
	return s.cluster == nil || s.cluster.hasQuorum() && (c.endpoint.member.state == Leading || s.cluster.linked(c.endpoint.member))
}

// blocked reports whether a connection's next request has to wait for the leader.
func (s *Server) blocked(c *conn) bool {
	return c.parked != nil || c.waiting && !s.hears(c)
}

// needsLeader reports whether a packet from a client takes the leader to be served.
func (s *Server) needsLeader(c *conn, p *packet) bool {
	if s.cluster == nil || p.kind != framePacket || !s.serving(c) || s.readOnly(c) {
		return false
	}
	if d := jute.NewDecoder(p.data); c.session == nil {
		var req jute.ConnectRequest
		req.Decode(d)
		return d.Err() == nil && req.LastZxidSeen <= c.rep().zxid
	}
	return leaderOp(s.peek(c, p.data).Op)
}

// owned reports whether a request comes on the connection that has its session. The leader sees that, and so it does not for
// reads through others. A request of a session that has moved ends the connection, one of a session that has ended is refused.
func (s *Server) owned(c *conn, r *request) bool {
	switch {
	case s.cluster == nil, r.op == OpCloseSession, !leaderOp(r.op) && c.endpoint.member.state != Leading:
		return true
	case s.sessions[c.sessionID] == nil:
		s.fail(c, r, s.begin(nil).end(ErrSessionExpired))
		return false
	case c.session.conn != c:
		s.tracef("%v: session %#x has moved", c, c.sessionID)
		s.hangUp(c)
		return false
	}
	return true
}

// modeWord says what the four-letter words call the server behind a connection.
func (s *Server) modeWord(c *conn) string {
	if s.cluster == nil {
		return "standalone"
	}
	if s.readOnly(c) {
		return "read-only"
	}
	return fmt.Sprint(c.endpoint.member.state)
}
