package wire

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const loadCallers = 128

var wantStat = zk.Stat(aStat)

// counting counts the reads of a connection, each a system call.
type counting struct {
	net.Conn
	reads *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(p)
}

// burstServer answers reads with data made from their path. Replies leave one
// by one or in bursts, cut at random places.
func burstServer(conn net.Conn, bursts bool) {
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
	wg.Go(func() { writeBursts(conn, replies, bursts) })
	for zxid := int64(1); ; zxid++ {
		if frame, err = readFrame(conn); err != nil {
			return
		}
		xid, op := int32At(frame, prefixLen), int32At(frame, prefixLen+4)
		body := enc{}
		if op == opGetData {
			body = body.str(loadData(string(requestPath(op, frame)))).aStat()
		}
		replies <- replyFrame(xid, zxid, 0, body)
	}
}

// loadData is what the node at path holds: the path over and over. Its length
// comes from the path; one in 256 outgrows the read buffer.
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
// one to its request.
func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name     string
		bursts   bool
		requests int // of each caller
		most     float64
	}{
		{"replies in bursts", true, 800, 0.5},
		{"replies at once", false, 200, 1.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			total := loadCallers * c.requests
			reads, stats := load(t, c.bursts, c.requests)
			perReply := float64(reads) / float64(total)
			t.Logf("%d replies, %.3f reads of the socket for each", total, perReply)
			assert.GreaterOrEqual(t, stats.FramesIn, uint64(total))
			assert.Zero(t, stats.Malformed)
			assert.EqualValues(t, 1, stats.Links)
			assert.Less(t, perReply, c.most)
		})
	}
}

// load has all callers send their requests to a server over TCP, checks the
// replies and returns how often the socket was read.
func load(t *testing.T, bursts bool, requests int) (int64, Stats) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var server, callers sync.WaitGroup
	server.Go(func() {
		if conn, err := ln.Accept(); err == nil {
			burstServer(conn, bursts)
		}
	})
	var reads atomic.Int64
	s := NewSession(Options{OnCreated: func(string, Stat) {}})
	d := drive(t, s, func(string) net.Conn {
		conn, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		return counting{conn, &reads}
	}, "server")
	for c := range loadCallers {
		callers.Go(func() {
			for i := range requests {
				path := fmt.Sprintf("/caller-%d/%d", c, i)
				data, stat, err := d.Get(path)
				if err != nil || string(data) != loadData(path) || *stat != wantStat {
					t.Errorf("%s: %d bytes, %v, %v", path, len(data), stat, err)
					return
				}
			}
		})
	}
	callers.Wait()
	stats := s.Stats()
	d.Close()
	ln.Close()
	server.Wait()
	return reads.Load(), stats
}
