package zktest_test

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

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
