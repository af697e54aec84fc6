package wire

import (
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inBubble runs a real driver against a mini server in fake time.
func inBubble(t *testing.T, m *mini, s *Session, test func(t *testing.T, d *driver)) {
	synctest.Test(t, func(t *testing.T) {
		d := drive(t, s, func(string) net.Conn { return m.dial() }, "mini")
		defer func() { // also if the test has failed: a live driver never ends
			d.Close()
			s.Fence(errTest)
			m.stop()
			time.Sleep(5 * time.Second) // its last timers
		}()
		test(t, d)
	})
}

// With a hung server first in the list, the driver alone would need 6.7
// timeouts for its session.
func TestDriverPassesAHungServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := &mini{}, NewSession(Options{})
		var hung []net.Conn
		d := drive(t, s, func(host string) net.Conn {
			if host == "good" {
				return m.dial()
			}
			client, server := net.Pipe()
			go readFrame(server)
			hung = append(hung, server)
			return client
		}, "hung", "good")
		start := time.Now()
		d.until(zk.StateHasSession)
		assert.Equal(t, testTimeout/3, time.Since(start))
		c := getData("/a")
		require.NoError(t, s.Send(&c.Call))
		assert.NoError(t, c.ended(t))
		d.Close()
		m.stop()
		for _, c := range hung {
			c.Close()
		}
		time.Sleep(5 * time.Second)
	})
}

func TestDriverThroughTheWire(t *testing.T) {
	inBubble(t, &mini{timeout: 4 * time.Second}, NewSession(Options{}), func(t *testing.T, d *driver) {
		d.until(zk.StateHasSession)
		for range 3 {
			c := getData("/a")
			require.NoError(t, d.s.Send(&c.Call))
			require.NoError(t, c.ended(t))
			assert.Equal(t, "/a", c.data)
			assert.Equal(t, testStat, c.stat)
			time.Sleep(4 * time.Second)
		}
		assert.Equal(t, 4*time.Second, d.s.Timeout())
		assert.Equal(t, d.SessionID(), d.s.ID())
		assert.EqualValues(t, 1, d.s.Stats().Links)
		assert.Zero(t, d.s.current.Load().unrequested)
	})
}

// The driver pings every third of the timeout. What counts is the last ping
// that was answered.
func TestDriverInABlackHole(t *testing.T) {
	var mu sync.Mutex
	hole := false
	m := &mini{ignore: func(int32) bool { mu.Lock(); defer mu.Unlock(); return hole }}
	inBubble(t, m, NewSession(Options{}), func(t *testing.T, d *driver) {
		start := time.Now()
		d.until(zk.StateHasSession)
		time.Sleep(5 * time.Second)
		assert.Equal(t, 4*time.Second, d.s.LastAnswered().Sub(start))
		mu.Lock()
		hole = true
		mu.Unlock()
		time.Sleep(2900 * time.Millisecond)
		assert.Equal(t, 4*time.Second, d.s.LastAnswered().Sub(start))
		d.until(zk.StateDisconnected)
		assert.Equal(t, 8*time.Second, time.Since(start))
		d.until(zk.StateHasSession)
		assert.Equal(t, 8*time.Second, d.s.LastAnswered().Sub(start), "the handshake is an answer")
	})
}

// Left alone, the driver runs what was meant for the old session in the new one.
func TestDriverStaysOutOfASilentNewSession(t *testing.T) {
	id := testSession
	m := &mini{grant: func(connectRequest) int64 { id++; return id - 1 }}
	var foreign [2]int64
	s := NewSession(Options{OnForeign: func(asked, got int64) { foreign = [2]int64{asked, got} }})
	inBubble(t, m, s, func(t *testing.T, d *driver) {
		d.until(zk.StateHasSession)
		m.mu.Lock()
		m.ignore = func(op int32) bool { return op == opDelete }
		m.mu.Unlock()
		calls := make([]*testCall, 20)
		for i := range calls {
			calls[i] = deleteNode("/a")
			require.NoError(t, s.Send(&calls[i].Call))
		}
		synctest.Wait()
		before := len(m.seen(opDelete))
		m.cut()
		for _, c := range calls {
			assert.ErrorIs(t, c.ended(t), ErrUnanswered)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, [2]int64{testSession, testSession + 1}, foreign)
		assert.Len(t, m.seen(opDelete), before, "requests ran in the new session")
		assert.Equal(t, testSession, d.SessionID())
	})
}

func TestDriverLearnsOfItsExpiry(t *testing.T) {
	m := &mini{grant: func(ask connectRequest) int64 { return testSession * (1 - min(1, ask.id)) }}
	expired := 0
	s := NewSession(Options{OnExpired: func() { expired++ }})
	inBubble(t, m, s, func(t *testing.T, d *driver) {
		d.until(zk.StateHasSession)
		m.cut()
		d.until(zk.StateExpired)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, 1, expired)
		assert.Len(t, m.asks, 2, "no further session was asked for")
		assert.ErrorIs(t, d.Delete("/a", -1), zk.ErrNoServer)
	})
}

// The driver's own way of sending credentials hangs for ever in this case.
func TestDriverWhenCredentialsCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &mini{ignore: func(op int32) bool { return op == opAuth }}
		s := NewSession(Options{Auth: twoCredentials})
		dials := 0
		d := drive(t, s, func(string) net.Conn {
			if dials++; dials == 1 {
				return &failing{Conn: m.dial(), at: 2}
			}
			return m.dial()
		}, "mini")
		d.until(zk.StateHasSession)
		synctest.Wait()
		assert.Equal(t, 2, dials)
		assert.Len(t, m.seen(opAuth), 2)
		d.Close()
		m.stop()
		time.Sleep(5 * time.Second)
	})
}

// failing fails one of its writes.
type failing struct {
	net.Conn
	at int
}

func (c *failing) Write(p []byte) (int, error) {
	if c.at--; c.at == 0 {
		return 0, errors.New("broken pipe")
	}
	return c.Conn.Write(p)
}

// The driver knows of its own replies only, and asks for a session that has seen nothing else.
func TestDriverAsksWithTheNewestZxid(t *testing.T) {
	m := &mini{}
	inBubble(t, m, NewSession(Options{}), func(t *testing.T, d *driver) {
		d.until(zk.StateHasSession)
		m.mu.Lock()
		m.zxid += 100
		m.mu.Unlock()
		c := getData("/a")
		require.NoError(t, d.s.Send(&c.Call))
		require.NoError(t, c.ended(t))
		seen := d.s.LastZxid()
		m.cut()
		d.until(zk.StateHasSession)
		require.Len(t, m.asks, 2)
		assert.EqualValues(t, 101, seen)
		assert.Equal(t, seen, m.asks[1].zxid)
	})
}

// A fence frees every caller and ends the driver's traffic.
func TestDriverWhenFenced(t *testing.T) {
	m := &mini{ignore: func(op int32) bool { return op == opGetData }}
	inBubble(t, m, NewSession(Options{}), func(t *testing.T, d *driver) {
		d.until(zk.StateHasSession)
		calls := make([]*testCall, 50)
		for i := range calls {
			calls[i] = getData("/a")
			require.NoError(t, d.s.Send(&calls[i].Call))
		}
		synctest.Wait()
		d.s.Fence(errTest)
		for _, c := range calls {
			err := c.ended(t)
			assert.ErrorIs(t, err, ErrUnanswered)
			assert.ErrorIs(t, err, errTest)
		}
		assert.ErrorIs(t, d.s.Send(&getData("/a").Call), ErrNotSent)
		assert.Len(t, m.asks, 1)
	})
}

// The body of a reply to a ping, which has none, does not reach the driver, whose buffer may be too short for it.
func TestReplyToAPingWithABody(t *testing.T) {
	_, conn, tp := opened(t, Options{})
	for _, n := range []int{1, 2 << 10, 2 << 20} {
		_, err := conn.Write(pingFrame)
		require.NoError(t, err)
		tp.feed(replyFrame(xidPing, 5, 0, enc{}.zeros(n)))
		got, err := readFrame(conn)
		require.NoError(t, err)
		assert.Equal(t, replyFrame(xidPing, 5, 0, nil), got)
	}
}
