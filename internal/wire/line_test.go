package wire

import (
	"bytes"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// lineWindow is how much a line takes that its server does not read.
const lineWindow = 64 << 10

// line is a connection in memory for a bubble. Like a socket it takes some bytes that
// its server does not read, and keeps deadlines.
type line struct {
	tape // for its addresses
	mu   sync.Mutex
	cond sync.Cond

	in, out         []byte
	read, write     time.Time // deadlines
	writes          int
	closed          bool
	ended           error // what is read behind in, if set
	broken          error // what writes fail with, if set
	stopped         bool  // the process that reads does not run
	beforeEachWrite func(n int)
	afterClose      func()
}

// waitFor waits until ready, the deadline or the end. It is called with the mutex held.
func (c *line) waitFor(by *time.Time, ready func() bool) error {
	for !ready() {
		switch {
		case c.closed:
			return net.ErrClosed
		case by.IsZero():
		case !time.Now().Before(*by):
			return os.ErrDeadlineExceeded
		default:
			defer time.AfterFunc(time.Until(*by), c.cond.Broadcast).Stop()
		}
		c.cond.Wait()
	}
	return nil
}

func (c *line) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.waitFor(&c.read, func() bool { return !c.stopped && (len(c.in) > 0 || c.ended != nil) }); err != nil {
		for c.stopped {
			c.cond.Wait()
		}
		return 0, err
	}
	if len(c.in) == 0 {
		return 0, c.ended
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *line) Write(p []byte) (done int, err error) {
	c.mu.Lock()
	c.writes++
	n, before := c.writes, c.beforeEachWrite
	c.mu.Unlock()
	if before != nil {
		before(n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for done < len(p) {
		if c.broken != nil {
			return done, c.broken
		}
		if err := c.waitFor(&c.write, func() bool { return len(c.out) < lineWindow && !c.closed }); err != nil {
			return done, err
		}
		n := min(len(p)-done, lineWindow-len(c.out))
		c.out = append(c.out, p[done:done+n]...)
		done += n
	}
	return done, nil
}

func (c *line) SetDeadline(t time.Time) error      { c.set(func() { c.read, c.write = t, t }); return nil }
func (c *line) SetReadDeadline(t time.Time) error  { c.set(func() { c.read = t }); return nil }
func (c *line) SetWriteDeadline(t time.Time) error { c.set(func() { c.write = t }); return nil }

func (c *line) Close() error {
	c.set(func() { c.closed = true })
	if c.afterClose != nil {
		c.afterClose()
	}
	return nil
}

func (c *line) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.cond.Broadcast()
}

// lane is an open link over a line, in a bubble. The test plays the server and the
// driver, except that a goroutine reads what comes for the driver.
type lane struct {
	*Session
	t    testing.TB
	line *line
	conn net.Conn
	over chan error // gets what the reader ends with
	zxid int64      // of the latest reply
}

// onLane runs a test on a lane, in a bubble.
func onLane(t *testing.T, opt Options, test func(t *testing.T, l *lane)) {
	synctest.Test(t, func(t *testing.T) {
		l := &lane{t: t, Session: NewSession(opt)}
		l.dial()
		defer func() {
			l.Fence(errTest)
			l.line.Close()
			synctest.Wait()
		}()
		test(t, l)
	})
}

// dial opens a link, the first or another one, and returns what the server has got of it.
func (l *lane) dial() [][]byte {
	l.t.Helper()
	l.line = &line{}
	l.line.cond.L = &l.line.mu
	conn, err := l.Wrap(l.line)
	require.NoError(l.t, err)
	l.conn = conn
	_, err = conn.Write(connectFrame(0, testTimeout, l.ID()))
	require.NoError(l.t, err)
	l.feed(answerFrame(testTimeout, testSession))
	_, err = readFrame(conn)
	require.NoError(l.t, err)
	over := make(chan error, 1)
	l.over = over
	go func() {
		for err == nil {
			_, err = readFrame(conn)
		}
		over <- err
	}()
	return l.requests()
}

// feed has the server send something.
func (l *lane) feed(frames ...[]byte) {
	l.line.set(func() { l.line.in = append(l.line.in, slices.Concat(frames...)...) })
}

// hangUp has the server close the connection.
func (l *lane) hangUp(err error) { l.line.set(func() { l.line.ended = err }) }

// stream has the server read until nothing more comes.
func (l *lane) stream() (all []byte) {
	for {
		synctest.Wait()
		var some []byte
		l.line.set(func() { some, l.line.out = l.line.out, nil })
		if len(some) == 0 {
			return all
		}
		all = append(all, some...)
	}
}

// requests has the server read until nothing more comes, and returns all whole frames.
func (l *lane) requests() (frames [][]byte) {
	stream := l.stream()
	for len(stream) > 0 {
		n := prefixLen + int(int32At(stream, 0))
		require.GreaterOrEqual(l.t, len(stream), n, "a partial frame was written")
		frames, stream = append(frames, stream[:n]), stream[n:]
	}
	return frames
}

// answer has the server answer requests.
func (l *lane) answer(frames ...[]byte) {
	for _, f := range frames {
		l.zxid++
		l.feed(reply(bytes.Clone(f), l.zxid))
	}
	synctest.Wait()
}

// send hands calls in.
func (l *lane) send(calls ...*testCall) {
	l.t.Helper()
	all := make([]*Call, len(calls))
	for i, c := range calls {
		all[i] = &c.Call
	}
	require.NoError(l.t, l.Send(all...))
}

// ping has the driver send a ping.
func (l *lane) ping() {
	l.t.Helper()
	_, err := l.conn.Write(pingFrame)
	require.NoError(l.t, err)
}

// pass lets time pass in the bubble.
func (l *lane) pass(d time.Duration) { time.Sleep(d) }

// alive requires that the link has not ended.
func (l *lane) alive() {
	l.t.Helper()
	synctest.Wait()
	select {
	case err := <-l.over:
		require.NoError(l.t, err, "the link has ended")
	default:
	}
}

// dead requires that the link has ended, and returns why.
func (l *lane) dead() error {
	l.t.Helper()
	synctest.Wait()
	select {
	case err := <-l.over:
		return err
	default:
		require.Fail(l.t, "the link lives")
		return nil
	}
}

// paths returns the paths of requests.
func paths(frames [][]byte) (all []string) {
	for _, f := range frames {
		all = append(all, requestPath(f))
	}
	return all
}

// gone is closed: who waits with it gives up at once.
var gone = func() chan struct{} { ch := make(chan struct{}); close(ch); return ch }()

// giveUp waits no longer for the call.
func (c *testCall) giveUp() (over bool, err error) { return c.Wait(gone) }
