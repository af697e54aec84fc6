package zktest_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// world is a server with raw clients, in which a test tries one of the server's features.
type world struct {
	*testing.T
	srv *zktest.Server
	s   *script
	log *traceLog
}

// traceLog collects a server's trace, so that a test can wait for something that no client sees.
type traceLog struct {
	mu    sync.Mutex
	more  *sync.Cond
	lines []string
}

func newTraceLog() *traceLog {
	l := &traceLog{}
	l.more = sync.NewCond(&l.mu)
	return l
}

func (l *traceLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	l.more.Broadcast()
}

// text returns everything so far.
func (l *traceLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// until waits for a line that contains text.
func (l *traceLog) until(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seen := 0; ; l.more.Wait() {
		for ; seen < len(l.lines); seen++ {
			if strings.Contains(l.lines[seen], text) {
				return
			}
		}
	}
}

// inBubble runs f in a synctest bubble, with a server in memory.
func inBubble(t *testing.T, cfg zktest.Config, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := newTraceLog()
		cfg.Trace = log.add
		srv, err := zktest.StartMemory(cfg)
		require.NoError(t, err)
		defer func() { require.NoError(t, srv.Close()) }()
		f(newWorld(t, srv, log))
	})
}

// onTCP runs f with a server behind TCP.
func onTCP(t *testing.T, cfg zktest.Config, f func(w *world)) {
	t.Helper()
	log := newTraceLog()
	cfg.Trace = log.add
	srv, err := zktest.Start(cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	f(newWorld(t, srv, log))
}

// onBoth runs f on a server in memory and on one behind TCP.
func onBoth(t *testing.T, cfg zktest.Config, f func(w *world)) {
	t.Run("memory", func(t *testing.T) { inBubble(t, cfg, f) })
	t.Run("tcp", func(t *testing.T) { onTCP(t, cfg, f) })
}

func newWorld(t *testing.T, srv *zktest.Server, log *traceLog) *world {
	w := &world{T: t, srv: srv, log: log}
	w.s = &script{t: t, sessions: make(map[int64]string), target: target{
		patience: 10 * time.Second,
		dial: func(client string) (net.Conn, error) {
			return srv.Client(client).DialTimeout("tcp", srv.Addrs()[0], 10*time.Second)
		},
	}}
	t.Cleanup(func() {
		for _, r := range w.s.clients {
			_ = r.conn.Close()
		}
	})
	return w
}

// join makes a client with a session.
func (w *world) join(name string) *raw {
	w.Helper()
	return w.joinAt(name, 0, 30*time.Second)
}

// joinAt makes a client with a session at an endpoint.
func (w *world) joinAt(name string, endpoint int, timeout time.Duration) *raw {
	w.Helper()
	r := w.knock(name, endpoint)
	r.shake(&jute.ConnectRequest{TimeOut: int32(timeout / time.Millisecond), Passwd: make([]byte, 16)})
	require.NotZero(w, r.id, "%v", w.s.lines)
	return r
}

// knock opens a connection without a handshake.
func (w *world) knock(name string, endpoint int) *raw {
	w.Helper()
	conn, err := w.srv.Client(name).DialTimeout("tcp", w.srv.Addrs()[endpoint], 10*time.Second)
	require.NoError(w, err)
	r := &raw{s: w.s, name: name, conn: conn, in: bufio.NewReader(conn)}
	w.s.clients = append(w.s.clients, r)
	return r
}

// resume attaches r's session to a new connection; id is 0 if the server refused.
func (w *world) resume(r *raw, endpoint int) *raw {
	w.Helper()
	again := w.knock(r.name, endpoint)
	again.shake(&jute.ConnectRequest{TimeOut: 30000, SessionID: r.id, Passwd: r.passwd})
	return again
}

// post sends a request and does not wait for the answer.
func (r *raw) post(op zktest.Op, b body) {
	r.xid++
	r.send(frame(&jute.RequestHeader{Xid: r.xid, Op: int32(op)}, b))
}

// answer reads the next packet: its header and, for an event, its description.
func (r *raw) answer() (h jute.ReplyHeader, event string, err error) {
	_ = r.conn.SetReadDeadline(time.Now().Add(r.s.patience))
	length := make([]byte, 4)
	if _, err := io.ReadFull(r.in, length); err != nil {
		return h, "", err
	}
	b := make([]byte, jute.NewDecoder(length).Int32())
	if _, err := io.ReadFull(r.in, b); err != nil {
		return h, "", err
	}
	d := jute.NewDecoder(b)
	h.Decode(d)
	if h.Xid == -1 {
		var ev jute.WatcherEvent
		ev.Decode(d)
		event = zktest.EventType(ev.Type).String() + " " + ev.Path
	}
	return h, event, d.Err()
}

// ask sends a request and returns the error code of the answer.
func (w *world) ask(r *raw, op zktest.Op, b body) zktest.ErrCode {
	w.Helper()
	r.post(op, b)
	h, event, err := r.answer()
	require.NoError(w, err)
	require.Empty(w, event)
	require.Equal(w, r.xid, h.Xid)
	return zktest.ErrCode(h.Err)
}

// works checks that a client gets answers.
func (w *world) works(r *raw) {
	w.Helper()
	require.Zero(w, w.ask(r, zktest.OpExists, &jute.PathWatchRequest{Path: "/"}))
}

// event expects a watch event.
func (w *world) event(r *raw, want string) {
	w.Helper()
	_, event, err := r.answer()
	require.NoError(w, err)
	require.Equal(w, want, event)
}

// silent expects that nothing arrives for a while.
func (w *world) silent(r *raw, d time.Duration) {
	w.Helper()
	_ = r.conn.SetReadDeadline(time.Now().Add(d))
	n, err := r.in.Read(make([]byte, 1))
	require.Zero(w, n)
	require.ErrorIs(w, err, os.ErrDeadlineExceeded)
}

// ended expects that the server has closed or reset the connection.
func (w *world) ended(r *raw) {
	w.Helper()
	_, event, err := r.answer()
	require.Error(w, err, event)
	require.NotErrorIs(w, err, os.ErrDeadlineExceeded)
}

// quickly is a context for something that is expected to fail in time.
func (w *world) quickly(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), d)
	w.Cleanup(cancel)
	return ctx
}
