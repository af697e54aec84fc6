package zktest_test

import (
	"encoding/binary"
	"io"
	"math"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// claim is the prefix of a frame that claims to have so many bytes.
func claim(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// drip, in a bubble, sends bytes one by one, until the connection has ended.
func drip(conn net.Conn, b []byte) {
	for _, one := range b {
		if _, err := conn.Write([]byte{one}); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// shake is a handshake. It is clipped, so that appending to it makes a copy.
var shake = slices.Clip(frame(&jute.ConnectRequest{TimeOut: 4000, Passwd: make([]byte, 16)}))

// vandals are all kinds of client that a server may meet. Each has a connection that is closed when the test ends.
var vandals = map[string]func(conn net.Conn){
	"says nothing":              func(net.Conn) {},
	"hangs up":                  func(conn net.Conn) { _ = conn.Close() },
	"speaks HTTP":               func(conn net.Conn) { _, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: zk\r\n\r\n")) },
	"shakes hands byte by byte": func(conn net.Conn) { drip(conn, shake) },
	"claims 2 GiB":              func(conn net.Conn) { _, _ = conn.Write(claim(math.MaxInt32)) },
	"claims a negative length":  func(conn net.Conn) { _, _ = conn.Write(claim(-1)) },
	"claims what it never sends": func(conn net.Conn) {
		_, _ = conn.Write(append(shake, claim(0xfffff)...))
		drip(conn, make([]byte, 60))
	},
	"sends frames of nothing": func(conn net.Conn) { _, _ = conn.Write(append(shake, make([]byte, 64<<10)...)) },
	"sends garbage as requests": func(conn net.Conn) {
		_, _ = conn.Write(append(shake, frame(bytesBody(strings.Repeat("x", 1000)))...))
	},
	"shakes hands twice": func(conn net.Conn) { _, _ = conn.Write(append(shake, shake...)) },
	"never reads": func(conn net.Conn) {
		_, _ = conn.Write(shake)
		for xid := range int32(2000) {
			_, _ = conn.Write(frame(&jute.RequestHeader{Xid: xid, Op: int32(zktest.OpGetData)}, &jute.PathWatchRequest{Path: "/data"}))
		}
	},
	"asks for many lists in one request": func(conn net.Conn) {
		all := joined{}
		for range 1000 {
			all = append(all, multiItem(zktest.OpGetChildren, &jute.PathWatchRequest{Path: "/"}))
		}
		_, _ = conn.Write(append(shake, frame(&jute.RequestHeader{Xid: 1, Op: int32(zktest.OpMultiRead)}, all, jute.EndOfMulti())...))
	},
	"sends half a word": func(conn net.Conn) { _, _ = conn.Write([]byte("ru")) },
}

// Whatever connects beside it, a client is served, little memory is used, and the server can be closed.
func TestVandals(t *testing.T) {
	for name, play := range vandals {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			synctest.Test(t, func(t *testing.T) { besideVandals(t, play) })
			runtime.ReadMemStats(&after)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20), "what a vandal claims is not allocated")
		})
	}
}

// besideVandals, in a bubble, has a client ask for a word again and again while eight vandals are at work.
func besideVandals(t *testing.T, play func(conn net.Conn)) {
	srv, err := zktest.StartMemory(zktest.Config{})
	require.NoError(t, err)
	_, err = srv.Create("/data", make([]byte, 1000), zktest.Persistent)
	require.NoError(t, err)
	var conns []net.Conn
	for range 8 {
		conn, err := srv.Dial(t.Context(), "tcp", srv.Addrs()[0])
		require.NoError(t, err)
		conns = append(conns, conn)
		go play(conn)
	}
	for range 60 {
		begun := time.Now()
		conn, err := srv.Dial(t.Context(), "tcp", srv.Addrs()[0])
		require.NoError(t, err)
		_, err = conn.Write([]byte("ruok"))
		require.NoError(t, err)
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "imok", string(answer))
		assert.Less(t, time.Since(begun), 100*time.Millisecond)
		require.NoError(t, conn.Close())
		time.Sleep(time.Second)
	}
	assert.Empty(t, srv.Sessions(), "no session outlives its timeout without a ping")
	for _, conn := range conns {
		_ = conn.Close()
	}
	require.NoError(t, srv.Close())
}
