package zktest_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// FuzzConnection sends any bytes in place of a handshake.
func FuzzConnection(f *testing.F) {
	f.Add([]byte("ruok"))
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 1, 2, 3})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 0})
	f.Add(frame(&jute.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)}))
	f.Add(frame(&jute.ConnectRequest{TimeOut: -1, SessionID: 1, LastZxidSeen: -1, HasReadOnly: true}))
	srv := fuzzServer(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		exchange(t, srv, in)
	})
}

// FuzzRequests sends any bytes after a handshake, as the bodies of two requests.
func FuzzRequests(f *testing.F) {
	for op := range int32(110) {
		f.Add(op, []byte{}, op, []byte{0, 0, 0, 1, '/', 0, 0, 0, 0, 0, 0, 0, 0})
	}
	seed := func(op zktest.Op, b body) {
		f.Add(int32(op), joinBytes(b), int32(op), joinBytes(b))
	}
	seed(zktest.OpCreate, creating("/f", "data", 3))
	seed(zktest.OpCreateTTL, &jute.CreateTTLRequest{CreateRequest: *creating("/f", "", 5), TTL: 9})
	seed(zktest.OpSetData, setting("/", "x", -1))
	seed(zktest.OpSetWatches2, &jute.SetWatches2Request{SetWatchesRequest: *rearming(1, []string{"/"}, []string{"/q"}, []string{"/"}),
		Persistent: []string{"/"}, Recursive: []string{"", "nonsense"}})
	seed(zktest.OpMulti, joined{multiItem(zktest.OpCreate, creating("/f", "", 2)), multiItem(zktest.OpDelete, deleting("/f", 9)),
		jute.EndOfMulti()})
	seed(zktest.OpMultiRead, joined{multiItem(zktest.OpGetData, &jute.PathWatchRequest{Path: "/"}), jute.EndOfMulti()})
	seed(zktest.OpAuth, &jute.AuthRequest{Scheme: "digest", Auth: []byte("a:b")})
	seed(zktest.OpSetACL, &jute.SetACLRequest{Path: "/", ACL: []jute.ACL{acl(31, "ip", "1.2.3.4/5")}, Version: 9})
	seed(zktest.OpAddWatch, &jute.PathInt32Request{Path: "x", Value: 1})
	srv := fuzzServer(f)
	f.Fuzz(func(t *testing.T, op1 int32, body1 []byte, op2 int32, body2 []byte) {
		in := frame(&jute.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)})
		in = append(in, frame(&jute.RequestHeader{Xid: 1, Op: op1}, bytesBody(body1))...)
		in = append(in, frame(&jute.RequestHeader{Xid: 2, Op: op2}, bytesBody(body2))...)
		in = append(in, frame(&jute.RequestHeader{Xid: 3, Op: int32(zktest.OpCloseSession)})...)
		exchange(t, srv, in)
	})
}

func fuzzServer(f *testing.F) *zktest.Server {
	srv, err := zktest.StartMemory(zktest.Config{Latency: time.Nanosecond})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = srv.Close() })
	return srv
}

// exchange sends bytes to the server and checks that what it answers are whole frames, that it lives on, and that it does
// not allocate what a length claims.
func exchange(t *testing.T, srv *zktest.Server, in []byte) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	conn, err := srv.Dial(t.Context(), "tcp", srv.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(in); err != nil {
		t.Fatal(err)
	}
	answer := answers(t, srv, conn)
	_ = conn.Close()
	runtime.ReadMemStats(&after)
	if grown, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+64*(len(in)+len(answer))); grown > limit {
		t.Fatalf("%d bytes in and %d out made it allocate %d", len(in), len(answer), grown)
	}
	if len(in) > 0 && in[0] >= 'a' {
		return // too long for a frame, so what was answered is a four-letter word
	}
	for len(answer) > 0 {
		if len(answer) < 4 || uint32(len(answer)-4) < binary.BigEndian.Uint32(answer) {
			t.Fatalf("the answer ends within a frame: %x", answer)
		}
		answer = answer[4+binary.BigEndian.Uint32(answer):]
	}
}

// answers reads what the server sends until it has served everything that was sent before.
func answers(t *testing.T, srv *zktest.Server, conn net.Conn) []byte {
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := io.ReadAll(conn)
		done <- result{b, err}
	}()
	ping, err := srv.Dial(t.Context(), "tcp", srv.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer ping.Close()
	if _, err := ping.Write([]byte("ruok")); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(ping); err != nil || string(b) != "imok" {
		t.Fatalf("the server is not well: %q, %v", b, err)
	}
	srv.Cut(func(c zktest.ConnInfo) bool { return c.Addr.String() == conn.LocalAddr().String() })
	return (<-done).b
}

// FuzzPieces sends a stream as a whole to one server, and in pieces to another. Both must answer the same.
func FuzzPieces(f *testing.F) {
	for _, word := range []string{"ruok", "isro", "srvr", "stat", "cons", "mntr", "conf", "envi", "dump", "wchs", "wchc", "wchp", "dirs", "crst", "srst"} {
		f.Add([]byte(word), uint8(1))
		f.Add([]byte(word+"\n and more"), uint8(2))
	}
	hello := frame(&jute.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)})
	request := func(xid int32, op zktest.Op, parts ...body) []byte {
		return frame(append([]body{&jute.RequestHeader{Xid: xid, Op: int32(op)}}, parts...)...)
	}
	f.Add(bytes.Join([][]byte{
		hello, request(1, zktest.OpCreate2, creating("/f", "data", 1)), request(2, zktest.OpGetData, &jute.PathWatchRequest{Path: "/f", Watch: true}),
		request(3, zktest.OpSetData, setting("/f", "new", -1)), request(-2, zktest.OpPing), request(4, zktest.OpCloseSession),
	}, nil), uint8(3))
	f.Add(append(hello, 0x7f, 0xff, 0xff, 0xff, 1), uint8(4))
	f.Add(append(hello, 0xff, 0xff, 0xff, 0xff, 1), uint8(7))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		whole, pieces := answeredTo(t, in, len(in)), answeredTo(t, in, int(size)+1)
		require.True(t, bytes.Equal(whole, pieces), "as a whole:\n%q\nin pieces of %d:\n%q", whole, int(size)+1, pieces)
	})
}

// answeredTo is what a new server answers to a stream in pieces of so many bytes.
func answeredTo(t *testing.T, in []byte, size int) (out []byte) {
	synctest.Test(t, func(t *testing.T) {
		srv, err := zktest.StartMemory(zktest.Config{Latency: time.Nanosecond})
		require.NoError(t, err)
		conn, err := srv.Dial(t.Context(), "tcp", srv.Addrs()[0])
		require.NoError(t, err)
		for rest := in; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if _, err := conn.Write(rest[:min(size, len(rest))]); err != nil {
				break // the server has hung up
			}
			synctest.Wait()
		}
		read := make(chan []byte)
		go func() {
			b, _ := io.ReadAll(conn)
			read <- b
		}()
		time.Sleep(time.Millisecond)
		srv.Cut(zktest.AllConns())
		out = <-read
		require.NoError(t, conn.Close())
		require.NoError(t, srv.Close())
	})
	return out
}

// FuzzMulti sends a multi whose operations the input chooses, three bytes each. All of it must happen, or nothing.
func FuzzMulti(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 1, 0, 0, 1, 0})
	f.Add([]byte{0, 0, 0, 0, 1, 2, 0, 2, 3, 3, 1, 0, 1, 0, 9, 2, 0, 0})
	f.Add([]byte{0, 3, 1, 0, 3, 1, 1, 1, 255, 4, 9, 9})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 300 {
			return
		}
		synctest.Test(t, func(t *testing.T) { multiOf(t, in) })
	})
}

func multiOf(t *testing.T, in []byte) {
	srv, err := zktest.StartMemory(zktest.Config{Latency: time.Nanosecond})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	_, err = srv.Create("/p0", []byte("there"), zktest.Persistent)
	require.NoError(t, err)
	before := srv.Dump()
	ops := joined{}
	for n := 0; n+3 <= len(in); n += 3 {
		ops = append(ops, chosen(in[n], "/p"+strconv.Itoa(int(in[n+1]%6)), in[n+2]))
	}
	conn, err := srv.Dial(t.Context(), "tcp", srv.Addrs()[0])
	require.NoError(t, err)
	defer conn.Close()
	stream := frame(&jute.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)})
	stream = append(stream, frame(&jute.RequestHeader{Xid: 1, Op: int32(zktest.OpMulti)}, append(ops, jute.EndOfMulti()))...)
	_, err = conn.Write(stream)
	require.NoError(t, err)
	_ = nextFrame(t, conn)
	d := jute.NewDecoder(nextFrame(t, conn))
	var h jute.ReplyHeader
	h.Decode(d)
	results, failed := d.MultiResults(len(ops)), h.Err != 0
	for _, r := range results {
		failed = failed || r.Err != 0
	}
	if h.Err == 0 {
		require.NoError(t, d.Err())
		require.Zero(t, d.Remaining())
		require.Len(t, results, len(ops))
	}
	if failed {
		require.Equal(t, before, srv.Dump(), "some of a multi that failed has happened")
	}
}

// chosen is an operation of a multi.
func chosen(kind byte, path string, arg byte) body {
	version := int32(arg%4) - 1
	switch kind % 5 {
	case 0:
		return multiItem(zktest.OpCreate, creating(path+[]string{"", "/child", "-"}[arg/8%3], "new", int32(arg%8)))
	case 1:
		return multiItem(zktest.OpDelete, deleting(path, version))
	case 2:
		return multiItem(zktest.OpSetData, setting(path, "set", version))
	case 3:
		return multiItem(zktest.OpCheck, &jute.PathInt32Request{Path: path, Value: version})
	}
	return multiItem(zktest.Op(1000+int32(arg)), deleting(path, version)) // unknown
}

func nextFrame(t *testing.T, conn net.Conn) []byte {
	var prefix [4]byte
	_, err := io.ReadFull(conn, prefix[:])
	require.NoError(t, err)
	b := make([]byte, binary.BigEndian.Uint32(prefix[:]))
	_, err = io.ReadFull(conn, b)
	require.NoError(t, err)
	return b
}
