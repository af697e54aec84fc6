package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/retry"
)

// cacheWays are a cache's two ways to watch.
var cacheWays = []struct {
	name string
	opts []cache.TreeOption
}{{"recursive", nil}, {"oneshot", []cache.TreeOption{cache.OneShot()}}}

// realNodes is what a real server of the tests holds with all its watches, in its small heap.
const realNodes = 10_000

// onCaches runs a benchmark of caches of n nodes in all ways on all servers. The nodes are there.
func onCaches(b *testing.B, sizes []int, run func(b *testing.B, p place, nodes int, opts []cache.TreeOption)) {
	onEach(b, func(b *testing.B, p place) {
		for _, nodes := range sizes {
			if p.root != "" && nodes > realNodes {
				continue
			}
			raiseForest(b, p, nodes)
			for _, way := range cacheWays {
				b.Run(fmt.Sprintf("nodes=%d/way=%s", nodes, way.name), func(b *testing.B) { run(b, p, nodes, way.opts) })
			}
		}
	})
}

// BenchmarkCacheLoad opens a cache: time, requests, bytes received, and heap per node. Beside it, a hand-written walk over
// go-zookeeper, which sets the watches that a cache without recursive watches needs.
func BenchmarkCacheLoad(b *testing.B) {
	onCaches(b, []int{10_000, 50_000}, func(b *testing.B, p place, nodes int, opts []cache.TreeOption) {
		bare := timeOf(b, func() { walkBare(b, p, nodes) })
		var cost traffic
		var heap int64
		var took time.Duration
		for range b.N {
			cost, heap, took = loadCache(b, p, nodes, opts)
		}
		cost.report(b, nodes)
		b.ReportMetric(float64(heap)/float64(nodes), "heap-B/node")
		b.ReportMetric(float64(took), "ns/op")
		b.ReportMetric(float64(bare), "bare-ns/op")
		b.ReportMetric(float64(took)/float64(bare), "ratio")
	})
}

// BenchmarkCacheReconnect breaks the connection of an idle cache, in the same session, and waits until it is fresh.
func BenchmarkCacheReconnect(b *testing.B) { onAbsences(b, reconnect) }

// BenchmarkCacheNewSession ends the session of an idle cache and waits until it is fresh in the next.
func BenchmarkCacheNewSession(b *testing.B) { onAbsences(b, renew) }

// onAbsences measures how an idle cache becomes fresh again. Beside it, a look at each of its nodes, which is what a client has
// to do that does not ask what has changed.
func onAbsences(b *testing.B, absent func(tb testing.TB, p place, m *meter, tree *cache.Tree)) {
	onCaches(b, []int{10_000, 50_000}, func(b *testing.B, p place, nodes int, opts []cache.TreeOption) {
		m := newMeter(b, p)
		tree := m.open(b, opts)
		looks, bare := m.during(func() { lookAtEach(b, m, tree) }), time.Duration(0)
		b.ResetTimer()
		var cost traffic
		for range b.N {
			b.StopTimer()
			bare += timeOf(b, func() { lookAtEach(b, m, tree) })
			b.StartTimer()
			cost = m.during(func() { absent(b, p, m, tree) })
		}
		cost.report(b, nodes)
		b.ReportMetric(float64(cost.sent)/1e6, "MB-sent")
		b.ReportMetric(float64(bare)/float64(b.N), "exists-ns/op")
		b.ReportMetric(float64(looks.received)/1e6, "exists-MB-received")
		b.ReportMetric(float64(looks.sent)/1e6, "exists-MB-sent")
	})
}

// lookAtEach asks for the Stat of every node of a cache, 64 at a time.
func lookAtEach(tb testing.TB, m *meter, tree *cache.Tree) {
	tb.Helper()
	session, err := m.Session(within(tb))
	require.NoError(tb, err)
	paths := make(chan string, 64)
	var looks sync.WaitGroup
	for range 64 {
		looks.Go(func() {
			for path := range paths {
				_, ok, err := session.Exists(within(tb), path)
				assert.True(tb, ok && err == nil, path)
			}
		})
	}
	for path := range tree.All() {
		paths <- path
	}
	close(paths)
	looks.Wait()
}

// BenchmarkCacheCreate creates children of one watched node, one after the other.
func BenchmarkCacheCreate(b *testing.B) {
	const children = 5000
	onEach(b, func(b *testing.B, p place) {
		for _, way := range cacheWays {
			b.Run("way="+way.name, func(b *testing.B) {
				for range b.N {
					createBeside(b, p, children, way.opts).report(b, children)
				}
			})
		}
	})
}

// traffic is what a client has sent and received.
type traffic struct{ requests, received, sent int64 }

func (t traffic) report(b *testing.B, nodes int) {
	b.ReportMetric(float64(t.requests), "requests")
	b.ReportMetric(float64(t.requests)/float64(nodes), "requests/node")
	b.ReportMetric(float64(t.received)/1e6, "MB-received")
}

// meter is a client whose traffic is counted.
type meter struct {
	*framework.Client
	requests, received, sent atomic.Int64

	dialing sync.Mutex // held while there is to be no connection
	mu      sync.Mutex
	conns   []net.Conn
}

// newMeter connects a client whose requests, but for pings and handshakes, are counted on their way.
func newMeter(tb testing.TB, p place) *meter {
	tb.Helper()
	m := &meter{}
	cli, err := framework.New(framework.Config{
		ConnectString: p.addr + p.root, SessionTimeout: sessionTimeout, ReconnectPolicy: retry.Forever(20 * time.Millisecond),
		Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			m.dialing.Lock()
			defer m.dialing.Unlock()
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.conns = append(m.conns, conn)
			return &meteredConn{Conn: conn, m: m}, nil
		},
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, cli.Close()) })
	require.NoError(tb, cli.WaitConnected(within(tb)))
	m.Client = cli
	return m
}

func (m *meter) open(tb testing.TB, opts []cache.TreeOption) *cache.Tree {
	tb.Helper()
	tree, err := cache.Open(within(tb), m.Client, "/forest", opts...)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = tree.Close() })
	return tree
}

func (m *meter) now() traffic { return traffic{m.requests.Load(), m.received.Load(), m.sent.Load()} }

// during is the traffic while f runs.
func (m *meter) during(f func()) traffic {
	before := m.now()
	f()
	after := m.now()
	return traffic{after.requests - before.requests, after.received - before.received, after.sent - before.sent}
}

// cut breaks all connections.
func (m *meter) cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		_ = c.Close()
	}
	m.conns = nil
}

// meteredConn counts frames on their way out and bytes on their way in.
type meteredConn struct {
	net.Conn
	m      *meter
	out    []byte // begin of a frame that is not complete enough to count
	skip   int    // bytes of a frame that was counted
	frames int
}

func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.m.received.Add(int64(n))
	return n, err
}

const pingXid = -2

func (c *meteredConn) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if c.skip > 0 {
			n := min(c.skip, len(rest))
			c.skip, rest = c.skip-n, rest[n:]
			continue
		}
		n := min(8-len(c.out), len(rest))
		c.out, rest = append(c.out, rest[:n]...), rest[n:]
		if len(c.out) == 8 {
			c.count()
		}
	}
	n, err := c.Conn.Write(p)
	c.m.sent.Add(int64(n))
	return n, err
}

// count takes the length and the number of a frame. The first of a connection is its handshake.
func (c *meteredConn) count() {
	if c.frames++; c.frames > 1 && int32(binary.BigEndian.Uint32(c.out[4:])) != pingXid {
		c.m.requests.Add(1)
	}
	c.skip, c.out = int(binary.BigEndian.Uint32(c.out))-4, c.out[:0]
}

// loadCache opens and closes a cache.
func loadCache(tb testing.TB, p place, nodes int, opts []cache.TreeOption) (cost traffic, heap int64, took time.Duration) {
	tb.Helper()
	m := newMeter(tb, p)
	before := heapInUse()
	var tree *cache.Tree
	cost = m.during(func() { took = timeOf(tb, func() { tree = m.open(tb, opts) }) })
	heap = heapInUse() - before
	require.Equal(tb, nodes, tree.Len())
	require.NoError(tb, tree.Close())
	require.NoError(tb, m.Close())
	return cost, heap, took
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}

func timeOf(tb testing.TB, f func()) time.Duration {
	tb.Helper()
	begin := time.Now()
	f()
	return time.Since(begin)
}

// reconnect breaks the connection and waits until the cache has noticed, and is fresh again.
func reconnect(tb testing.TB, _ place, m *meter, tree *cache.Tree) {
	tb.Helper()
	m.cut()
	awaitFresh(tb, tree)
}

// renew ends the session and waits until the cache has noticed, and is fresh in the next.
func renew(tb testing.TB, p place, m *meter, tree *cache.Tree) {
	tb.Helper()
	m.dialing.Lock()
	m.cut()
	err := p.expire(within(tb), m.State().SessionID)
	m.dialing.Unlock()
	require.NoError(tb, err)
	awaitFresh(tb, tree)
}

func awaitFresh(tb testing.TB, tree *cache.Tree) {
	tb.Helper()
	for tree.StaleSince().IsZero() {
		runtime.Gosched()
	}
	require.NoError(tb, tree.WaitFresh(within(tb)))
}

// createBeside creates children of a node that a cache watches and returns the traffic of the cache.
func createBeside(tb testing.TB, p place, children int, opts []cache.TreeOption) traffic {
	tb.Helper()
	cli, m := p.docent(tb), newMeter(tb, p)
	removeForest(tb, cli)
	_, err := cli.Create(within(tb), "/forest", nil, framework.Persistent)
	require.NoError(tb, err)
	tree := m.open(tb, opts)
	cost := m.during(func() {
		for i := range children {
			_, err := cli.Create(within(tb), fmt.Sprintf("/forest/child-%06d", i), payload, framework.Persistent)
			require.NoError(tb, err)
		}
		require.NoError(tb, tree.Sync(within(tb)))
	})
	require.Equal(tb, children+1, tree.Len())
	require.NoError(tb, tree.Close())
	return cost
}

// raiseForest makes a root with directories of up to 1000 nodes each, so many nodes in all.
func raiseForest(tb testing.TB, p place, nodes int) {
	tb.Helper()
	cli := p.docent(tb)
	removeForest(tb, cli)
	_, err := cli.Create(within(tb), "/forest", nil, framework.Persistent)
	require.NoError(tb, err)
	for left, dir := nodes-1, 0; left > 0; dir++ {
		path := fmt.Sprintf("/forest/dir-%03d", dir)
		ops := []framework.Op{framework.CreateOp(path, nil, framework.Persistent)}
		for i := range min(left-1, 1000) {
			ops = append(ops, framework.CreateOp(fmt.Sprintf("%s/node-%04d", path, i), payload, framework.Persistent))
		}
		left -= len(ops)
		_, err := cli.Multi(within(tb), ops)
		require.NoError(tb, err)
	}
}

// removeForest deletes what an earlier benchmark has left.
func removeForest(tb testing.TB, cli *framework.Client) {
	tb.Helper()
	dirs, _, err := cli.Children(within(tb), "/forest")
	if errors.Is(err, framework.ErrNoNode) {
		return
	}
	require.NoError(tb, err)
	var last []framework.Op
	for _, dir := range dirs {
		path := "/forest/" + dir
		names, _, err := cli.Children(within(tb), path)
		require.NoError(tb, err)
		var ops []framework.Op
		for _, name := range names {
			ops = append(ops, framework.DeleteOp(path+"/"+name, framework.AnyVersion))
		}
		if len(ops) > 0 {
			_, err = cli.Multi(within(tb), ops)
			require.NoError(tb, err)
		}
		last = append(last, framework.DeleteOp(path, framework.AnyVersion))
	}
	_, err = cli.Multi(within(tb), append(last, framework.DeleteOp("/forest", framework.AnyVersion)))
	require.NoError(tb, err)
}

// walkBare reads the forest with go-zookeeper, with a watch on each node and each list, 64 reads at a time.
func walkBare(tb testing.TB, p place, nodes int) {
	tb.Helper()
	conn := p.bare(tb)
	defer conn.Close()
	var read atomic.Int64
	slots := make(chan struct{}, 64)
	var walks sync.WaitGroup
	var walk func(path string)
	walk = func(path string) {
		slots <- struct{}{}
		_, _, _, err := conn.GetW(path)
		names, _, _, listErr := conn.ChildrenW(path)
		<-slots
		if assert.NoError(tb, errors.Join(err, listErr)) {
			read.Add(1)
		}
		for _, name := range names {
			walks.Go(func() { walk(path + "/" + name) })
		}
	}
	walk(p.root + "/forest")
	walks.Wait()
	require.EqualValues(tb, nodes, read.Load())
}

// What the benchmarks measure is run once in the ordinary tests.
func TestCacheCosts(t *testing.T) {
	p := onZktest(t)
	const nodes = 300
	raiseForest(t, p, nodes)
	walkBare(t, p, nodes)
	for _, way := range cacheWays {
		t.Run(way.name, func(t *testing.T) {
			cost, _, took := loadCache(t, p, nodes, way.opts)
			assert.LessOrEqual(t, cost.requests, int64(nodes/10), "many nodes in one request")
			assert.Positive(t, cost.received)
			assert.Positive(t, took)
			m := newMeter(t, p)
			tree := m.open(t, way.opts)
			for _, absent := range []func(testing.TB, place, *meter, *cache.Tree){reconnect, renew} {
				again := m.during(func() { absent(t, p, m, tree) })
				assert.LessOrEqual(t, again.requests, int64(nodes/10))
			}
			assert.EqualValues(t, nodes, m.during(func() { lookAtEach(t, m, tree) }).requests)
		})
	}
	assert.LessOrEqual(t, createBeside(t, p, 50, nil).requests, int64(52))
}
