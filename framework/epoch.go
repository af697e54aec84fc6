package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/internal/wire"
)

// smallBuffer is the size of the driver's two buffers, in bytes. The driver sends and receives only handshakes, pings
// and the end of the session.
const smallBuffer = 1 << 10

// errLink means that the connection broke. The server's address and the reason are added to it.
var errLink = errors.New("connection broke")

// epoch is one session and its driver connection, which is fenced so that it can never begin another session.
//
//	opening --up--> live <--down/up--> suspended --expired or no reply for T--> over
//
// The driver's goroutines only queue signals. Only the supervisor moves an epoch through these states.
type epoch struct {
	n    uint64 // 0 is the session of the previous process: see Config.SessionFile
	core *core
	wire *wire.Session
	conn *zk.Conn
	quit <-chan zk.Event // closed by the driver when its last goroutine ends

	ctx context.Context // ends when the epoch has ended, with the reason as its cause
	end context.CancelCauseFunc

	signals signals
	remarks driverLog
	watches watches
	base    int64       // the newest transaction that earlier epochs have seen
	upAt    time.Time   // when the latest link was established; used by the driver's main goroutine
	up      atomic.Bool // the driver has a link; set before the supervisor learns of it
	gone    atomic.Bool // the servers have said that the session has ended: nothing that was sent in it can still be applied
	server  string      // the latest one; used by the supervisor
	void    time.Time   // the latest reply whose trust has ended; used by the supervisor

	mu       sync.Mutex
	over     bool
	calls    sync.WaitGroup
	pause    time.Duration // before the next dial
	link     net.Conn      // dialled last; nil before
	dialled  string        // the server behind link, as named in the connect string
	dialNo   int64         // the number of that dial
	bindings bindings

	attached attached
	together together
	offers   offers
	greeted  signal    // of a read-only server that has not yet proved how recent its data is; guarded by mu
	moveBy   time.Time // when a planned move has to be complete; used by the supervisor
	upNo     int64     // the number of the dial of the current link; used by the supervisor
}

// signal is what the driver reports about its connection.
type signal struct {
	kind   signalKind
	server string
	dial   int64 // the number of the dial
	cause  error
}

type signalKind int

const (
	linkUp signalKind = iota
	linkDown
	sessionExpired
	writable // a server that accepts writes was found
)

// signals is the queue between the driver's goroutines, which must not block, and the supervisor.
type signals struct {
	mu    sync.Mutex
	queue []signal
	ready chan struct{} // holds a token while the queue is not empty, or the supervisor has to check the clocks
}

func (s *signals) push(sig signal) {
	s.mu.Lock()
	s.queue = append(s.queue, sig)
	s.mu.Unlock()
	s.wake()
}

// wake makes the supervisor check the clocks, because one has run out.
func (s *signals) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

func (s *signals) take() []signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queue
	s.queue = nil
	return q
}

// openEpoch starts epoch n. The driver dials in the background.
func openEpoch(c *core, n uint64, base int64) (*epoch, error) {
	e := &epoch{n: n, core: c, base: base, signals: signals{ready: make(chan struct{}, 1)}}
	e.ctx, e.end = context.WithCancelCause(context.Background())
	e.remarks.log = c.log
	e.wire = wire.NewSession(e.wireOptions())
	e.watches.zxid, e.watches.unwatch = e.wire.LinkZxid, e.unwatch
	e.startLookout()
	e.together.limit = min(togetherSize, c.cfg.MaxRequestSize-overhead)
	e.offers.put(c.found.take())
	_, quit, err := zk.Connect([]string{"epoch"}, c.cfg.SessionTimeout,
		func(conn *zk.Conn) { e.conn = conn }, // before the driver's goroutine starts and dials
		zk.WithHostProvider((*epochHosts)(e)),
		zk.WithDialer(e.dial),
		zk.WithEventCallback(e.onEvent),
		zk.WithLogger(&e.remarks),
		zk.WithLogInfo(false),
		zk.WithMaxConnBufferSize(smallBuffer),
		zk.WithMaxBufferSize(smallBuffer),
	)
	if err != nil {
		e.end(err)
		return nil, fmt.Errorf("start of the ZooKeeper connection: %w", err)
	}
	e.quit = quit
	return e, nil
}

func (e *epoch) wireOptions() wire.Options {
	cfg := &e.core.cfg
	options := wire.Options{
		HandshakeTimeout: func() time.Duration { return e.core.hosts.handshakeLimit(e.left()) },
		Abandoned:        e.core.abandoned,
		OnEstablished:    e.onEstablished,
		MaxFrame:         cfg.MaxReplySize,
		SASL:             e.authenticates(),
		Auth:             e.core.identities.presented,
		OnForeign:        func(asked, got int64) { e.expire(foreignError(asked, got)) },
		SeenZxid:         e.base,
		OnRegress:        func() { e.core.regressed(e.wire.ID()) },
		OnLink:           e.onLink,
		OnEvent:          e.onWatchEvent,
		OnAnswered:       e.noteCode,
		OnAuth:           e.onAuth,
		OnSASLFailed:     e.onSASLFailed,
		OnIdentified:     e.core.identities.accepted,
		Logger:           e.core.log,
	}
	switch {
	case e.n == 0:
		e.resumes(&options)
	case cfg.ReadOnly:
		options.ReadOnly = e.core.hosts.allTried
	}
	return options
}

// onLink returns the first requests of a connection.
func (e *epoch) onLink(zxid int64) []*wire.Call {
	calls := e.rearm(zxid)
	if e.wire.ReadOnly() {
		calls = append(calls, e.examine())
	}
	return calls
}

// onEstablished is called when a server has accepted the session on a connection.
func (e *epoch) onEstablished(in wire.Established) {
	e.core.doubtful.Store(false)
	e.core.grant.take(in.Timeout)
	e.core.can.connected()
}

func foreignError(asked, got int64) error {
	return fmt.Errorf("the server answered the resume of session %#x with another session, %#x: %w", asked, got, ErrSessionLost)
}

// overhead is an upper bound for the bytes of a request that the caller cannot count: headers, lengths, flags.
const overhead = 256

// fit returns an error if a request of size bytes must not be sent.
func (e *epoch) fit(size int) error {
	limit := e.core.cfg.MaxRequestSize
	if size += overhead; size > limit {
		return fmt.Errorf("%w: about %d bytes, MaxRequestSize is %d; store less, or raise it together with the servers' jute.maxbuffer", ErrTooLarge, size, limit)
	}
	return nil
}

// dial is the driver's zk.Dialer. It runs in the driver's main goroutine, between links.
func (e *epoch) dial(_, server string, _ time.Duration) (net.Conn, error) {
	next := e.offers.take()
	planned := next != nil && e.wire.ID() != 0 // the first connection of a session is not planned
	if next == nil {
		var err error
		if next, err = e.dialNext(server); err != nil {
			return nil, err
		}
	}
	setLinger(next.conn, 0)
	e.core.hosts.use(next.target, planned)
	e.mu.Lock()
	e.link, e.dialled, e.dialNo = next.conn, next.target.server, next.dial
	e.mu.Unlock()
	return e.wire.Wrap(next.conn)
}

// dialNext opens a connection to a server after the pause.
func (e *epoch) dialNext(server string) (*offer, error) {
	e.mu.Lock()
	pause := e.pause
	e.mu.Unlock()
	if err := sleep(e.ctx, pause); err != nil {
		return nil, err
	}
	if err := e.prepare(e.ctx, server); err != nil {
		if failed := (*AuthError)(nil); errors.As(err, &failed) {
			e.core.identities.refused(failed)
		}
		return nil, err
	}
	number := e.core.dials.Add(1)
	next, err := e.core.hosts.dial(e.ctx, server, e.left())
	if err == nil && e.core.doubtful.Load() {
		if err = e.core.vet(next.conn, next.target.server); err != nil {
			_ = next.conn.Close()
		}
	}
	e.core.telemetry.Dialled(err)
	if err != nil {
		if e.ctx.Err() == nil {
			e.core.dialFailed(server, err)
		}
		return nil, err
	}
	next.dial = number
	return next, nil
}

// dialledLast returns the server that was dialled last, as named in the connect string, and the number of that dial.
func (e *epoch) dialledLast() (server string, number int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dialled, e.dialNo
}

// setLinger says what happens to undelivered bytes when a TCP connection is closed. With 0 they are dropped. Otherwise
// the system would keep retransmitting them, and an abandoned request could arrive after its session is presumed lost.
// With -1 they are delivered, as is usual.
func setLinger(conn net.Conn, sec int) {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	if l, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(sec)
	}
}

// sleep waits for d or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return causeOf(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// epochHosts is the epoch as the driver's HostProvider. Next is called while the driver holds a mutex, so it must not
// block and leaves the pause to dial.
type epochHosts epoch

// Init is not used: the client knows its servers.
func (*epochHosts) Init([]string) error { return nil }

// Len is the number of servers.
func (h *epochHosts) Len() int { return h.core.hosts.size() }

// Connected is not used: established sessions are seen in the driver's events.
func (*epochHosts) Connected() {}

// Next gives the next server. When the epoch is over it makes the driver flush what is queued instead.
func (h *epochHosts) Next() (string, bool) {
	if h.ctx.Err() != nil {
		return "fenced", true
	}
	if server, ok := h.offers.server(); ok {
		return server, false
	}
	server, pause := h.core.hosts.take()
	h.mu.Lock()
	h.pause = pause
	h.mu.Unlock()
	return server, false
}

// zxid is the newest change of the ensemble that this client has seen, in this session or before it.
func (e *epoch) zxid() int64 {
	if seen := e.wire.LastZxid(); seen != 0 {
		return seen
	}
	return e.base
}

// newest is the newest transaction that an answer in this session has shown, that of a read-only server included, which no other server
// may know.
func (e *epoch) newest() int64 {
	if e.wire.ReadOnly() {
		return e.wire.LinkZxid()
	}
	return e.wire.LastZxid()
}

// yardstick tells what is older than a request from what is newer. It counts only what the session itself has seen: between two
// sessions the servers may have been restored from a backup, and zxids that were seen before be given away again.
type yardstick struct {
	zxid int64 // of the newest change that was seen before the request was sent; 0 for none
	era  int64 // in which zxids count so
}

func (e *epoch) yardstick() yardstick {
	era := e.core.era.Load() // first: what is read then is at least as new
	return yardstick{zxid: e.wire.LastZxid(), era: era}
}

// broken reports whether the servers have begun another history since, so that their zxids cannot be compared.
func (y yardstick) broken(c *core) bool { return y.era != c.era.Load() }

// onEvent is the driver's callback. It runs on the driver's goroutines and must neither block nor call back.
func (e *epoch) onEvent(ev zk.Event) {
	switch {
	case ev.Type != zk.EventSession:
	case ev.State == zk.StateConnected:
		if e.n == 0 {
			e.signals.wake()
		}
	case ev.State == zk.StateHasSession:
		e.upAt = time.Now()
		e.up.Store(true)
		e.core.hosts.established(e.upAt)
		e.core.service.connected(e.wire.Timeout())
		_, number := e.dialledLast()
		e.greet(signal{kind: linkUp, server: ev.Server, dial: number})
	case ev.State == zk.StateDisconnected:
		// Not left to the supervisor: the driver dials now.
		cause := e.broken(ev.Server)
		e.core.hosts.broken(time.Now(), !e.linkEnded(ev.Server, cause))
		if e.wire.ReadOnly() {
			e.endReadOnly(cause)
			return
		}
		e.signals.push(signal{kind: linkDown, server: ev.Server, cause: cause})
	case ev.State == zk.StateExpired:
		e.expire(fmt.Errorf("%s says that the session has expired: %w", ev.Server, ErrSessionLost))
	}
}

// onWatchEvent is called for each event of a server, in the receiving goroutine.
func (e *epoch) onWatchEvent(kind int32, path string) {
	if event := EventType(kind); event >= EventCreated && event <= EventChildrenChanged { // the protocol's numbers
		e.watches.fire(event, path)
	}
}

// broken describes the end of the connection to server.
func (e *epoch) broken(server string) error {
	if why := e.wire.Ended(); why != nil {
		return fmt.Errorf("%w: %s: %w", errLink, server, why)
	}
	return fmt.Errorf("%w: %s", errLink, server)
}

// linkEnded notes that a connection, or the attempt to get one, has ended. It reports whether connections end again and again
// without an answer to anything but their handshake.
func (e *epoch) linkEnded(server string, cause error) (habit bool) {
	switch wasUp := e.up.Swap(false); {
	case e.ctx.Err() != nil:
		return false
	case !wasUp:
		e.core.doubtful.Store(true)
		e.core.dialFailed(server, cause)
		return false
	}
	e.core.service.disconnected()
	return !e.wire.LastHeard().After(e.upAt) && e.core.service.fault(cause)
}

// onSASLFailed is called when Config.SASL fails on a connection, which ends it.
func (e *epoch) onSASLFailed(err error) {
	server, _ := e.dialledLast()
	e.core.identities.refused(saslFailed(e.core.cfg.SASL, server, err))
}

// onAuth is called when a server has answered a credential.
func (e *epoch) onAuth(a wire.Auth, err error) {
	server, _ := e.dialledLast()
	e.core.identities.answered(a, server, err)
}

// expire fences the epoch at once, because a server says that its session is over, and tells the supervisor.
func (e *epoch) expire(cause error) {
	e.gone.Store(true)
	if e.wire.ID() != 0 {
		e.core.hosts.sessionEnded()
	}
	e.fence(cause)
	e.signals.push(signal{kind: sessionExpired, cause: cause})
}

// fence makes the epoch unable to send another byte. First cause wins.
func (e *epoch) fence(cause error) {
	e.mu.Lock()
	e.over = true
	e.mu.Unlock()
	e.end(cause)
	e.wire.Fence(cause)
}

// shutdown ends the driver's connection and waits for everything that runs in it. A graceful one lets the server end the
// session first, so that its ephemeral nodes go at once.
func (e *epoch) shutdown(graceful bool, cause error) {
	if graceful {
		e.mu.Lock()
		link := e.link
		e.mu.Unlock()
		setLinger(link, -1) // for the request that closes the session
	} else {
		e.fence(cause)
	}
	e.conn.Close()
	e.fence(cause)
	e.withdraw()
	for range e.quit { // the driver closes it when its last goroutine ends
	}
	e.calls.Wait()
}

// why prefers the reason why the epoch ends to what is said of a request that came to grief with it.
func (e *epoch) why(err error) error {
	switch cause := causeOf(e.ctx); {
	case cause != nil:
		return cause
	case isClosed(e.core.quit):
		return ErrClosed
	}
	return err
}
