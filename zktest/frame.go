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
	ID       int64    // counted from 1
	Session  int64    // session of the connection; 0 before the handshake
	Client   string   // name given to Server.Client; "" for other clients
	Endpoint int      // index of the address that it connected to
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
	// Pass delivers the frame.
	Pass Verdict = 0
	// Drop drops the frame: a request is never processed, a reply or event never sent. The connection stays open.
	Drop Verdict = -1
	// Cut resets the connection instead of delivering the frame. A request is not processed. A reply is lost, although
	// its request has been applied.
	Cut Verdict = -2
	// CutAfter delivers the frame and then resets the connection. A request is processed but its reply is lost; a reply
	// or event is the last frame that arrives.
	CutAfter Verdict = -3
	// Overtaken delivers the next reply on the connection first, and then this reply or event. For a request it means
	// Pass. ZooKeeper never does that, but some other servers with its protocol answer reads while a write is pending.
	Overtaken Verdict = -4
)

// DelayBy delivers the frame after d. Later frames in the same direction of the same connection wait behind it.
func DelayBy(d time.Duration) Verdict {
	return Verdict(max(d, 0))
}

// AnswerWith answers a request with err. At the stage Request, the request is not processed. At the stage Reply, it has
// been processed and may have been applied, but the reply says otherwise. Handshakes and events are delivered.
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

// OnFrame registers f, which is called with every request before it is processed, every reply before it is sent, and
// every watch event before it is sent. Its verdict decides what happens to the frame. If several functions are
// registered, they are called in order until one returns something other than Pass.
//
// f is called by one goroutine, without locks. It may call every method of the server except Close. The server waits
// for it. The returned function removes f.
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

// LoseReply applies the next n successful requests with the opcode and resets the connection instead of sending their
// replies. The returned function ends it early.
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
