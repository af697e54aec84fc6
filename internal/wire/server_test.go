package wire

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"
)

// mini is a server that answers what the driver asks from the request alone.
type mini struct {
	grant   func(ask connectRequest) int64 // the session id of the answer; the one of testSession by default
	timeout time.Duration                  // granted
	ignore  func(op int32) bool            // requests that get no answer

	mu    sync.Mutex
	zxid  int64
	asks  []connectRequest
	got   [][]byte // request frames
	links []net.Conn
	wg    sync.WaitGroup
}

// dial connects a client over a pipe.
func (m *mini) dial() net.Conn {
	client, server := net.Pipe()
	m.wg.Go(func() { m.serve(server) })
	return client
}

// cut ends all connections.
func (m *mini) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.links {
		c.Close()
	}
	m.links = nil
}

// stop ends all connections and waits for their goroutines.
func (m *mini) stop() {
	m.cut()
	m.wg.Wait()
}

// seen returns the requests with that opcode.
func (m *mini) seen(op int32) (frames [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.got {
		if int32At(f, prefixLen+4) == op {
			frames = append(frames, f)
		}
	}
	return frames
}

func (m *mini) serve(conn net.Conn) {
	defer conn.Close()
	frame, err := readFrame(conn)
	if err != nil {
		return
	}
	if _, err = conn.Write(m.greet(conn, parseConnectRequest(frame[prefixLen:]))); err != nil {
		return
	}
	for {
		if frame, err = readFrame(conn); err != nil {
			return
		}
		if reply := m.answer(frame); reply != nil {
			if _, err = conn.Write(reply); err != nil {
				return
			}
		}
	}
}

// greet is the answer to a handshake.
func (m *mini) greet(conn net.Conn, ask connectRequest) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asks, m.links = append(m.asks, ask), append(m.links, conn)
	id, timeout := testSession, ask.timeout
	if m.grant != nil {
		id = m.grant(ask)
	}
	if m.timeout > 0 {
		timeout = m.timeout
	}
	return answerFrame(timeout, id)
}

func (m *mini) answer(frame []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got = append(m.got, bytes.Clone(frame))
	m.zxid++
	if m.ignore != nil && m.ignore(int32At(frame, prefixLen+4)) {
		return nil
	}
	return reply(frame, m.zxid)
}

// reply makes a reply that shows its request: data, names and paths are the
// path that was asked for.
func reply(frame []byte, zxid int64) []byte {
	xid, op := int32At(frame, prefixLen), int32At(frame, prefixLen+4)
	path, body := requestPath(frame), enc{}
	switch op {
	case opGetData:
		body = body.str(path).aStat()
	case opExists, opSetData, opSetACL:
		body = body.aStat()
	case opCreate, opSync:
		body = body.str(path)
	case opCreate2, opContainer, opTTL:
		body = body.str(path).aStat()
	case opGetChildren2:
		body = body.i32(2).str(path).str("b").aStat()
	}
	return replyFrame(xid, zxid, 0, body)
}

// requestPath returns the path of a request of one path, "" for one without.
func requestPath(frame []byte) string {
	const at = prefixLen + requestHeaderLen
	if len(frame) < at+4 || len(frame) < at+4+int(int32At(frame, at)) {
		return ""
	}
	return string(frame[at+4 : at+4+int(int32At(frame, at))])
}

// rotation is a HostProvider without pauses.
type rotation struct {
	mu    sync.Mutex
	hosts []string
	next  int
	over  func() bool
}

func (r *rotation) Init([]string) error { return nil }
func (r *rotation) Len() int            { return len(r.hosts) }
func (r *rotation) Connected()          {}

func (r *rotation) Next() (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	return r.hosts[(r.next-1)%len(r.hosts)], r.over != nil && r.over()
}

type silence struct{}

func (silence) Printf(string, ...any) {}

// driver is a real zk.Conn whose connections go through a Session.
type driver struct {
	*zk.Conn
	t      testing.TB
	s      *Session
	events chan zk.Event
}

// drive starts a driver on s. Each dial asks for the connection to the next host.
func drive(t testing.TB, s *Session, dial func(host string) net.Conn, hosts ...string) *driver {
	t.Helper()
	d := &driver{t: t, s: s, events: make(chan zk.Event, 1000)}
	rot := &rotation{hosts: hosts, over: func() bool { return s.fence.Load() != nil }}
	conn, _, err := zk.Connect(hosts, testTimeout,
		zk.WithLogger(silence{}), zk.WithLogInfo(false), zk.WithHostProvider(rot),
		zk.WithMaxConnBufferSize(64<<10), zk.WithMaxBufferSize(64<<10),
		zk.WithEventCallback(func(e zk.Event) { d.events <- e }),
		zk.WithDialer(func(_, host string, _ time.Duration) (net.Conn, error) { return s.Wrap(dial(host)) }))
	require.NoError(t, err)
	d.Conn = conn
	return d
}

// until waits for a session event.
func (d *driver) until(state zk.State) {
	d.t.Helper()
	for start := time.Now(); time.Since(start) < time.Minute; {
		if e := next(d.t, d.events); e.Type == zk.EventSession && e.State == state {
			return
		}
	}
	d.t.Fatalf("no %v for a minute", state)
}

// next receives a value. The driver's pings would keep a bubble alive for ever.
func next[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(time.Minute):
		t.Fatal("nothing has happened for a minute")
	}
	return v
}
