package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// racing is whether the race detector watches.
var racing bool

const loadCallers = 128

// counting counts the reads of a connection, each a system call.
type counting struct {
	net.Conn
	reads *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(p)
}

// burstServer answers reads with data made from their path, and writes with whether
// their data was made from it. Replies leave one by one or in bursts, cut at random
// places.
type burstServer struct {
	bursts bool
	got    sync.Map // paths
}

func (b *burstServer) serve(conn net.Conn) {
	defer conn.Close()
	frame, err := readFrame(conn)
	if err != nil {
		return
	}
	if _, err = conn.Write(answerFrame(parseConnectRequest(frame[prefixLen:]).timeout, testSession)); err != nil {
		return
	}
	replies := make(chan []byte, loadCallers)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(replies)
	wg.Go(func() { writeBursts(conn, replies, b.bursts) })
	for zxid := int64(1); ; zxid++ {
		if frame, err = readFrame(conn); err != nil {
			return
		}
		replies <- b.answer(frame, zxid)
	}
}

func (b *burstServer) answer(frame []byte, zxid int64) []byte {
	xid, op, path := int32At(frame, prefixLen), int32At(frame, prefixLen+4), requestPath(frame)
	if op == opPing {
		return replyFrame(xid, zxid, 0, nil)
	}
	b.got.Store(path, nil)
	if op == opGetData {
		return replyFrame(xid, zxid, 0, enc{}.str(loadData(path)).aStat())
	}
	data := frame[prefixLen+requestHeaderLen+4+len(path)+4 : len(frame)-4]
	if string(data) != loadData(path) {
		return replyFrame(xid, zxid, -8, nil)
	}
	return replyFrame(xid, zxid, 0, enc{}.aStat())
}

// loadData is what the node at path holds: the path over and over. Its length
// comes from the path; one in 256 outgrows the buffers of both sides.
func loadData(path string) string {
	var sum byte
	for i := range len(path) {
		sum = sum*31 + path[i]
	}
	if sum == 0 {
		return string(bytes.Repeat([]byte(path), 3000))
	}
	return string(bytes.Repeat([]byte(path), int(sum)%16))
}

func writeBursts(conn net.Conn, replies <-chan []byte, bursts bool) {
	rng := rand.New(rand.NewSource(1))
	for burst := range replies {
		for more := bursts && rng.Intn(8) > 0; more; {
			select {
			case b, ok := <-replies:
				burst, more = append(burst, b...), ok
			default:
				more = false
			}
		}
		for cuts := rng.Intn(3); len(burst) > 0; cuts-- {
			n := len(burst)
			if cuts > 0 {
				n = 1 + rng.Intn(n)
			}
			if _, err := conn.Write(burst[:n]); err != nil {
				conn.Close()
				io.Copy(io.Discard, conn)
			}
			burst = burst[n:]
		}
	}
}

// Under load is where an error in the buffering shows: every reply must be the
// one to its request, and what was taken back must not have left.
func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name     string
		bursts   bool
		requests int // of each caller
		most     float64
	}{
		{"replies in bursts", true, 120, 0.5},
		{"replies at once", false, 40, 1.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			total := loadCallers * c.requests
			l := &load{t: t, server: burstServer{bursts: c.bursts}, requests: c.requests}
			l.run()
			perReply := float64(l.reads.Load()) / float64(l.stats.FramesIn)
			t.Logf("%d calls, %d taken back, %d left; %.3f reads for a reply, %.3f writes for a request",
				total, l.takenBack.Load(), l.left.Load(), perReply, float64(l.stats.Writes)/float64(l.stats.FramesOut))
			assert.GreaterOrEqual(t, l.stats.FramesIn, uint64(total)-uint64(l.takenBack.Load()))
			assert.Zero(t, l.unrequested)
			assert.EqualValues(t, 1, l.stats.Links)
			assert.Less(t, perReply, c.most)
		})
	}
}

// load has many callers send their requests to a server over TCP, beside a driver that
// does nothing but ping.
type load struct {
	t               *testing.T
	server          burstServer
	requests        int
	s               *Session
	reads           atomic.Int64
	takenBack, left atomic.Int64
	stats           Stats
	unrequested     int
}

func (l *load) run() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(l.t, err)
	var server, driver, callers sync.WaitGroup
	server.Go(func() {
		if conn, err := ln.Accept(); err == nil {
			l.server.serve(conn)
		}
	})
	raw, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(l.t, err)
	l.s = NewSession(Options{})
	conn, err := l.s.Wrap(counting{raw, &l.reads})
	require.NoError(l.t, err)
	_, err = conn.Write(connectFrame(0, testTimeout, 0))
	require.NoError(l.t, err)
	_, err = readFrame(conn)
	require.NoError(l.t, err)
	driver.Go(func() { pingAllTheTime(conn) })
	for c := range loadCallers {
		callers.Go(func() {
			for i := range l.requests {
				if !l.request(fmt.Sprintf("/caller-%d/%d", c, i), i) {
					return
				}
			}
		})
	}
	callers.Wait()
	l.stats = l.s.Stats()
	conn.Close()
	driver.Wait()
	l.unrequested = conn.(*link).unrequested
	ln.Close()
	server.Wait()
}

// pingAllTheTime plays the driver.
func pingAllTheTime(conn net.Conn) {
	for {
		if _, err := conn.Write(pingFrame); err != nil {
			return
		}
		if _, err := readFrame(conn); err != nil {
			return
		}
	}
}

// request makes one call and checks how it ends. Of every 32 one is a write, and one is
// given up at once.
func (l *load) request(path string, i int) bool {
	c, gaveUp := getData(path), make(chan struct{})
	switch i % 32 {
	case 10:
		c = setData(path, loadData(path))
	case 20:
		close(gaveUp)
	}
	if err := l.s.Send(&c.Call); err != nil {
		l.t.Errorf("%s: %v", path, err)
		return false
	}
	over, err := c.Wait(gaveUp)
	if !over {
		l.left.Add(1)
		done, late := c.Left()
		<-done
		err = *late
	}
	<-c.Written
	_, sent := l.server.got.Load(path)
	unsent := errors.Is(err, ErrNotSent)
	if unsent {
		l.takenBack.Add(1)
	}
	if err != nil && !unsent || sent == unsent || c.over != 1 || !unsent && c.Op == opGetData && c.data != loadData(path) {
		l.t.Errorf("%s: %d bytes, %v, sent %v, over %d", path, len(c.data), err, sent, c.over)
		return false
	}
	return true
}
