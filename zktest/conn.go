package zktest

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// link is the transport below a connection. None of its methods blocks, and they are called in the order in which their
// effects must reach the client.
type link interface {
	// send queues bytes. It reports false if too much is queued already.
	send(b []byte) bool
	// finish closes the connection when everything queued has been sent.
	finish()
	// abort resets the connection at once.
	abort()
}

// conn is the server's end of a connection. All fields are guarded by Server.mu.
type conn struct {
	id       int64
	client   string
	endpoint *endpoint
	addr     net.Addr
	link     link
	opened   time.Duration // on the server's clock

	framer    framer
	in, out   gate
	unserved  int       // bytes that have arrived and not been served
	unsent    int       // bytes that the outward gate holds
	gone      bool      // the server has ended it: nothing more is read
	muted     bool      // cut by a fault: nothing more is sent either
	overtaken []*packet // sent behind the next reply
	session   *session
	parked    *pending // what its member has to apply before the answer to its last request goes out
	waiting   bool     // its next request needs a leader, which its member did not hear
	sessionID int64    // stays when the session is gone
	ids       []authID
	sasl      SASLExchange // the exchange under way
	watched   map[watchKey]watchMode
	perClient *tally

	received, sent int64
	lastOp         Op
	lastXid        int32
	lastZxid       int64
}

func byAge(a, b *conn) int { return cmp.Compare(a.id, b.id) }

// String names the connection in traces, such as "conn 3 alice@0".
func (c *conn) String() string {
	return "conn " + strconv.FormatInt(c.id, 10) + " " + c.client + "@" + strconv.Itoa(c.endpoint.index)
}

func (c *conn) info() ConnInfo {
	return ConnInfo{ID: c.id, Session: c.sessionID, Client: c.client, Endpoint: c.endpoint.index, Addr: c.addr}
}

func (c *conn) addID(id authID) {
	if !slices.Contains(c.ids, id) {
		c.ids = append(c.ids, id)
	}
}

// tallies yields every set of counters that the connection's traffic belongs to.
func (c *conn) tallies(yield func(*tally) bool) {
	if yield(&c.endpoint.s.total) && yield(c.perClient) && c.session != nil {
		yield(c.session.tally)
	}
}

// hostOf returns the IP address part of addr.
func hostOf(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return addr.String()
}

// accept makes a connection known to the server. It returns nil if the server does not take it.
func (s *Server) accept(e *endpoint, client string, addr net.Addr, l link, identities ...authID) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || e.down || e.refusing || s.crowded(e, hostOf(addr)) {
		return nil
	}
	s.lastConn++
	c := &conn{id: s.lastConn, client: client, endpoint: e, addr: addr, link: l, opened: s.clock(),
		perClient: s.tallyOf(client), framer: framer{max: s.cfg.MaxRequestSize, isWord: isFourLetterWord}}
	c.ids = append([]authID{{"ip", hostOf(addr)}}, identities...)
	s.conns[c.id] = c
	for t := range c.tallies {
		t.accepted++
	}
	s.nextStranger = min(s.nextStranger, c.strangerUntil())
	s.tracef("%v opened from %v", c, addr)
	return c
}

// receive takes bytes from a connection's transport.
func (s *Server) receive(c *conn, b []byte) {
	s.mu.Lock()
	if !c.gone {
		c.framer.push(b)
		for kind, frame := c.framer.next(); kind != cutNothing && !c.gone; kind, frame = c.framer.next() {
			s.admit(c, &packet{kind: packetKinds[kind], data: frame})
		}
	}
	s.mu.Unlock()
	s.wake()
}

var packetKinds = [...]packetKind{cutFrame: framePacket, cutWord: wordPacket, cutBad: endPacket}

// receiveEnd takes the end of the stream from a connection's transport.
func (s *Server) receiveEnd(c *conn) {
	s.mu.Lock()
	if !c.gone {
		s.admit(c, &packet{kind: endPacket})
	}
	s.mu.Unlock()
	s.wake()
}

// request is a request being served.
type request struct {
	xid  int32
	op   Op
	path string // for hooks and traces
	err  ErrCode
	body *jute.Decoder

	zxid int64 // in the reply: lastZxid, 0 or -1
}

// lastZxid stands for the last zxid applied.
const lastZxid = 1

// reply answers a request with success and a body.
func (s *Server) reply(c *conn, r *request, body func(*jute.Encoder)) {
	s.respond(c, r, 0, body)
}

// fail answers a request with an error.
func (s *Server) fail(c *conn, r *request, err ErrCode) {
	r.err = err
	s.respond(c, r, err, nil)
}

// finish answers a request that has no body, whether it failed or not.
func (s *Server) finish(c *conn, r *request, err ErrCode) {
	r.err = err
	s.respond(c, r, err, nil)
}

func (s *Server) respond(c *conn, r *request, err ErrCode, body func(*jute.Encoder)) {
	zxid, parked := c.rep().zxid, s.park(c, r.op)
	if parked {
		zxid = s.zxid
	}
	header := jute.ReplyHeader{Xid: r.xid, Zxid: zxid, Err: int32(err)}
	if r.zxid != lastZxid {
		header.Zxid = r.zxid
	}
	var e jute.Encoder
	mark := e.BeginFrame()
	header.Encode(&e)
	if body != nil {
		body(&e)
	}
	e.EndFrame(mark)
	c.lastZxid = zxid
	p := &packet{kind: framePacket, data: e.Bytes(), meta: Frame{
		Stage: Reply, Op: r.op, Xid: r.xid, Path: r.path, Err: r.err, Zxid: zxid}}
	s.whenApplied(c, func() { s.emit(c, p) })
}

// notify sends a watch event.
func (s *Server) notify(c *conn, event EventType, path string) {
	const connected = 3 // the state that every event carries
	var e jute.Encoder
	mark := e.BeginFrame()
	(&jute.ReplyHeader{Xid: -1, Zxid: -1}).Encode(&e)
	(&jute.WatcherEvent{Type: int32(event), State: connected, Path: path}).Encode(&e)
	e.EndFrame(mark)
	s.emit(c, &packet{kind: framePacket, data: e.Bytes(), meta: Frame{
		Stage: Event, Event: event, Xid: -1, Path: path, Zxid: c.rep().zxid}})
}

// detach takes everything from a connection that lives only as long as it does.
func (s *Server) detach(c *conn) {
	if c.gone {
		return
	}
	c.gone = true
	c.in = gate{}
	c.rep().watches.dropAll(c)
	if c.session != nil && c.session.conn == c {
		c.session.conn = nil
	}
}

// hangUp ends a connection after what has been queued for it.
func (s *Server) hangUp(c *conn) {
	s.whenApplied(c, func() { s.hangUpNow(c) })
}

func (s *Server) hangUpNow(c *conn) {
	if !c.gone {
		s.emit(c, &packet{kind: endPacket})
		s.detach(c)
	}
}

// sever resets a connection: what has not left yet is lost.
func (s *Server) sever(c *conn) {
	if s.conns[c.id] != c {
		return
	}
	s.tracef("%v cut", c)
	s.detach(c)
	c.muted = true
	c.out, c.unsent = gate{}, 0
	delete(s.holding, c)
	s.depart(c, &packet{kind: resetPacket})
}
