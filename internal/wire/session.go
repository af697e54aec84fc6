package wire

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// defaultMaxFrame bounds frames of the server. Lists of children have no limit
// of their own on the server; 20 MB are seen in practice.
const defaultMaxFrame = 64 << 20

// Options configure a Session. The zero value is valid: a fence, a bounded
// handshake and validation, without callbacks.
type Options struct {
	// HandshakeTimeout returns the limit for the handshake of a link, from the first byte of the ConnectRequest to the
	// last of the ConnectResponse. It is called at the start of each.
	// Defaults to one third of the session timeout in the ConnectRequest.
	HandshakeTimeout func() time.Duration

	// Abandoned takes over connections whose request for a new session was sent completely and not answered when the
	// link ends. Without it they are closed. A connection with an abandoned resume is always closed.
	Abandoned *Abandoned

	// MaxFrame is the length in bytes of the longest frame accepted from the
	// server. Defaults to 64 MiB.
	MaxFrame int

	// Resume is a session of another Session: the first accepted handshake resumes it instead of requesting a new one.
	// Defaults to none.
	Resume Resume

	// SASL begins the exchange that authenticates each link, right after the session's handshake and within its limit,
	// before Auth. The link is established when it has ended. OnSASLFailed reports its failures.
	// Defaults to none.
	SASL SASL

	// Auth returns the credentials that are sent on a link right after the handshake, before any request of the driver.
	// It is called on every link, and again when the link is established, so that new ones are sent as well. Their
	// replies are hidden from the driver.
	// Defaults to none.
	Auth func() []Auth

	// ReadOnly is called when a read-only server has answered the request for a new session, and reports whether to
	// accept it. Without it, and for a session that has begun before, the link ends with ErrReadOnly, and servers are
	// told that the client does not accept it.
	ReadOnly func() bool

	// OnEstablished is called when a handshake was accepted, in the reading
	// goroutine, before the driver sees the answer.
	OnEstablished func(Established)

	// OnExpired is called when the server answered a resume with session id 0,
	// after the session was fenced and before the driver sees the answer.
	OnExpired func()

	// OnForeign is called when the server answered a resume of session asked
	// with another session, got, after the session was fenced. The driver never
	// sees the answer.
	OnForeign func(asked, got int64)

	// OnLink is called when a handshake was accepted, ahead of OnEstablished and in the
	// reading goroutine, with the zxid that the ConnectRequest said. The calls that it
	// returns are the first ones of the link.
	OnLink func(zxid int64) []*Call

	// OnEvent is called for each watch event, in the reading goroutine.
	OnEvent func(kind int32, path string)

	// OnAnswered is called for each Call that has got a reply, with its error code or
	// 0, in the reading goroutine, ahead of Call.Over.
	OnAnswered func(code int32)

	// OnSASLFailed is called when the exchange of SASL has failed. The link is
	// closed after it; the driver will dial again.
	OnSASLFailed func(err error)

	// OnAuth is called for each credential that a server has answered, in the reading
	// goroutine. If the server has rejected it, err says so, and the link is closed; the
	// driver will dial again.
	OnAuth func(a Auth, err error)

	// OnIdentified is called, in the reading goroutine, when a server has accepted all credentials of the client on a
	// link: the SASL exchange and those of Auth. If there are none, it is called when the link is established.
	OnIdentified func()

	// SeenZxid is the newest zxid that earlier Sessions on the same servers have
	// seen.
	SeenZxid int64

	// OnRegress is called when the first reply of a link shows an older zxid than was seen before, in this Session or
	// as SeenZxid: the servers have lost transactions, or their data was replaced. It is called in the reading
	// goroutine, before the driver sees the reply.
	OnRegress func()

	// Logger receives what ends links and sessions. Defaults to silence.
	Logger *slog.Logger
}

// Resume names a session. An ID of 0 is none.
type Resume struct {
	ID       int64
	Password []byte
}

// Established describes an accepted handshake.
type Established struct {
	SessionID  int64
	Timeout    time.Duration // negotiated
	Resumed    bool          // the session existed before this link
	RemoteAddr net.Addr      // of the server
	LastZxid   int64         // what the driver had seen when it asked
	ReadOnly   bool          // the server serves only reads
}

// Session is the state shared by all links of one zk.Conn. Its methods may be
// called from any goroutine.
type Session struct {
	opt Options
	log *slog.Logger

	counters counters
	fence    atomic.Pointer[stop] // set once, under mu
	current  atomic.Pointer[link] // the one that is open, for calls

	mu        sync.Mutex
	link      *link // the latest, until it ends
	ended     error // why a link has ended, until Ended is called
	outOfTurn bool  // a reply that was overtaken has come after all
	id        int64
	timeout   time.Duration
	password  []byte
	answered  time.Time
	heard     time.Time // like answered, but replies of read-only servers count too
	readOnly  bool      // the latest link is to a read-only server
	opened    time.Time // when the handshake of link was accepted; zero before
	closed    bool      // a server has answered a closeSession
	zxid      int64
	linkZxid  int64 // the highest in a reply on the latest link
	replied   bool  // that has had a reply with a zxid
}

// NewSession returns a Session that has no links yet.
func NewSession(opt Options) *Session {
	if opt.MaxFrame <= 0 {
		opt.MaxFrame = defaultMaxFrame
	}
	opt.MaxFrame = min(opt.MaxFrame, math.MaxInt32-prefixLen) // prefix and frame fit an int
	opt.Resume.Password = bytes.Clone(opt.Resume.Password)
	s := &Session{opt: opt, log: opt.Logger, id: opt.Resume.ID, password: opt.Resume.Password}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Wrap makes conn the session's current link; a link that is still open is
// closed first. After a Fence it closes conn and fails with an error that wraps
// ErrFenced and the cause.
func (s *Session) Wrap(conn net.Conn) (net.Conn, error) {
	if conn == nil {
		return nil, errors.New("wire: no connection to wrap")
	}
	l := &link{s: s, conn: conn}
	s.mu.Lock()
	fence, old := s.fence.Load(), s.link
	if fence == nil {
		s.link, s.opened = l, time.Time{}
	}
	s.mu.Unlock()
	if fence != nil {
		abort(conn)
		return nil, fence.err
	}
	if old != nil {
		old.end(fmt.Errorf("wire: link to %s: %w", old.peer(), errSuperseded))
	}
	s.counters.links.Add(1)
	return l, nil
}

// Fence ends the session for good: the current link is closed, and every later Wrap, Read and Write fails with an error
// that wraps ErrFenced and cause. The first cause is kept; further calls do nothing. Fence does not log, because a log
// handler that blocks must not delay its caller, which knows the cause.
func (s *Session) Fence(cause error) {
	if cause == nil {
		cause = errNoCause
	}
	s.mu.Lock()
	if s.fence.Load() != nil {
		s.mu.Unlock()
		return
	}
	fence := &stop{fmt.Errorf("%w: %w", ErrFenced, cause)}
	s.fence.Store(fence)
	l := s.link
	s.mu.Unlock()
	if l != nil {
		l.end(fence.err)
	}
}

// Break closes the current link, if there is one. The driver will dial again
// and resume the session. Reads and writes on the link fail with an error that
// wraps cause.
func (s *Session) Break(cause error) {
	if cause == nil {
		cause = errNoCause
	}
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	if l != nil {
		l.end(fmt.Errorf("wire: the link to %s was closed: %w", l.peer(), cause))
	}
}

// Timeout returns the session timeout negotiated in the latest handshake, 0
// before the first.
func (s *Session) Timeout() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.timeout
}

// ID returns the session id, before the first handshake that of Options.Resume.
func (s *Session) ID() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Password returns a copy of the session's password, before the first
// handshake that of Options.Resume.
func (s *Session) Password() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.password)
}

// Closed reports whether a server has answered a closeSession: the session has ended, and its ephemeral nodes are gone.
func (s *Session) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// noteClosed records that.
func (s *Session) noteClosed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// LastAnswered returns when the last answered request was sent, with its monotonic reading; the zero time before the
// first handshake. Requests of the driver count, including its pings, and so does the ConnectRequest. A reply that says
// that the session is gone or has moved does not count, nor does a reply of a read-only server.
func (s *Session) LastAnswered() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

// LastHeard is LastAnswered, except that replies of read-only servers count as well.
func (s *Session) LastHeard() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}

// ReadOnly reports whether the session belongs to a read-only server.
func (s *Session) ReadOnly() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readOnly
}

// Opened returns when the handshake of the current link was accepted, and the
// zero time while no link is open. Read it after LastAnswered: then what was
// answered is not newer than the link.
func (s *Session) Opened() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// LastZxid returns the highest zxid in the header of a reply of this Session; 0 before the first. It starts over when
// OnRegress is called. Replies of read-only servers do not count: they may show transactions that were never committed,
// and contain the server's own.
func (s *Session) LastZxid() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.zxid
}

// LinkZxid returns the highest zxid seen in the header of a reply on the present
// link, 0 if there is none.
func (s *Session) LinkZxid() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Load() == nil {
		return 0
	}
	return s.linkZxid
}

// noteAnswer records that the server answered a request sent at that time.
func (s *Session) noteAnswer(sent time.Time, zxid int64, code int32) {
	if s.note(sent, zxid, code) && s.opt.OnRegress != nil {
		s.opt.OnRegress()
	}
}

// note is noteAnswer. It reports whether the zxid is older than one before it.
func (s *Session) note(sent time.Time, zxid int64, code int32) (regress bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linkZxid = max(s.linkZxid, zxid)
	if !disowns(code) {
		s.heard = later(s.heard, sent)
	}
	if s.readOnly {
		return false
	}
	if !disowns(code) {
		s.answered = later(s.answered, sent)
	}
	if s.replied || zxid <= 0 {
		s.zxid = max(s.zxid, zxid)
		return false
	}
	seen := s.zxid
	if seen == 0 {
		seen = s.opt.SeenZxid
	}
	s.replied, s.zxid = true, zxid
	return zxid < seen
}

// later returns the later one of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// disowns reports whether an error code means that the server no longer serves the session, so that the reply did not
// prolong it.
func disowns(code int32) bool {
	return code == codeSessionExpired || code == codeSessionMoved || code == codeSASLRequired
}

// ends records that a link ends, and why, and drops it, so that its buffers can be freed. It reports false if it had
// ended before. All of this becomes visible together with the cause.
func (s *Session) ends(l *link, cause error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.cause.CompareAndSwap(nil, &stop{cause}) {
		return false
	}
	s.ended = cause
	l.unwatch()
	if s.link == l {
		s.link, s.opened = nil, time.Time{}
	}
	s.current.CompareAndSwap(l, nil)
	return true
}

// serves makes a link the one for calls, unless it has ended.
func (s *Session) serves(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.cause.Load() == nil {
		s.current.Store(l)
	}
}

// Ended returns why the latest link has ended, once; nil if no link has ended since the last call.
func (s *Session) Ended() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cause := s.ended
	s.ended = nil
	return cause
}

// hex formats a session id the way servers log it.
func hex(id int64) string { return fmt.Sprintf("0x%x", uint64(id)) }
