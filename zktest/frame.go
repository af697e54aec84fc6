package zktest

import (
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// Stage says where in its life a frame is when a hook sees it.
type Stage uint8

const (
	// Request is a request that has arrived and has not been processed.
	Request Stage = iota
	// Reply is the answer to a request that has been processed, and committed if it was a write, before it is sent.
	Reply
	// Event is a watch event before it is sent.
	Event
)

// String returns "request", "reply" or "event".
func (s Stage) String() string {
	switch s {
	case Request:
		return "request"
	case Reply:
		return "reply"
	}
	return "event"
}

// ConnInfo describes a connection.
type ConnInfo struct {
	ID       int64    // 1 for the first connection that the server took, and so on
	Session  int64    // session that uses or used it; 0 before the handshake
	Client   string   // name given to Server.Client; "" for every other client
	Endpoint int      // index of the address that it came in on
	Addr     net.Addr // the client's address
}

// Frame describes a request, a reply or a watch event to a hook.
type Frame struct {
	Stage Stage     // where the frame is
	Conn  ConnInfo  // connection that it belongs to
	Op    Op        // operation of a request or reply; OpConnect for the handshake
	Xid   int32     // number that the client gave the request; -1 for an event
	Path  string    // first path that a request names; in the reply to a create, the path created
	Err   ErrCode   // outcome, in a reply; for a multi that of the operation that failed
	Zxid  int64     // last transaction applied
	Event EventType // type of a watch event
}

// String returns the frame in one line.
func (f Frame) String() string {
	if f.Stage == Event {
		return "event " + f.Event.String() + " " + f.Path
	}
	text := f.Stage.String() + " " + f.Op.String() + " " + f.Path +
		" xid=" + strconv.Itoa(int(f.Xid)) + " zxid=0x" + strconv.FormatInt(f.Zxid, 16)
	if f.Err != 0 {
		text += ": " + f.Err.Error()
	}
	return text
}

// Verdict is what a hook decides about a frame.
type Verdict time.Duration

const (
	// Pass lets the frame go on.
	Pass Verdict = 0
	// Drop makes the frame vanish: a request is never processed, a reply or event never sent. The connection stays.
	Drop Verdict = -1
	// Cut resets the connection instead of letting the frame go on. A request is not processed; a reply is lost
	// although its request has been committed.
	Cut Verdict = -2
	// CutAfter lets the frame go on and then resets the connection: a request is processed but its reply is lost, a
	// reply or event arrives and nothing after it does.
	CutAfter Verdict = -3
	// Overtaken lets the next reply on the connection go first, and this reply or event behind it. It means Pass for a request.
	// ZooKeeper never does that, but some servers that speak its protocol answer reads while a write waits.
	Overtaken Verdict = -4
)

// DelayBy lets the frame go on after d. What follows it in the same direction of the same connection waits behind it.
func DelayBy(d time.Duration) Verdict {
	return Verdict(max(d, 0))
}

// AnswerWith answers a request with err. At the stage Request it is not processed; at the stage Reply it was, and may have been
// committed, but its answer says otherwise. Handshakes and events go on.
func AnswerWith(err ErrCode) Verdict { return answerWith + Verdict(err) }

// answerWith is what makes a verdict of a code: those that say something else are far away from all of these.
const answerWith Verdict = -1 << 40

// answer returns the code of an AnswerWith.
func (v Verdict) answer() (err ErrCode, ok bool) {
	return ErrCode(v - answerWith), v < answerWith/2
}

// hook is a registered function.
type hook struct {
	f func(Frame) Verdict
}

// OnFrame registers f to see every request before it is processed, every reply after its request was processed and
// before it is sent, and every watch event before it is sent. Its verdict decides what becomes of the frame. When
// several functions are registered they are asked in order, until one says something other than Pass.
//
// f is called by one goroutine, without locks: it may call every method of the server but Close. The server stands
// still while it runs. The function returned takes f away again.
func (s *Server) OnFrame(f func(Frame) Verdict) (remove func()) {
	h := &hook{f}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(slices.Clone(s.hooks), h)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hooks = slices.DeleteFunc(slices.Clone(s.hooks), func(o *hook) bool { return o == h })
	}
}

// LoseReply makes the next n successful requests with the opcode commit and lose their replies: the connection is
// reset instead. The function returned ends it early.
func (s *Server) LoseReply(op Op, n int) (remove func()) {
	return s.OnFrame(func(f Frame) Verdict {
		if f.Stage != Reply || f.Op != op || f.Err != 0 || n <= 0 {
			return Pass
		}
		n--
		return Cut
	})
}

// ask calls the hooks for a frame. It is called with s.mu held and gives it back while they run.
func (s *Server) ask(c *conn, f Frame) Verdict {
	hooks := s.hooks
	if len(hooks) == 0 {
		return Pass
	}
	f.Conn = c.info()
	s.mu.Unlock()
	defer s.mu.Lock()
	for _, h := range hooks {
		if v := h.f(f); v != Pass {
			return v
		}
	}
	return Pass
}

// peek describes a request that has not been processed.
func (s *Server) peek(c *conn, frame []byte) Frame {
	f := Frame{Stage: Request, Op: OpConnect, Zxid: s.zxid}
	if c.session == nil {
		return f
	}
	d := jute.NewDecoder(frame)
	var h jute.RequestHeader
	h.Decode(d)
	f.Op, f.Xid = Op(h.Op), h.Xid
	f.Path = firstPath(f.Op, d)
	return f
}

// firstPath returns the first path in the body of a request, or "".
func firstPath(op Op, d *jute.Decoder) string {
	switch op {
	case OpPing, OpCloseSession, OpWhoAmI, OpReconfig, OpSASL, OpAuth:
		return ""
	case OpMulti, OpMultiRead:
		new(jute.MultiHeader).Decode(d)
	case OpSetWatches, OpSetWatches2:
		return firstWatch(d)
	}
	if path := d.String(); d.Err() == nil {
		return path
	}
	return ""
}

func firstWatch(d *jute.Decoder) string {
	d.Int64()
	for range 5 {
		if paths := d.Strings(); len(paths) > 0 {
			return paths[0]
		}
	}
	return ""
}
