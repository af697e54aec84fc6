package cache_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

const timeout = 10 * time.Second // of the sessions in these tests

// world is a server on a network in memory.
type world struct {
	*docenttest.Server
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

// once runs f in a bubble.
func once(t *testing.T, cfg zktest.Config, opts []cache.NodesOption, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, &world{docenttest.Start(t, cfg), t, opts}) })
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

// away is Blip, and waits until caches have caught up. It runs in a bubble.
func (w *world) away(name string, f func()) {
	w.t.Helper()
	w.Blip(name, f)
	time.Sleep(5 * time.Second)
}

// expire ends a client's session at the server while the client is away, does f and lets the client have the next
// session. It runs in a bubble.
func (w *world) expire(name string, cli *framework.Client, f func()) {
	w.t.Helper()
	id := cli.State().SessionID
	w.away(name, func() {
		require.True(w.t, w.ExpireSession(id))
		f()
	})
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
