package realzk

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// echo is a server that sends every byte back and remembers what it has seen.
type echo struct {
	net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	seen  strings.Builder
	ended []error // how connections ended, nil for an orderly end
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	return serveEcho(t, listener)
}

func serveEcho(t *testing.T, listener net.Listener) *echo {
	t.Helper()
	e := &echo{Listener: listener}
	e.wg.Go(e.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		e.hangUp()
		e.wg.Wait()
	})
	return e
}

func (e *echo) accept() {
	for {
		conn, err := e.Accept()
		if err != nil {
			return
		}
		e.mu.Lock()
		e.conns = append(e.conns, conn)
		e.mu.Unlock()
		e.wg.Go(func() { e.serve(conn) })
	}
}

func (e *echo) hangUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, conn := range e.conns {
		_ = conn.Close()
	}
}

func (e *echo) serve(conn net.Conn) {
	defer conn.Close()
	_, err := io.Copy(conn, io.TeeReader(conn, e))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = append(e.ended, err)
}

// Write remembers what was received.
func (e *echo) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen.Write(b)
}

func (e *echo) received() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen.String()
}

func (e *echo) ends() []error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]error(nil), e.ended...)
}

// talk is a client of an echo server.
type talk struct {
	t *testing.T
	*net.TCPConn
	lines *bufio.Reader
}

func talkTo(t *testing.T, addr string) *talk {
	t.Helper()
	conn, err := net.Dial("tcp4", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return &talk{t, conn.(*net.TCPConn), bufio.NewReader(conn)}
}

func (c *talk) say(line string) {
	c.t.Helper()
	_, err := io.WriteString(c, line+"\n")
	require.NoError(c.t, err)
}

func (c *talk) hear(want string) {
	c.t.Helper()
	got, err := c.lines.ReadString('\n')
	require.NoError(c.t, err)
	require.Equal(c.t, want+"\n", got)
}

// silence requires that nothing arrives for a while.
func (c *talk) silence() {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := c.lines.ReadByte()
	require.ErrorIs(c.t, err, os.ErrDeadlineExceeded)
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
}

func (c *talk) requireReset() {
	c.t.Helper()
	_, err := c.lines.ReadByte()
	require.ErrorIs(c.t, err, syscall.ECONNRESET)
}

// eventually waits for what another goroutine or process does next.
func eventually(t *testing.T, condition func() bool, message string) {
	t.Helper()
	ctx, look := within(t), time.NewTicker(time.Millisecond)
	defer look.Stop()
	for !condition() {
		select {
		case <-look.C:
		case <-ctx.Done():
			require.FailNow(t, "it does not happen", message)
		}
	}
}

func TestProxyPassesEverythingOn(t *testing.T) {
	server := newEcho(t)
	p := NewProxy(t, server.Addr().String())
	c := talkTo(t, p.Addr())
	c.say("hello")
	c.hear("hello")

	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB, far more than one chunk
	go func() { _, _ = io.WriteString(c, big+"\n") }()
	c.hear(big)

	require.NoError(t, c.CloseWrite())
	_, err := c.lines.ReadByte()
	require.ErrorIs(t, err, io.EOF, "an orderly end stays one")
	eventually(t, func() bool { return len(server.ends()) == 1 }, "the server must see the end")
	assert.NoError(t, server.ends()[0])
	assert.Equal(t, 1, p.Accepted())
	eventually(t, func() bool { return len(p.snapshot()) == 0 }, "a finished link is kept")
}

func TestProxyCut(t *testing.T) {
	server := newEcho(t)
	p := NewProxy(t, server.Addr().String())
	c := talkTo(t, p.Addr())
	c.say("hello")
	c.hear("hello")
	p.Cut()
	c.requireReset()
	eventually(t, func() bool { return len(server.ends()) == 1 }, "the server must see the end")
	assert.ErrorIs(t, server.ends()[0], syscall.ECONNRESET)

	again := talkTo(t, p.Addr())
	again.say("again")
	again.hear("again")
	assert.Equal(t, 2, p.Accepted())
}

func TestProxyPassesAResetOn(t *testing.T) {
	server := newEcho(t)
	p := NewProxy(t, server.Addr().String())
	c := talkTo(t, p.Addr())
	c.say("hello")
	c.hear("hello")
	server.mu.Lock()
	require.NoError(t, server.conns[0].(*net.TCPConn).SetLinger(0))
	server.mu.Unlock()
	server.hangUp()
	c.requireReset()
	eventually(t, func() bool { return len(server.ends()) == 1 }, "the server has hung up")

	c = talkTo(t, p.Addr())
	c.say("hello")
	c.hear("hello")
	require.NoError(t, c.SetLinger(0))
	require.NoError(t, c.Close())
	eventually(t, func() bool { return len(server.ends()) == 2 }, "the server must see the end")
	assert.ErrorIs(t, server.ends()[1], syscall.ECONNRESET)
}

// The system completes connections that the proxy has not seen yet when it
// starts to refuse them.
func TestProxyRefusesWhatTheSystemHadAccepted(t *testing.T) {
	server := newEcho(t)
	p := NewProxy(t, server.Addr().String())
	before := p.listener
	p.Refuse()
	other, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer other.Close()
	c := talkTo(t, other.Addr().String())
	late, err := other.Accept()
	require.NoError(t, err)
	p.admit(before, late.(*net.TCPConn))
	c.requireReset()
	require.NoError(t, p.Heal())
	assert.Zero(t, p.Accepted())
}

func TestProxyRefuse(t *testing.T) {
	p := NewProxy(t, newEcho(t).Addr().String())
	c := talkTo(t, p.Addr())
	c.say("hello")
	c.hear("hello")
	p.Refuse()
	p.Refuse() // no harm
	_, err := net.Dial("tcp4", p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	c.say("still here")
	c.hear("still here")

	addr := p.Addr()
	require.NoError(t, p.Heal())
	require.NoError(t, p.Heal()) // no harm
	assert.Equal(t, addr, p.Addr())
	again := talkTo(t, addr)
	again.say("again")
	again.hear("again")
}

func TestProxyBlackholeKeepsBytesUntilHeal(t *testing.T) {
	t.Run("to the server", func(t *testing.T) {
		server := newEcho(t)
		p := NewProxy(t, server.Addr().String())
		c := talkTo(t, p.Addr())
		c.say("one")
		c.hear("one")
		p.Blackhole(ToServer)
		c.say("two")
		c.silence()
		assert.Equal(t, "one\n", server.received())
		require.NoError(t, p.Heal())
		c.hear("two")
	})
	t.Run("to the client", func(t *testing.T) {
		server := newEcho(t)
		p := NewProxy(t, server.Addr().String())
		c := talkTo(t, p.Addr())
		p.Blackhole(ToClient)
		c.say("one")
		eventually(t, func() bool { return server.received() == "one\n" }, "this way is open")
		c.silence()
		require.NoError(t, p.Heal())
		c.hear("one")
	})
}

func TestProxyBlackholeHidesTheEndOfAConnection(t *testing.T) {
	server := newEcho(t)
	p := NewProxy(t, server.Addr().String())
	c, other := talkTo(t, p.Addr()), talkTo(t, p.Addr())
	c.say("one")
	c.hear("one")
	p.Blackhole(Both)
	require.NoError(t, c.Close())
	other.silence() // gives the end of c time to arrive where it must not
	assert.Empty(t, server.ends())
	require.NoError(t, p.Heal())
	eventually(t, func() bool { return len(server.ends()) == 1 }, "the end must arrive in the end")
}

func TestProxyBlackholeKeepsNewConnectionsWaiting(t *testing.T) {
	server := newEcho(t)
	p := NewProxy(t, server.Addr().String())
	p.Blackhole(Both)
	c := talkTo(t, p.Addr())
	c.say("one")
	c.silence()
	assert.Empty(t, server.received())
	require.NoError(t, p.Heal())
	c.hear("one")
}

func TestProxyCutInABlackholeLosesBytes(t *testing.T) {
	server := newEcho(t)
	p := NewProxy(t, server.Addr().String())
	c := talkTo(t, p.Addr())
	c.say("one")
	c.hear("one")
	p.Blackhole(ToServer)
	c.say("lost")
	c.silence()
	p.Cut()
	c.requireReset()
	require.NoError(t, p.Heal())
	eventually(t, func() bool { return len(server.ends()) == 1 }, "the server must see the end")
	assert.Equal(t, "one\n", server.received())
}

func TestProxyDelay(t *testing.T) {
	const delay = 100 * time.Millisecond
	p := NewProxy(t, newEcho(t).Addr().String())
	c := talkTo(t, p.Addr())
	c.say("quick")
	c.hear("quick")
	p.Delay(delay)
	begin := time.Now()
	c.say("slow")
	c.hear("slow")
	assert.GreaterOrEqual(t, time.Since(begin), 2*delay, "the delay counts each way")

	const lines = 200
	begin = time.Now()
	for range lines {
		c.say(strings.Repeat("x", chunkSize)) // more than a chunk each
	}
	for range lines {
		c.hear(strings.Repeat("x", chunkSize))
	}
	assert.Less(t, time.Since(begin), lines*delay/2, "what is sent together is delayed together")

	c.say("held")
	p.Delay(time.Hour)
	c.silence()
	require.NoError(t, p.Heal())
	c.hear("held")
}

func TestProxyWithoutAServer(t *testing.T) {
	ports, err := reserve(1)
	require.NoError(t, err)
	defer releaseAll(ports)
	p := NewProxy(t, ports[0].addr())
	conn, err := net.Dial("tcp4", p.Addr())
	if err == nil { // else the reset was quicker than Dial
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestProxyWithPatience(t *testing.T) {
	ports, err := reserve(2)
	require.NoError(t, err)
	defer releaseAll(ports)
	target := ports[0]
	p := newProxy(target.addr(), ports[1])
	p.patience = 30 * time.Second
	require.NoError(t, p.listen())
	t.Cleanup(p.Close)

	c := talkTo(t, p.Addr())
	c.say("early")
	c.silence()
	listener, err := target.listen()
	require.NoError(t, err)
	serveEcho(t, listener)
	c.hear("early")
}

func TestProxyCloseEndsEverything(t *testing.T) {
	server := newEcho(t)
	p, err := startProxy(server.Addr().String())
	require.NoError(t, err)
	c := talkTo(t, p.Addr())
	c.say("one")
	c.hear("one")
	p.Blackhole(Both)
	waiting := talkTo(t, p.Addr())
	eventually(t, func() bool { return p.Accepted() == 2 }, "the second connection is accepted")
	p.Close()
	c.requireReset()
	waiting.requireReset()
	require.NoError(t, p.Heal(), "a closed proxy stays closed")
	_, err = net.Dial("tcp4", p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	p.Close() // no harm
}

// Verbs and connections at random: nothing hangs, races or leaks.
func TestProxyUnderStress(t *testing.T) {
	p := NewProxy(t, newEcho(t).Addr().String())
	var clients, faults sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		clients.Go(func() {
			for range 50 {
				conn, err := net.Dial("tcp4", p.Addr())
				if err != nil {
					continue
				}
				_ = conn.SetDeadline(time.Now().Add(5 * time.Millisecond))
				_, _ = io.WriteString(conn, "hello")
				_, _ = conn.Read(make([]byte, 5))
				_ = conn.Close()
			}
		})
	}
	verbs := []func(){
		p.Cut, p.Refuse, func() { p.Blackhole(ToClient) }, func() { p.Delay(time.Millisecond) }, func() { p.Blackhole(ToServer) },
	}
	for _, verb := range verbs {
		faults.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					verb()
					assert.NoError(t, p.Heal())
				}
			}
		})
	}
	clients.Wait()
	close(stop)
	faults.Wait()
	c := talkTo(t, p.Addr())
	c.say("after all")
	c.hear("after all")
}

// The faults as an ordinary ZooKeeper client sees them.
func TestProxyInFrontOfZooKeeper(t *testing.T) {
	s := Shared(t)
	p := NewProxy(t, s.Addr())
	through, direct := connect(t, p.Addr()), connect(t, s.Addr())
	id := through.SessionID()

	p.Cut()
	through.await(t, zk.StateDisconnected)
	through.await(t, zk.StateHasSession)
	assert.Equal(t, id, through.SessionID(), "a cut does not end the session")

	// The classic: the write is committed and its reply is lost.
	p.Blackhole(ToClient)
	result := make(chan error, 1)
	go func() {
		_, err := through.Create(s.Root()+"/node", []byte{}, 0, zk.WorldACL(zk.PermAll))
		result <- err
	}()
	eventually(t, func() bool {
		there, _, err := direct.Exists(s.Root() + "/node")
		return err == nil && there
	}, "the request must reach the server")
	p.Cut()
	require.NoError(t, p.Heal())
	err := <-result
	assert.True(t, errors.Is(err, zk.ErrConnectionClosed), "%v", err)
}
