package framework_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// impostor is a connection to something that is not a well-behaved server. After the first failure its methods do nothing.
type impostor struct {
	conn net.Conn
	err  error
}

// say sends bytes in pieces, in a bubble, with a pause after each piece.
func (i *impostor) say(b []byte, size int, pause time.Duration) {
	for i.err == nil && len(b) > 0 {
		n := min(size, len(b))
		_, i.err = i.conn.Write(b[:n])
		b = b[n:]
		time.Sleep(pause)
	}
}

// send sends bytes at once.
func (i *impostor) send(b []byte) { i.say(b, len(b), 0) }

// hear reads a frame.
func (i *impostor) hear() []byte {
	var prefix [4]byte
	if i.err == nil {
		_, i.err = io.ReadFull(i.conn, prefix[:])
	}
	if i.err != nil {
		return nil
	}
	b := make([]byte, binary.BigEndian.Uint32(prefix[:]))
	_, i.err = io.ReadFull(i.conn, b)
	return b
}

// swallow reads until the client hangs up.
func (i *impostor) swallow() { _, _ = io.Copy(io.Discard, i.conn) }

// greet answers the handshake with a session.
func (i *impostor) greet(timeout int32) {
	i.hear()
	i.send(greeting(timeout, 77))
}

// requests calls f for each request, with its xid and its opcode.
func (i *impostor) requests(f func(xid, op int32)) {
	for {
		b := i.hear()
		if i.err != nil {
			return
		}
		f(int32(binary.BigEndian.Uint32(b)), int32(binary.BigEndian.Uint32(b[4:])))
	}
}

// encoded is a frame of records.
func encoded(records ...interface{ Encode(*jute.Encoder) }) []byte {
	var e jute.Encoder
	mark := e.BeginFrame()
	for _, r := range records {
		r.Encode(&e)
	}
	e.EndFrame(mark)
	return e.Bytes()
}

func greeting(timeout int32, id int64) []byte {
	return encoded(&jute.ConnectResponse{TimeOut: timeout, SessionID: id, Passwd: make([]byte, 16)})
}

func answer(xid int32, body []byte) []byte {
	return encoded(&jute.ReplyHeader{Xid: xid, Zxid: 1}, rawBody(body))
}

type rawBody []byte

func (b rawBody) Encode(e *jute.Encoder) { e.Raw(b) }

// length is the prefix of a frame that claims to have so many bytes.
func length(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

const (
	pingOp     = 11
	pingXid    = -2
	granted    = int32(sessionTimeout / time.Millisecond)
	claimed    = 1 << 30
	impatience = time.Second // of calls to an impostor
)

// impostors are all kinds of peer that a client may meet in place of a server, in a bubble.
var impostors = map[string]func(i *impostor){
	"hangs up":               func(*impostor) {},
	"is half open":           func(i *impostor) { time.Sleep(time.Hour) },
	"takes everything":       func(i *impostor) { i.swallow() },
	"speaks HTTP":            func(i *impostor) { i.send([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); i.swallow() },
	"sends zeros":            func(i *impostor) { i.hear(); i.send(make([]byte, 4<<10)); i.swallow() },
	"greets byte by byte":    func(i *impostor) { i.hear(); i.say(greeting(granted, 77), 1, time.Second); i.swallow() },
	"greets with 1 GiB":      func(i *impostor) { i.hear(); i.send(length(claimed)); i.say(make([]byte, 1<<10), 1, time.Second) },
	"greets with a minus":    func(i *impostor) { i.hear(); i.send(length(-1)); i.swallow() },
	"greets with nothing":    func(i *impostor) { i.hear(); i.send(length(0)); i.swallow() },
	"refuses a session":      func(i *impostor) { i.hear(); i.send(greeting(granted, 0)); i.swallow() },
	"grants no time":         func(i *impostor) { i.greet(0); i.swallow() },
	"grants a negative time": func(i *impostor) { i.greet(-granted); i.swallow() },
	"grants a millisecond":   func(i *impostor) { i.greet(1); i.swallow() },
	"falls silent":           func(i *impostor) { i.greet(granted); i.swallow() },
	"stops reading":          func(i *impostor) { i.greet(granted); time.Sleep(time.Hour) },
	"turns to garbage":       func(i *impostor) { i.greet(granted); i.send([]byte(strings.Repeat("no frame ", 500))); i.swallow() },
	"claims 1 GiB": func(i *impostor) {
		i.greet(granted)
		i.send(length(claimed))
		i.say(make([]byte, 1<<20), 64, 10*time.Millisecond)
	},
	"claims the longest frame": func(i *impostor) { i.greet(granted); i.send(length(math.MaxInt32)); i.swallow() },
	"claims a negative length": func(i *impostor) { i.greet(granted); i.send(length(math.MinInt32)); i.swallow() },
	"answers nobody": func(i *impostor) {
		i.greet(granted)
		i.each(time.Millisecond, func(n int32) []byte { return answer(1<<20+n, nil) })
	},
	"tells of events for ever": func(i *impostor) {
		i.greet(granted)
		i.each(10*time.Millisecond, func(int32) []byte { return eventOn("/elsewhere") })
	},
	"tells of nameless events": func(i *impostor) {
		i.greet(granted)
		i.each(10*time.Millisecond, func(int32) []byte { return eventOn("") })
	},
	"cuts an event short": func(i *impostor) {
		i.greet(granted)
		i.send(encoded(&jute.ReplyHeader{Xid: -1}, rawBody{0, 0}))
		i.swallow()
	},
	"answers pings only":         func(i *impostor) { i.greet(granted); i.requests(i.ping) },
	"answers with nothing":       func(i *impostor) { i.greet(granted); i.reply(nil) },
	"answers with a long string": func(i *impostor) { i.greet(granted); i.reply(length(claimed)) },
	"answers with a long list":   func(i *impostor) { i.greet(granted); i.reply(append(length(math.MaxInt32), make([]byte, 64)...)) },
	"answers with other numbers": func(i *impostor) {
		i.greet(granted)
		i.requests(func(xid, op int32) { i.send(answer(xid+1, nil)) })
	},
	"answers twice": func(i *impostor) {
		i.greet(granted)
		i.requests(func(xid, op int32) { i.send(answer(xid, nil)); i.send(answer(xid, nil)) })
	},
	"answers byte by byte": func(i *impostor) {
		i.greet(granted)
		i.requests(func(xid, op int32) { i.say(answer(xid, make([]byte, 100)), 1, time.Second) })
	},
}

// each sends something again and again, in a bubble, at a pace, until the client hangs up.
func (i *impostor) each(pace time.Duration, next func(n int32) []byte) {
	go i.swallow()
	for n := int32(0); i.err == nil; n++ {
		i.send(next(n))
		time.Sleep(pace)
	}
}

// ping answers a ping.
func (i *impostor) ping(xid, op int32) {
	if op == pingOp {
		i.send(answer(pingXid, nil))
	}
}

// reply answers every request but pings with the same body.
func (i *impostor) reply(body []byte) {
	i.requests(func(xid, op int32) {
		if i.ping(xid, op); op != pingOp {
			i.send(answer(xid, body))
		}
	})
}

func eventOn(path string) []byte {
	return encoded(&jute.ReplyHeader{Xid: -1, Zxid: -1}, &jute.WatcherEvent{Type: 3, State: 3, Path: path})
}

// imposture is a network in which an impostor answers until it is exposed.
type imposture struct {
	s       *zktest.Server
	play    func(i *impostor)
	exposed atomic.Bool
	met     atomic.Int64
	playing sync.WaitGroup

	mu    sync.Mutex
	conns []*roomy
}

func (n *imposture) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if n.exposed.Load() {
		return n.s.Client("test").Dial(ctx, network, addr)
	}
	n.met.Add(1)
	client, pipe := net.Pipe()
	server := newRoomy(pipe)
	n.mu.Lock()
	n.conns = append(n.conns, server)
	n.mu.Unlock()
	n.playing.Go(server.fill)
	n.playing.Go(func() {
		n.play(&impostor{conn: server})
		_ = server.Close()
	})
	return client, nil
}

// expose ends what the impostor has, and lets the server be found.
func (n *imposture) expose() {
	n.exposed.Store(true)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, conn := range n.conns {
		_ = conn.Close()
	}
}

// room is what a connection takes that nobody has read.
const room = 64 << 10

// roomy is the far end of a connection, with a buffer such as a system has: who writes does not wait for who reads until it is full.
type roomy struct {
	net.Conn
	mu    sync.Mutex
	moved *sync.Cond
	buf   []byte
	err   error // of the end of the stream
}

func newRoomy(conn net.Conn) *roomy {
	r := &roomy{Conn: conn}
	r.moved = sync.NewCond(&r.mu)
	return r
}

func (r *roomy) fill() {
	part := make([]byte, 4<<10)
	for {
		n, err := r.Conn.Read(part)
		r.mu.Lock()
		r.buf = append(r.buf, part[:n]...)
		if err != nil {
			r.err = err
		}
		r.moved.Broadcast()
		for len(r.buf) >= room && r.err == nil {
			r.moved.Wait()
		}
		over := r.err != nil
		r.mu.Unlock()
		if over {
			return
		}
	}
}

func (r *roomy) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.buf) == 0 && r.err == nil {
		r.moved.Wait()
	}
	if len(r.buf) == 0 {
		return 0, r.err
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	r.moved.Broadcast()
	return n, nil
}

func (r *roomy) Close() error {
	r.mu.Lock()
	if r.err == nil {
		r.err = net.ErrClosed
	}
	r.moved.Broadcast()
	r.mu.Unlock()
	return r.Conn.Close()
}

// callWhileMet calls an impostor from several goroutines. All calls must return when their ctx ends.
func callWhileMet(t *testing.T, cli *framework.Client) {
	t.Helper()
	var callers sync.WaitGroup
	call := func(do func(ctx context.Context) error) {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), impatience)
			defer cancel()
			begin := time.Now()
			_ = do(ctx) // what a liar says is not looked at
			assert.LessOrEqual(t, time.Since(begin), impatience+100*time.Millisecond)
		})
	}
	call(func(ctx context.Context) error { _, err := cli.Get(ctx, "/node"); return err })
	call(func(ctx context.Context) error { _, _, err := cli.Children(ctx, "/node"); return err })
	call(func(ctx context.Context) error {
		_, err := cli.Create(ctx, "/mine", nil, framework.Ephemeral)
		return err
	})
	call(func(ctx context.Context) error {
		_, err := cli.Set(ctx, "/node", make([]byte, 1<<20), framework.AnyVersion)
		return err
	})
	call(func(ctx context.Context) error {
		_, err := cli.Multi(ctx, []framework.Op{framework.CheckOp("/node", 1), framework.DeleteOp("/node", 1)})
		return err
	})
	callers.Wait()
}

// meet lets a client, in a bubble, meet an impostor for some rounds of calls, and then a server.
func meet(t *testing.T, rounds int, play func(i *impostor)) {
	s := startServer(t, zktest.Config{})
	n := &imposture{s: s, play: play}
	cli := newClient(t, s, func(c *framework.Config) { c.Dialer = n.dial })
	for range rounds {
		callWhileMet(t, cli)
		time.Sleep(5 * time.Second)
	}
	synctest.Wait()
	require.Positive(t, n.met.Load())
	n.expose()
	ctx := within(t, 3*time.Minute)
	for {
		_, err := cli.Create(ctx, "/alive", nil, framework.Ephemeral)
		if err == nil || errors.Is(err, framework.ErrNodeExists) {
			break
		}
		require.NoError(t, ctx.Err(), "the client has not found the server: %v", err)
		time.Sleep(100 * time.Millisecond)
	}
	require.NoError(t, cli.Close())
	n.playing.Wait()
	assert.Len(t, s.Sessions(), 0)
}

// With an impostor in place of the server, calls end in time and little memory is used. The client finds the server as soon as it is there.
func TestImpostors(t *testing.T) {
	for name, play := range impostors {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			bubble(t, func(t *testing.T) { meet(t, 10, play) })
			runtime.ReadMemStats(&after)
			t.Logf("%d KiB allocated", (after.TotalAlloc-before.TotalAlloc)>>10)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(claimed/2), "what an impostor claims is not allocated")
		})
	}
}

// FuzzImpostor lets a client meet a peer that sends any bytes, in pieces, with or without a handshake before them.
func FuzzImpostor(f *testing.F) {
	f.Add([]byte("HTTP/1.1 400 Bad Request"), false, uint8(3), uint8(1))
	f.Add(greeting(granted, 77), false, uint8(0), uint8(9))
	f.Add(greeting(granted, -1), false, uint8(200), uint8(0))
	f.Add(eventOn("/node"), true, uint8(200), uint8(0))
	f.Add(answer(1<<30, []byte{0, 0, 0, 1, 'x'}), true, uint8(1), uint8(100))
	f.Add(answer(pingXid, nil), true, uint8(255), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, greets bool, size, pause uint8) {
		if len(data) > 512 {
			return
		}
		bubble(t, func(t *testing.T) {
			meet(t, 1, func(i *impostor) {
				i.hear()
				if greets {
					i.send(greeting(granted, 77))
				}
				i.say(data, int(size)+1, time.Duration(pause)*time.Millisecond)
				i.swallow()
			})
		})
	})
}
