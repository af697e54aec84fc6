package interop

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// world is a part of a server, and who uses it.
type world struct {
	t       testing.TB
	connect string
	eye     *framework.Client  // with which the test looks
	heard   map[*language]bool // whose complaints are shown if the test fails
	expire  func(ctx context.Context, session int64) error
}

// onReal is a part of the shared real server.
func onReal(t testing.TB) *world {
	space := realzk.Shared(t)
	w := worldAt(t, space.ConnectString())
	w.expire = space.ExpireSession
	return w
}

func worldAt(t testing.TB, connect string) *world {
	w := (&world{connect: connect}).in(t)
	w.eye = w.client()
	return w
}

// in is the world as a subtest sees it.
func (w *world) in(t testing.TB) *world {
	return &world{t, w.connect, w.eye, map[*language]bool{}, w.expire}
}

// client is a docent client.
func (w *world) client() *framework.Client {
	w.t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: w.connect, SessionTimeout: sessionTimeout})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, cli.Close()) })
	require.NoError(w.t, cli.WaitConnected(within(w.t)))
	return cli
}

// sessionTimeout is what all clients ask for. No session is to expire by itself.
const sessionTimeout = 30 * time.Second

// commonData is what nodes hold that were created without data: Curator stores the address of the host otherwise.
const commonData = "data"

// party is one participant of another language.
type party struct {
	t    testing.TB
	peer *peer
	name string
}

// parties makes the names of actors unique.
var parties atomic.Int64

// curator is a participant that uses Curator.
func (w *world) curator() *party {
	w.t.Helper()
	p := w.party(curator)
	p.do("connect", w.connect, sessionTimeout.Milliseconds(), hexed(commonData))
	return p
}

// kazoo is a participant that uses kazoo.
func (w *world) kazoo() *party {
	w.t.Helper()
	p := w.party(kazoo)
	p.do("connect", w.connect, sessionTimeout.Milliseconds())
	return p
}

// party is a participant that is not connected. It ends with the test, which shows what it complains about if it fails.
func (w *world) party(l *language) *party {
	w.t.Helper()
	p := &party{t: w.t, peer: l.running(w.t), name: fmt.Sprintf("%s-%d", w.t.Name(), parties.Add(1))}
	if !w.heard[l] {
		w.heard[l] = true
		w.t.Cleanup(func() {
			if w.t.Failed() {
				w.t.Logf("%s has complained, at the end:\n%s", l.name, p.peer.log)
			}
		})
	}
	w.t.Cleanup(func() { _, _ = p.begin("close").result() })
	return p
}

// begin has it do something beside the test.
func (p *party) begin(command string, args ...any) *call {
	return p.peer.begin(p.name, command, args...)
}

// do has it do something and returns what it says.
func (p *party) do(command string, args ...any) []string {
	p.t.Helper()
	return p.begin(command, args...).wait(p.t)
}

// says has it do something and returns the one value that it says.
func (p *party) says(command string, args ...any) string {
	p.t.Helper()
	values := p.do(command, args...)
	require.Len(p.t, values, 1, command)
	return values[0]
}

func hexed(s string) string { return hex.EncodeToString([]byte(s)) }

// create makes a persistent node, and its parents.
func (w *world) create(path, data string) {
	w.t.Helper()
	_, err := w.eye.Create(within(w.t), path, []byte(data), framework.Parents)
	require.NoError(w.t, err)
}

// data is what a node holds.
func (w *world) data(path string) string {
	w.t.Helper()
	n, err := w.eye.Get(within(w.t), path)
	require.NoError(w.t, err)
	return string(n.Data)
}

// until waits until the children of a node are as they should be, and returns their names. A node that does not exist has
// none.
func (w *world) until(path string, good func(names []string) bool) []string {
	w.t.Helper()
	ctx := within(w.t)
	for {
		names, _, watch, err := w.eye.WatchChildren(ctx, path)
		if errors.Is(err, framework.ErrNoNode) {
			var exists bool
			names = nil
			if _, exists, watch, err = w.eye.WatchExists(ctx, path); exists {
				continue
			}
		}
		require.NoError(w.t, err)
		if good(names) {
			watch.Stop()
			return names
		}
		select {
		case <-watch.C:
		case <-ctx.Done():
			require.FailNow(w.t, "the children are never as they should be", "%s: %v", path, names)
		}
	}
}

// untilThereAre waits until a node has n children.
func (w *world) untilThereAre(path string, n int) []string {
	w.t.Helper()
	return w.until(path, func(names []string) bool { return len(names) == n })
}

// sessionID is a session as peers write it.
func sessionID(id int64) string { return strconv.FormatInt(id, 10) }

// zkConn is a connection of bare go-zookeeper, which knows of no chroot.
func (w *world) zkConn() (conn *zk.Conn, root string) {
	w.t.Helper()
	addr, root, chroot := strings.Cut(w.connect, "/")
	conn, events, err := zk.Connect([]string{addr}, sessionTimeout, zk.WithLogger(silent{}))
	require.NoError(w.t, err)
	w.t.Cleanup(conn.Close)
	go func() {
		for range events { // it blocks nobody, but drops what is not read
		}
	}()
	if chroot {
		root = "/" + root
	}
	return conn, root
}

type silent struct{}

func (silent) Printf(string, ...any) {}
