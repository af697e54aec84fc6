package zktest_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// A play is a script that is drawn: a few clients send requests of every kind, right and wrong ones, in batches, each batch in one
// write. The same play runs on zktest and on a real server, and everything that a client can see has to agree.

var (
	besideOps  = flag.Int("beside.ops", 20_000, "requests that are sent to zktest and to a real server in TestPlaysBesideAServer")
	besideSeed = flag.Uint64("beside.seed", 0, "play this seed only, with all lines (-v shows them)")
)

const (
	playClients = 3
	playBatches = 25
	batchSize   = 20     // at most
	playTimeout = 60_000 // of sessions, in milliseconds: none ends while a play stands still
)

// step is one request of a play.
type step struct {
	op    zktest.Op
	what  string
	body  func(*script) body // zxids in it are relative to the script
	show  show
	alone bool // it is a batch of its own: servers answer it out of turn, or end the connection
}

// batch sends requests in one write and prints the replies, with the events among them. Then it collects the events of the others.
func (r *raw) batch(steps []step) {
	var frames []byte
	xids := make([]int32, len(steps))
	for i, st := range steps {
		r.xid++
		xids[i] = r.xid
		switch st.op {
		case zktest.OpPing:
			xids[i] = -2
		case zktest.OpAuth:
			xids[i] = -4
		}
		frames = append(frames, frame(&jute.RequestHeader{Xid: xids[i], Op: int32(st.op)}, st.body(r.s))...)
	}
	r.send(frames)
	for i, st := range steps {
		if r.dead {
			break
		}
		r.printReply(xids[i], fmt.Sprintf("%v %s", st.op, st.what), st.show)
	}
	r.s.settle(r)
}

// playOf is the script of a seed. It counts requests into sent.
func playOf(seed uint64, sent *int) func(*script) {
	return func(s *script) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 12)), root: fmt.Sprintf("/play-%d", seed)}
		clients := make([]*raw, playClients)
		for i := range clients {
			clients[i] = s.clientFor(string(rune('a'+i)), playTimeout)
		}
		clients[0].create(g.root, "", 0)
		for range playBatches {
			i := g.IntN(len(clients))
			r := clients[i]
			switch {
			case r.dead || g.IntN(12) == 0:
				clients[i] = g.again(s, r)
				continue
			case g.IntN(40) == 0:
				from := len(s.lines)
				r.close()
				slices.Sort(s.lines[from:]) // ephemeral nodes that go together go in no order that is promised
				*sent++
				continue
			}
			var steps []step
			for n := 1 + g.IntN(batchSize); len(steps) < n; {
				st := g.step()
				if st.alone && len(steps) > 0 {
					break
				}
				if steps = append(steps, st); st.alone || st.op == zktest.OpSetACL || st.op == zktest.OpCreateContainer {
					break // until they are written, a real server judges what follows by the old list, and by the flags
				}
			}
			*sent += len(steps)
			r.batch(steps)
		}
		closeSessions(s)
	}
}

// closeSessions closes the sessions that have lost their connections, lest they expire in the middle of another play.
func closeSessions(s *script) {
	s.settle(nil) // tells of connections that have ended
	for _, r := range slices.Clone(s.clients) {
		if !r.dead || r.id == 0 {
			continue
		}
		conn, err := s.dial(r.name)
		require.NoError(s.t, err)
		last := &raw{s: &script{target: s.target, t: s.t, sessions: make(map[int64]string)}, name: r.name, conn: conn, in: bufio.NewReader(conn)}
		last.shake(&jute.ConnectRequest{TimeOut: playTimeout, SessionID: r.id, Passwd: r.passwd})
		if last.id != 0 {
			last.close()
		}
		_ = conn.Close()
	}
}

// again opens a connection for a session that has lost its own, or takes the session away from a connection that lives; or it
// begins a new session.
func (g *generator) again(s *script, old *raw) *raw {
	name := old.name[:1] + fmt.Sprint(len(s.clients))
	switch g.IntN(3) {
	case 0:
		return s.clientFor(name, playTimeout)
	case 1:
		r := s.open(name)
		r.shake(&jute.ConnectRequest{TimeOut: playTimeout, SessionID: old.id, Passwd: make([]byte, 16), HasReadOnly: true})
		return r.orDead(old)
	}
	r := s.open(name)
	r.shake(&jute.ConnectRequest{TimeOut: playTimeout, SessionID: old.id, Passwd: old.passwd, HasReadOnly: g.IntN(2) == 0})
	return r.orDead(old)
}

// orDead waits for the end of what the handshake has ended: the connection before, or this one if it has got no session.
func (r *raw) orDead(old *raw) *raw {
	if r.id == 0 && !r.dead {
		r.read()
		return r
	}
	for !old.dead && r.id == old.id {
		if b := old.read(); b != nil {
			old.printf("hears %d bytes", len(b))
		}
	}
	return r
}

func besideTarget(dial func() (net.Conn, error)) target {
	return target{dial: func(string) (net.Conn, error) { return dial() }, patience: 30 * time.Second}
}

func TestPlaysBesideAServer(t *testing.T) {
	real := realzk.Standalone(t, realzk.Options{SuperDigest: superDigest, ContainerCheckInterval: time.Hour})
	config := conformanceConfig
	config.Watches, config.ContainerCheckInterval = zktest.LastWins, time.Hour
	own, err := zktest.Start(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, own.Close()) })
	targets := []target{
		besideTarget(func() (net.Conn, error) { return net.Dial("tcp", real.Addr()) }),
		besideTarget(func() (net.Conn, error) { return net.Dial("tcp", own.Addrs()[0]) }),
	}
	seed, sent, lines, differing := uint64(1), 0, 0, 0
	if *besideSeed != 0 {
		seed = *besideSeed
	}
	for ; sent < *besideOps && differing < 5; seed++ {
		var text [2]string
		for i, on := range targets {
			n := 0
			text[i] = run(t, on, playOf(seed, &n))
			sent += n * i
		}
		lines += strings.Count(text[0], "\n")
		if text[0] != text[1] {
			differing++
			t.Errorf("seed %d (again: -beside.seed %d): %s", seed, seed, firstDifference(text[0], text[1]))
		}
		if *besideSeed != 0 {
			t.Log(text[0])
			return
		}
	}
	t.Logf("%d plays, %d requests, %d lines compared, %d plays differ", seed-1, sent, lines, differing)
}

// firstDifference shows where two texts part, with the lines before.
func firstDifference(real, own string) string {
	a, b := strings.Split(real, "\n"), strings.Split(own, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			before := strings.Join(a[max(0, i-25):i], "\n\t")
			return fmt.Sprintf("line %d, behind\n\t%s\nreal  %s\nzktest %s", i+1, before, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines and %d", len(a), len(b))
}
