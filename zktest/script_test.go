package zktest_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// A script is a conversation of a few clients with a server. It is written down line by line, and the lines are compared
// with those that a real ZooKeeper 3.8 gave (testdata/conformance): everything a client can see of the errors, the Stats,
// the zxids and the order of events has to agree. Where zktest differs on purpose, as newer servers do, the lines that it
// is meant to give stand in a second file, NAME.zktest.txt.

var update = flag.Bool("update", false, "write what the servers say to testdata/conformance")

// conversation is a named script.
type conversation struct {
	name    string
	steps   func(*script)
	differs string // why zktest answers otherwise than a real 3.8, if it does
}

// target is a server that a script is run against.
type target struct {
	dial     func(client string) (net.Conn, error)
	patience time.Duration // how long a reply may take
	expire   func(id int64, passwd []byte)
}

// script is one run of a script.
type script struct {
	target
	t        *testing.T
	lines    []string
	clients  []*raw
	blurred  bool // zxids are not shown, because the server uses some for itself
	base     int64
	sessions map[int64]string
}

func (s *script) printf(format string, args ...any) {
	s.lines = append(s.lines, strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// note starts a new part of the script.
func (s *script) note(text string) { s.printf("# %s", text) }

// zxid shows a zxid as the distance from the start of the script.
func (s *script) zxid(z int64) string {
	switch {
	case z <= 0:
		return fmt.Sprint(z)
	case s.blurred:
		return "some"
	case z < s.base:
		return "old"
	}
	return fmt.Sprintf("+%d", z-s.base)
}

func (s *script) sessionName(id int64) string {
	if id == 0 {
		return "0"
	}
	if name, ok := s.sessions[id]; ok {
		return name
	}
	return fmt.Sprintf("%#x", id)
}

// open opens a connection without a handshake.
func (s *script) open(name string) *raw {
	conn, err := s.dial(name)
	require.NoError(s.t, err)
	r := &raw{s: s, name: name, conn: conn, in: bufio.NewReader(conn)}
	s.clients = append(s.clients, r)
	return r
}

// client opens a connection with a new session.
func (s *script) client(name string) *raw {
	return s.clientFor(name, 10_000)
}

// clientFor asks for a session timeout in milliseconds.
func (s *script) clientFor(name string, timeout int32) *raw {
	r := s.open(name)
	r.shake(&jute.ConnectRequest{TimeOut: timeout, Passwd: make([]byte, 16), HasReadOnly: true})
	if s.base == 0 && r.id != 0 {
		r.send(frame(&jute.RequestHeader{Xid: -2, Op: int32(zktest.OpPing)}))
		h, _, ok := r.readReply()
		require.True(s.t, ok)
		s.base = h.Zxid
	}
	return r
}

// shake makes the handshake and prints its answer.
func (r *raw) shake(req *jute.ConnectRequest) {
	asked := fmt.Sprintf("connect timeout=%d session=%s", req.TimeOut, r.s.sessionName(req.SessionID))
	r.send(frame(req))
	b := r.read()
	if b == nil {
		r.printf("%s: no answer", asked)
		return
	}
	var resp jute.ConnectResponse
	d := jute.NewDecoder(b)
	resp.Decode(d)
	if resp.SessionID != 0 && r.s.sessions[resp.SessionID] == "" {
		r.s.sessions[resp.SessionID] = fmt.Sprintf("S%d", len(r.s.sessions)+1)
	}
	r.id, r.passwd = resp.SessionID, resp.Passwd
	r.printf("%s: timeout=%d session=%s passwd=%d readOnly=%v,%v%s", asked, resp.TimeOut,
		r.s.sessionName(resp.SessionID), len(resp.Passwd), resp.HasReadOnly, resp.ReadOnly, leftover(d))
}

// settle collects the events that clients other than r have got: what a server sends before it answers a ping.
func (s *script) settle(r *raw) {
	for _, other := range s.clients {
		if other == r || other.dead || other.quiet || other.id == 0 {
			continue
		}
		other.send(frame(&jute.RequestHeader{Xid: -2, Op: int32(zktest.OpPing)}))
		if h, _, ok := other.readReply(); ok && h.Xid != -2 {
			other.printf("got xid %d in place of a ping's", h.Xid)
		}
	}
}

// end closes what a script has left open, so that it does not disturb the next.
func (s *script) end() {
	for _, r := range s.clients {
		switch {
		case r.dead:
		case r.id == 0:
			_ = r.conn.Close()
		default:
			r.send(frame(&jute.RequestHeader{Xid: 1 << 20, Op: int32(zktest.OpCloseSession)}))
			_, _, _ = r.readReply()
			_ = r.conn.Close()
		}
	}
}

// run runs a script and returns its lines.
func run(t *testing.T, on target, steps func(*script)) string {
	s := &script{target: on, t: t, sessions: make(map[int64]string)}
	steps(s)
	lines := strings.Join(s.lines, "\n") + "\n"
	s.end()
	return lines
}

// golden returns the file with the lines that are expected.
func (c conversation) golden(real bool) string {
	suffix := ".txt"
	if !real && c.differs != "" {
		suffix = ".zktest.txt"
	}
	return filepath.Join("testdata", "conformance", c.name+suffix)
}

// conformance runs every script against a server of its own kind and compares the lines with what is on file.
func conformance(t *testing.T, real bool, start func(*testing.T) target) {
	on := start(t)
	for _, sc := range scripts {
		t.Run(sc.name, func(t *testing.T) {
			lines := run(t, on, sc.steps)
			file := sc.golden(real)
			if *update && (real || sc.differs != "") {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, []byte(lines), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			sameLines(t, string(want), lines)
		})
	}
}

// sameLines compares two texts and shows the first line in which they differ.
func sameLines(t *testing.T, want, got string) {
	t.Helper()
	wantLines, gotLines := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(wantLines), len(gotLines)) {
		require.Equal(t, wantLines[i], gotLines[i], "line %d, after %q", i+1, gotLines[max(i-1, 0)])
	}
	require.Len(t, gotLines, len(wantLines))
}

// conformanceConfig makes zktest grant what realzk's defaults do.
var conformanceConfig = zktest.Config{TickTime: 200 * time.Millisecond, MaxSessionTimeout: time.Minute, SuperDigest: superDigest, EnforceQuota: true}

func TestConformanceMemory(t *testing.T) {
	for _, sc := range scripts {
		synctest.Test(t, func(t *testing.T) {
			s, err := zktest.StartMemory(conformanceConfig)
			require.NoError(t, err)
			defer s.Close()
			lines := run(t, memoryTarget(s), sc.steps)
			want, err := os.ReadFile(sc.golden(false))
			require.NoError(t, err)
			sameLines(t, string(want), lines)
		})
	}
}

func memoryTarget(s *zktest.Server) target {
	return target{
		dial: func(string) (net.Conn, error) {
			return s.Dial(context.Background(), "tcp", s.Addrs()[0])
		},
		patience: 30 * time.Second,
		expire:   func(id int64, _ []byte) { s.ExpireSession(id) },
	}
}

func TestConformanceTCP(t *testing.T) {
	conformance(t, false, func(t *testing.T) target {
		s, err := zktest.Start(conformanceConfig)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return target{
			dial:     func(string) (net.Conn, error) { return net.Dial("tcp", s.Addrs()[0]) },
			patience: 30 * time.Second,
			expire:   func(id int64, _ []byte) { require.True(t, s.ExpireSession(id)) },
		}
	})
}
