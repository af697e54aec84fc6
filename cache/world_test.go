package cache_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

const timeout = 10 * time.Second // of the sessions in these tests

// world is a server on a network in memory.
type world struct {
	*zktest.Server
	t    *testing.T
	opts []cache.NodesOption // of every cache in the test
}

// bubble runs f on fake time with a server, once for each way to watch.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	bubbleWith(t, zktest.Config{}, f)
}

// ways are the sources that every test runs over.
var ways = map[string][]cache.NodesOption{"oneshot": {cache.OneShot()}, "tree": nil}

// bubbleWith is bubble with a server of one's own choice.
func bubbleWith(t *testing.T, cfg zktest.Config, f func(t *testing.T, w *world)) {
	t.Helper()
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		t.Run(way, func(t *testing.T) { once(t, cfg, ways[way], f) })
	}
}

// once runs f in a bubble. When the test fails it shows what the server has seen last.
func once(t *testing.T, cfg zktest.Config, opts []cache.NodesOption, f func(t *testing.T, w *world)) {
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
			if len(trace) > 1000 {
				trace = trace[900:]
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
		watchdog := time.AfterFunc(30*time.Hour, func() {
			t.Logf("server:\n%s", strings.Join(trace[max(0, len(trace)-80):], "\n"))
			debug.SetTraceback("all")
			panic("a test has waited for a day of its own time")
		})
		t.Cleanup(func() { watchdog.Stop() })
		f(t, &world{s, t, opts})
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

// open opens a tree cache on a client.
func (w *world) open(cli *framework.Client, root string, opts ...cache.TreeOption) *cache.Tree {
	w.t.Helper()
	for _, o := range w.opts {
		opts = append(opts, o)
	}
	tree, err := cache.Open(w.t.Context(), cli, root, opts...)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, tree.Close()) })
	return tree
}

// raise creates a node with that data, and its parents.
func (w *world) raise(path, data string) {
	w.t.Helper()
	for i := 1; i < len(path); i++ {
		if path[i] == '/' && !w.Exists(path[:i]) {
			_, err := w.Create(path[:i], []byte{}, zktest.Persistent)
			require.NoError(w.t, err)
		}
	}
	_, err := w.Create(path, []byte(data), zktest.Persistent)
	require.NoError(w.t, err)
}

// set gives a node new data.
func (w *world) set(path, data string) {
	w.t.Helper()
	require.NoError(w.t, w.Set(path, []byte(data)))
}

// raze deletes a node with everything below it.
func (w *world) raze(path string) {
	w.t.Helper()
	names, err := w.Server.Children(path)
	require.NoError(w.t, err)
	for _, name := range names {
		w.raze(framework.Join(path, name))
	}
	require.NoError(w.t, w.Delete(path))
}

// away breaks a client's connection and lets it have no other, for longer than f takes and less than the session timeout.
// It runs in a bubble.
func (w *world) away(name string, f func()) {
	w.t.Helper()
	heal := w.cutOff(name)
	time.Sleep(time.Second)
	f()
	time.Sleep(time.Second)
	heal()
	time.Sleep(5 * time.Second)
}

// cutOff breaks a client's connection and lets it have no other.
func (w *world) cutOff(name string) (heal func()) {
	heal = w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Conn.Client == name {
			return zktest.Cut
		}
		return zktest.Pass
	})
	require.Positive(w.t, w.Cut(zktest.ClientConns(name)))
	return heal
}

// expire ends a client's session at the server while the client is away, does f and lets the client have the next
// session. It runs in a bubble.
func (w *world) expire(name string, cli *framework.Client, f func()) {
	w.t.Helper()
	id := cli.State().SessionID
	heal := w.cutOff(name)
	time.Sleep(time.Second)
	require.True(w.t, w.ExpireSession(id))
	f()
	heal()
	time.Sleep(5 * time.Second)
}

// below is what the server has at root and below it, by path.
func (w *world) below(root string) map[string]zktest.Node {
	nodes := w.Dump()
	maps.DeleteFunc(nodes, func(path string, _ zktest.Node) bool {
		return path != root && !strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/")
	})
	return nodes
}

// equal checks that a cache has what the server has.
func (w *world) equal(tree snapshotter, root string) {
	w.t.Helper()
	var got, want []string
	for path, node := range tree.All() {
		got = append(got, fmt.Sprintf("%s %q %d %d", path, node.Data, node.Stat.Czxid, node.Stat.Mzxid))
	}
	for path, node := range w.below(root) {
		want = append(want, fmt.Sprintf("%s %q %d %d", path, node.Data, node.Stat.Czxid, node.Stat.Mzxid))
	}
	slices.Sort(got)
	slices.Sort(want)
	require.Equal(w.t, want, got)
	assert.Equal(w.t, len(want), tree.Len())
}

// record follows the events of a cache until the end of the test.
func (w *world) record(tree snapshotter) *recorder {
	ctx, cancel := context.WithCancel(w.t.Context())
	r := newRecorder(w)
	go func() {
		defer close(r.done)
		for ev := range tree.Events(ctx) {
			r.add(ev)
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}
