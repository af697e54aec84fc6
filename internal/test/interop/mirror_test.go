package interop

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// mirror is a cache of a path and everything below it, of docent or of Curator, with a session of its own.
type mirror interface {
	open(path string)          // and waits until it is complete
	nodes() int                // how many it has
	await(n int) (aside int64) // that it has so many and asks for no more; returns the requests made only to know that
	over(fault func())         // waits until it has got over the fault, and is as fresh as before
	heap() (bytes int64)       // of the whole process, after a garbage collection
	sessionID() (id int64)
	close() // with its session
}

// mirrorKind is a kind of mirror.
type mirrorKind struct {
	name  string
	start func(w *world) mirror
}

// The kinds of mirrors. Two of them follow everything with one recursive watch, two with one-shot watches on each node.
var (
	docentTree    = mirrorKind{"docent", docentMirror()}
	docentOneShot = mirrorKind{"docent OneShot", docentMirror(cache.OneShot())}
	curatorCache  = mirrorKind{"CuratorCache", func(w *world) mirror { return &theirMirror{w.curator(), "CuratorCache"} }}
	curatorTree   = mirrorKind{"TreeCache", func(w *world) mirror { return &theirMirror{w.curator(), "TreeCache"} }}
)

// behindMeter starts a mirror whose traffic is counted.
func (k mirrorKind) behindMeter(w *world) (mirror, *meter) {
	w.t.Helper()
	behind, m := w.metered()
	return k.start(behind), m
}

// ourMirror is docent's.
type ourMirror struct {
	w    *world
	cli  *framework.Client
	opts []cache.TreeOption
	tree *cache.Tree
}

func docentMirror(opts ...cache.TreeOption) func(w *world) mirror {
	return func(w *world) mirror { return &ourMirror{w: w, cli: w.client(), opts: opts} }
}

func (o *ourMirror) open(path string) {
	o.w.t.Helper()
	var err error
	o.tree, err = cache.Open(within(o.w.t), o.cli, path, o.opts...)
	require.NoError(o.w.t, err)
}

func (o *ourMirror) nodes() int { return o.tree.Len() }

func (o *ourMirror) await(n int) int64 {
	o.w.t.Helper()
	ctx, cancel := context.WithCancel(within(o.w.t))
	defer cancel()
	events := o.tree.Events(ctx)
	for o.tree.Len() != n {
		_, more := <-events
		require.True(o.w.t, more, "there are %d nodes, not %d", o.tree.Len(), n)
	}
	return 0
}

func (o *ourMirror) over(fault func()) {
	o.w.t.Helper()
	ctx, cancel := context.WithCancel(within(o.w.t))
	defer cancel()
	states := o.cli.States(ctx)
	fault()
	away := false
	for change := range states {
		away = away || change.State == framework.Suspended
		if away && change.State.Connected() {
			break
		}
	}
	require.NoError(o.w.t, o.tree.WaitFresh(ctx))
}

func (o *ourMirror) heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}

func (o *ourMirror) sessionID() int64 { return o.cli.State().SessionID }

func (o *ourMirror) close() {
	assert.NoError(o.w.t, o.tree.Close())
	assert.NoError(o.w.t, o.cli.Close())
}

// theirMirror is Curator's.
type theirMirror struct {
	*party
	kind string
}

func (o *theirMirror) open(path string) {
	o.t.Helper()
	o.do("cache.open", o.kind, path)
}

func (o *theirMirror) nodes() int {
	n, err := strconv.Atoi(o.says("cache.size"))
	require.NoError(o.t, err)
	return n
}

// await has it sync behind what it does when it has the last node, and again behind what it asks for then.
func (o *theirMirror) await(n int) int64 {
	o.t.Helper()
	o.do("cache.await", n)
	o.do("sync")
	o.do("sync")
	return 2
}

// over works for CuratorCache only: TreeCache does not show what it reads again.
func (o *theirMirror) over(fault func()) {
	o.t.Helper()
	o.do("cache.mark")
	fault()
	o.do("cache.reread")
}

func (o *theirMirror) heap() int64 {
	bytes, err := strconv.ParseInt(o.says("heap"), 10, 64)
	require.NoError(o.t, err)
	return bytes
}

func (o *theirMirror) sessionID() int64 { return sessionOf(o.t, o.party) }

func (o *theirMirror) close() {
	o.do("cache.close")
	_, err := o.begin("close").result()
	assert.NoError(o.t, err)
}

// forest raises a tree at a path: directories of up to a thousand nodes each, so many nodes in all, and as much data in each
// as a small configuration or an address has. Its transactions are small, because servers keep hundreds of them in memory.
func (w *world) forest(path string, nodes int) {
	w.t.Helper()
	w.create(path, "")
	payload := make([]byte, 128)
	var ops []framework.Op
	for left, dir := nodes-1, 0; left > 0; dir++ {
		at := fmt.Sprintf("%s/dir-%03d", path, dir)
		ops = append(ops, framework.CreateOp(at, nil, framework.Persistent))
		here := min(left-1, 1000)
		for i := range here {
			ops = append(ops, framework.CreateOp(fmt.Sprintf("%s/node-%04d", at, i), payload, framework.Persistent))
		}
		left -= 1 + here
	}
	ctx := within(w.t)
	for some := range slices.Chunk(ops, 25) {
		_, err := w.eye.Multi(ctx, some)
		require.NoError(w.t, err)
	}
}

// cost is what a mirror has cost.
type cost struct {
	traffic
	time time.Duration
	heap int64
}

// loading is the cost of reading so many nodes for the first time.
func loading(w *world, k mirrorKind, path string, nodes int) (c cost) {
	w.t.Helper()
	mirror, meter := k.behindMeter(w)
	defer mirror.close()
	before := mirror.heap()
	c.traffic = meter.during(func() {
		c.time = timeOf(func() { mirror.open(path) })
	})
	require.Equal(w.t, nodes, mirror.nodes())
	c.heap = mirror.heap() - before
	return c
}

// gettingOver is the cost of a fault, after which nothing has changed.
func gettingOver(w *world, k mirrorKind, path string, nodes int, fault func(w *world, k mirror, m *meter)) (c cost) {
	w.t.Helper()
	mirror, meter := k.behindMeter(w)
	defer mirror.close()
	mirror.open(path)
	c.traffic = meter.during(func() {
		c.time = timeOf(func() { mirror.over(func() { fault(w, mirror, meter) }) })
	})
	require.Equal(w.t, nodes, mirror.nodes())
	return c
}

// blip breaks the connection, which is made again in the same session.
func blip(_ *world, _ mirror, m *meter) { m.cut() }

// loss ends the session.
func loss(w *world, k mirror, _ *meter) { require.NoError(w.t, w.expire(within(w.t), k.sessionID())) }

// growing is the cost of children that are created one after the other under a node that is watched, each mark of them counted
// from the begin. With a pace of n, the mirror is waited for after each n of them.
func growing(w *world, k mirrorKind, path string, pace int, marks ...int) (costs []cost) {
	w.t.Helper()
	w.create(path, "")
	mirror, meter := k.behindMeter(w)
	defer mirror.close()
	mirror.open(path)
	ctx := within(w.t)
	begin, start, made := meter.now(), time.Now(), 0
	for _, mark := range marks {
		for made < mark {
			_, err := w.eye.Create(ctx, fmt.Sprintf("%s/child-%06d", path, made), nil, framework.Persistent)
			require.NoError(w.t, err)
			if made++; made == mark || made%pace == 0 {
				begin.requests += mirror.await(1 + made)
			}
		}
		costs = append(costs, cost{traffic: meter.now().minus(begin), time: time.Since(start)})
	}
	return costs
}

func timeOf(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}
