package wire

import (
	"bytes"
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
		_, _, err := d.Get("/a")
		assert.NoError(t, err)
		d.Close()
		m.stop()
		for _, c := range hung {
			c.Close()
		}
		time.Sleep(5 * time.Second)
	})
}

func TestDriverThroughTheWire(t *testing.T) {
	got := make(map[string]Stat)
	s := NewSession(Options{OnCreated: func(path string, stat Stat) { got[path] = stat }})
	inBubble(t, &mini{timeout: 4 * time.Second}, s, func(t *testing.T, d *driver) {
		data, stat, err := d.Get("/a")
		require.NoError(t, err)
		assert.Equal(t, "/a", string(data))
		assert.Equal(t, zk.Stat(aStat), *stat)
		children, _, err := d.Children("/a")
		require.NoError(t, err)
		assert.Equal(t, []string{"/a", "b"}, children)
		acl, _, err := d.GetACL("/a")
		require.NoError(t, err)
		assert.Equal(t, "/a", acl[0].ID)
		path, err := d.Create("/a", nil, 0, zk.WorldACL(zk.PermAll))
		require.NoError(t, err)
		assert.Equal(t, "/a", path)
		_, err = d.CreateContainer("/c", nil, zk.FlagContainer, zk.WorldACL(zk.PermAll))
		require.NoError(t, err)
		_, err = d.CreateTTL("/t", nil, zk.FlagTTL, zk.WorldACL(zk.PermAll), time.Second)
		require.NoError(t, err)
		assert.Equal(t, map[string]Stat{"/a": aStat, "/c": aStat, "/t": aStat}, got)
		results, err := d.Multi(&zk.CreateRequest{Path: "/m"}, &zk.SetDataRequest{Path: "/m"}, &zk.DeleteRequest{Path: "/m"})
		require.NoError(t, err)
		assert.Equal(t, "/m", results[0].String)
		assert.Equal(t, 4*time.Second, d.s.Timeout())
		assert.Equal(t, d.SessionID(), d.s.ID())
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
		failed := make(chan error, 20)
		for range cap(failed) {
			go func() { failed <- d.Delete("/a", -1) }()
		}
		synctest.Wait()
		before := len(m.seen(opDelete))
		m.cut()
		for range cap(failed) {
			assert.Error(t, next(t, failed))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, [2]int64{testSession, testSession + 1}, foreign)
		assert.Len(t, m.seen(opDelete), before, "requests ran in the new session")
		assert.Equal(t, testSession, d.SessionID())
	})
}

func TestDriverLearnsOfItsExpiry(t *testing.T) {
	m := &mini{grant: func(ask connectRequest) int64 { return testSession * int64(1-min(1, ask.id)) }}
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
		_, _, err := d.Get("/a")
		assert.NoError(t, err)
		assert.Equal(t, 2, dials)
		assert.Len(t, m.seen(opGetData), 1)
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

// Requests that wait for the new link are answered before the driver looks at
// its lastZxid to re-arm the watches; the changes in between must not be lost.
func TestDriverCatchesUpFromTheEndOfTheOldLink(t *testing.T) {
	m := &mini{}
	inBubble(t, m, NewSession(Options{}), func(t *testing.T, d *driver) {
		d.until(zk.StateHasSession)
		_, _, _, err := d.GetW("/a")
		require.NoError(t, err)
		for range 3 {
			_, _, err = d.Get("/b")
			require.NoError(t, err)
		}
		m.mu.Lock()
		m.zxid += 100 // others are busy
		m.mu.Unlock()
		m.cut()
		for range 10 {
			go d.Get("/b")
		}
		d.until(zk.StateHasSession)
		time.Sleep(time.Second)
		rearmed := m.seen(opSetWatches)
		require.Len(t, rearmed, 1)
		assert.Equal(t, m.asks[1].zxid, int64At(rearmed[0], relativeZxidAt))
		assert.True(t, bytes.Contains(rearmed[0], []byte("/a")))
	})
}

// A fence frees every caller and ends the driver's traffic.
func TestDriverWhenFenced(t *testing.T) {
	m := &mini{ignore: func(op int32) bool { return op == opGetData }}
	inBubble(t, m, NewSession(Options{}), func(t *testing.T, d *driver) {
		d.until(zk.StateHasSession)
		failed := make(chan error, 50)
		for range cap(failed) {
			go func() { _, _, err := d.Get("/a"); failed <- err }()
		}
		synctest.Wait()
		d.s.Fence(errTest)
		for range cap(failed) {
			assert.Error(t, next(t, failed))
		}
		assert.Len(t, m.asks, 1)
	})
}
