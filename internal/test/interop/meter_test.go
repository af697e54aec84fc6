package interop

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// meter is a way to a server on which the requests of its clients and the answers are counted, but for handshakes and pings.
// Docent and its peers go the same way.
type meter struct {
	listener net.Listener
	target   string
	ways     sync.WaitGroup

	requests, received atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool // nil when the meter is closed
}

// traffic is what clients have asked for, and the bytes that they got.
type traffic struct{ requests, received int64 }

// metered is the world for one participant, whose traffic is counted.
func (w *world) metered() (*world, *meter) {
	w.t.Helper()
	addr, chroot, _ := strings.Cut(w.connect, "/")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	m := &meter{listener: listener, target: addr, conns: map[net.Conn]bool{}}
	m.ways.Go(m.serve)
	w.t.Cleanup(m.close)
	behind := w.in(w.t)
	behind.connect = strings.TrimSuffix(listener.Addr().String()+"/"+chroot, "/")
	return behind, m
}

func (m *meter) serve() {
	for {
		client, err := m.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", m.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !m.add(client, server) {
			return
		}
		m.ways.Go(func() { m.carry(server, client, func(int64) { m.requests.Add(1) }) })
		m.ways.Go(func() { m.carry(client, server, func(size int64) { m.received.Add(size) }) })
	}
}

// add has conns closed with the meter, at once if that is closed.
func (m *meter) add(conns ...net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range conns {
		if m.conns == nil {
			_ = c.Close()
			continue
		}
		m.conns[c] = true
	}
	return m.conns != nil
}

// carry takes bytes from one end to the other, until one of them is closed. Then both are.
func (m *meter) carry(to, from net.Conn, counted func(size int64)) {
	_, _ = io.Copy(io.MultiWriter(&frames{counted: counted}, to), from)
	m.drop(to, from)
}

func (m *meter) drop(conns ...net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(m.conns, c)
	}
}

// cut breaks the connections that there are.
func (m *meter) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		_ = c.Close()
	}
}

func (m *meter) close() {
	_ = m.listener.Close()
	m.cut()
	m.mu.Lock()
	m.conns = nil
	m.mu.Unlock()
	m.ways.Wait()
}

// now is the traffic so far.
func (m *meter) now() traffic { return traffic{m.requests.Load(), m.received.Load()} }

func (t traffic) minus(earlier traffic) traffic {
	return traffic{t.requests - earlier.requests, t.received - earlier.received}
}

// during is the traffic while f runs.
func (m *meter) during(f func()) traffic {
	before := m.now()
	f()
	return m.now().minus(before)
}

// frames counts those of a stream of one direction.
type frames struct {
	counted func(size int64)
	head    []byte // the begin of a frame whose size and number are not complete yet
	skip    int    // bytes of the present frame that are still to come
	begun   bool   // behind the handshake
}

const pingXid = -2

func (f *frames) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if n := min(f.skip, len(rest)); n > 0 {
			f.skip, rest = f.skip-n, rest[n:]
			continue
		}
		n := min(8-len(f.head), len(rest))
		f.head, rest = append(f.head, rest[:n]...), rest[n:]
		if len(f.head) == 8 {
			if err := f.frame(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

func (f *frames) frame() error {
	size, xid := int32(binary.BigEndian.Uint32(f.head)), int32(binary.BigEndian.Uint32(f.head[4:]))
	if size < 4 {
		return errors.New("a frame without a number")
	}
	if f.begun && xid != pingXid {
		f.counted(int64(size) + 4)
	}
	f.begun, f.skip, f.head = true, int(size)-4, f.head[:0]
	return nil
}

// A meter and the server count the same.
func TestMeter(t *testing.T) {
	t.Parallel()
	f := onFake(t)
	w, m := f.metered()
	cli := w.client()
	session := cli.State().SessionID
	before := f.server.SessionCounts(session)
	got := m.during(func() {
		for range 10 {
			require.NoError(t, cli.Sync(within(t), "/"))
		}
		m.cut()
		_, err := cli.Get(within(t), "/")
		require.NoError(t, err)
	})
	assert.Equal(t, total(f.since(session, before)), got.requests)
	assert.Greater(t, got.received, 11*int64(20))
	assert.Less(t, got.received, 12*int64(200))
}
