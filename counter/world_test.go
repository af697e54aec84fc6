package counter_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

const (
	timeout = 10 * time.Second // of the sessions in these tests
	path    = "/counters/c"    // of the value, unless the test needs others
)

// world is a server on a network in memory.
type world struct {
	*zktest.Server
	t *testing.T
}

// bubble runs f on fake time, with a server.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	bubbleWith(t, zktest.Config{}, f)
}

// bubbleWith is bubble with a server of one's own choice. When the test fails it shows what the server has seen last.
func bubbleWith(t *testing.T, cfg zktest.Config, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var trace []string
		cfg.Trace = func(line string) {
			mu.Lock()
			defer mu.Unlock()
			if !strings.Contains(line, " ping ") {
				trace = append(trace, line)
			}
		}
		s, err := zktest.StartMemory(cfg)
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, s.Close())
			if t.Failed() {
				t.Logf("server:\n%s", strings.Join(trace[max(0, len(trace)-80):], "\n"))
			}
		})
		watchdog := time.AfterFunc(24*time.Hour, func() { panic("a test has waited for a day of its own time") })
		t.Cleanup(func() { watchdog.Stop() })
		f(t, &world{s, t})
	})
}

// client starts a client on a host of that name and waits for its session.
func (w *world) client(name string, tune ...func(*framework.Config)) *framework.Client {
	w.t.Helper()
	cfg := framework.Config{
		ConnectString: w.ConnectString(), SessionTimeout: timeout, Dialer: w.Client(name).Dial,
		Random: rand.NewChaCha8(sha256.Sum256([]byte(name))), // so that a run repeats itself
	}
	for _, f := range tune {
		f(&cfg)
	}
	cli, err := framework.New(cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, cli.Close()) })
	require.NoError(w.t, cli.WaitConnected(w.t.Context()))
	return cli
}

// silence swallows a client's packets, both ways, until the result is called.
func (w *world) silence(name string) (heal func()) {
	return w.Blackhole(zktest.ClientConns(name), zktest.Both)
}

// away breaks a client's connection and lets it have no other, for longer than f takes and less than the session timeout. It
// runs in a bubble.
func (w *world) away(name string, f func()) {
	w.t.Helper()
	heal := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Conn.Client == name {
			return zktest.Cut
		}
		return zktest.Pass
	})
	require.Positive(w.t, w.Cut(zktest.ClientConns(name)))
	time.Sleep(time.Second)
	f()
	time.Sleep(time.Second)
	heal()
}

// session is the id of a client's session.
func (w *world) session(cli *framework.Client) int64 {
	w.t.Helper()
	s, err := cli.Session(w.t.Context())
	require.NoError(w.t, err)
	return s.ID()
}

// expire ends a client's session at the server and waits until the client has the next one. It runs in a bubble.
func (w *world) expire(cli *framework.Client) {
	w.t.Helper()
	old := w.session(cli)
	require.True(w.t, w.ExpireSession(old))
	for cli.State().SessionID == old { // it may be Lost for an instant only
		time.Sleep(time.Millisecond)
	}
	require.NoError(w.t, cli.WaitConnected(w.t.Context()))
}

// raise creates a node with that data, and its parents.
func (w *world) raise(path string, data []byte) {
	w.t.Helper()
	for i := 1; i < len(path); i++ {
		if path[i] == '/' && !w.Exists(path[:i]) {
			_, err := w.Create(path[:i], nil, zktest.Persistent)
			require.NoError(w.t, err)
		}
	}
	_, err := w.Create(path, data, zktest.Persistent)
	require.NoError(w.t, err)
}

// data is what a node holds.
func (w *world) data(path string) []byte {
	w.t.Helper()
	data, _, err := w.Get(path)
	require.NoError(w.t, err)
	return data
}

// version is a node's version.
func (w *world) version(path string) int32 {
	w.t.Helper()
	_, stat, err := w.Get(path)
	require.NoError(w.t, err)
	return stat.Version
}

// receipts is the names of what stands below the value.
func (w *world) receipts() []string {
	names, err := w.Children(path)
	if err != nil {
		return nil
	}
	return names
}

// clear deletes what stands below the value.
func (w *world) clear() {
	w.t.Helper()
	for _, name := range w.receipts() {
		keepers, _ := w.Children(path + "/" + name)
		for _, keeper := range keepers {
			require.NoError(w.t, w.Delete(path+"/"+name+"/"+keeper))
		}
		require.NoError(w.t, w.Delete(path+"/"+name))
	}
}

// remove deletes the value with all that is below it.
func (w *world) remove() {
	w.t.Helper()
	w.clear()
	require.NoError(w.t, w.Delete(path))
}

// onceOn gives the first frame that matches its verdict, when f has run.
func (w *world) onceOn(stage zktest.Stage, op zktest.Op, verdict zktest.Verdict, f func()) (done *bool) {
	done = new(bool)
	w.OnFrame(func(fr zktest.Frame) zktest.Verdict {
		if *done || fr.Stage != stage || fr.Op != op || fr.Err != 0 {
			return zktest.Pass
		}
		*done = true
		f()
		return verdict
	})
	w.t.Cleanup(func() { require.True(w.t, *done, "the frame did not come: the test tests nothing") })
	return done
}

func nothing() {}

// be32 and be64 are Curator's formats.
func be32(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func be64(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// next is the next state that a follower is given, in a bubble.
func next[T any](t *testing.T, c *counter.Changes[T]) counter.Versioned[T] {
	t.Helper()
	select {
	case s, open := <-c.C:
		require.True(t, open, "closed: %v", c.Err())
		return s
	case <-time.After(time.Minute):
		t.Fatal("no state comes")
		panic("unreachable")
	}
}

// none checks that no state is there, in a bubble.
func none[T any](t *testing.T, c *counter.Changes[T]) {
	t.Helper()
	time.Sleep(time.Second)
	select {
	case s, open := <-c.C:
		t.Fatalf("a state: %v, %v, %v", s, open, c.Err())
	default:
	}
}
