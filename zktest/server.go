package zktest

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server is a running server. It is safe for concurrent use.
type Server struct {
	cfg     Config
	net     network
	started time.Time
	signal  chan struct{} // wakes the server's goroutine
	stopped chan struct{} // closed when the server's goroutine has ended

	mu          sync.Mutex
	closing     bool
	endpoints   []*endpoint
	conns       map[int64]*conn
	lastConn    int64
	clients     map[string]*Client
	*replica              // the state that transactions are made in: of a cluster, its leader's
	cluster     *ensemble // nil but for a Cluster
	sessions    map[int64]*session
	nextSession int64
	secret      []byte
	exchanges   int64 // of SASL, begun

	resumes        time.Duration // no step is taken before, see standStill
	inbox, outbox  []queued
	lastPacket     uint64
	received, sent int64              // packets
	holding        map[*conn]struct{} // connections whose gates hold something
	nextRelease    time.Duration      // when the first of it may pass; never if no time is set
	nextExpiry     time.Duration      // no session ends before
	nextStranger   time.Duration      // no connection without a session ends before
	lastReap       time.Duration
	faults         []*fault
	hooks          []*hook
	maxConns       int // of one client address at one endpoint; 0 for no limit
	renewing       int // callers of RenewSessions whose wish still stands

	total      tally
	perClient  map[string]*tally
	perSession map[int64]*tally // of those that live, and of the latest that have ended
	over       []int64          // those that have ended, the oldest first
}

// endpoint is one of the addresses of the server. Its fields below s are guarded by Server.mu.
type endpoint struct {
	index  int
	addr   string
	s      *Server
	member *member // of a cluster

	down     bool // stopped
	refusing bool
	paused   bool
}

// network is a transport.
type network interface {
	// listen starts to take connections for an endpoint, at the address that it already has, if any.
	listen(e *endpoint) error
	// unlisten stops taking connections for an endpoint.
	unlisten(e *endpoint)
	// dial opens a connection as the named client.
	dial(ctx context.Context, c *Client, network, addr string) (net.Conn, error)
	// changed says that a fault or the state of an endpoint has changed.
	changed()
	// close ends every connection and waits for the network's goroutines.
	close()
}

// Start starts a server on free TCP ports of 127.0.0.1.
func Start(cfg Config) (*Server, error) {
	return start(cfg, func(s *Server) network { return newTCPNetwork(s) })
}

// StartMemory starts a server on a network in memory. Inside a testing/synctest bubble it follows the bubble's clock,
// including the deadlines of its connections; the bubble can end when Close has returned. The addresses in
// ConnectString are IP literals, so that a client can resolve them without leaving the bubble. The names zk1:2181,
// zk2:2181 and so on reach the same endpoints.
func StartMemory(cfg Config) (*Server, error) {
	if cfg.TLS != nil {
		return nil, errMemoryTLS
	}
	return start(cfg, func(s *Server) network { return newMemoryNetwork(s) })
}

func start(cfg Config, transport func(*Server) network) (*Server, error) {
	return startWith(cfg, transport, func(*Server) {})
}

// startWith starts a server that prepare has been called with.
func startWith(cfg Config, transport func(*Server) network, prepare func(*Server)) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, started: time.Now(),
		signal: make(chan struct{}, 1), stopped: make(chan struct{}),
		conns: make(map[int64]*conn), clients: make(map[string]*Client), holding: make(map[*conn]struct{}),
		perClient: make(map[string]*tally), perSession: make(map[int64]*tally),
		total: *newTally(), nextRelease: never, nextStranger: never,
		secret: binary.BigEndian.AppendUint64([]byte("zktest"), cfg.Seed),
	}
	s.nextSession = firstSessionID(s.started)
	s.wipe()
	s.net = transport(s)
	for i := range cfg.Endpoints {
		e := &endpoint{index: i, s: s}
		if len(cfg.Addrs) > 0 {
			e.addr = cfg.Addrs[i]
		}
		s.endpoints = append(s.endpoints, e)
		if err := s.net.listen(e); err != nil {
			s.net.close()
			return nil, err
		}
	}
	s.mu.Lock() // clients may be there already
	prepare(s)
	err := s.plant(cfg.Nodes)
	s.mu.Unlock()
	if err != nil {
		s.net.close()
		return nil, err
	}
	go s.run()
	return s, nil
}

// wipe gives the server the state of one that was never written to. Ids of sessions go on, so that no new session is
// mistaken for an old one.
func (s *Server) wipe() {
	s.replica = newReplica(s)
	s.sessions = make(map[int64]*session)
	s.nextExpiry = never
	if s.cluster != nil {
		s.cluster.reset()
	}
}

// ConnectString returns the addresses of all endpoints in ZooKeeper's form, "host:port,host:port".
func (s *Server) ConnectString() string {
	return strings.Join(s.Addrs(), ",")
}

// Addrs returns the address of each endpoint, "host:port".
func (s *Server) Addrs() []string {
	addrs := make([]string, len(s.endpoints))
	for i, e := range s.endpoints {
		addrs[i] = e.addr
	}
	return addrs
}

// Close stops the server, ends every connection and waits for its goroutines. Paused endpoints and black holes do not
// delay it. It may be called more than once, but not by a hook.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.wake()
	<-s.stopped
	s.net.close()
	return nil
}

// tracef passes a line to Config.Trace.
func (s *Server) tracef(format string, args ...any) {
	if s.cfg.Trace != nil {
		s.trace(fmt.Sprintf(format, args...))
	}
}

// trace passes a line to Config.Trace, which is set. Lines about frames are made without fmt, whose share of a test's time
// would be noticeable.
func (s *Server) trace(line string) {
	at := strconv.FormatFloat(s.clock().Seconds(), 'f', 9, 64)
	s.cfg.Trace(strings.Repeat(" ", max(0, 14-len(at))) + at + " " + line)
}
