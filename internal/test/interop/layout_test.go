package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/node"
)

// layout is something that docent and a peer write to a path in the same form.
type layout struct {
	ours   func(w *world, path string)
	theirs func(w *world, path string)
	nodes  int               // what the peer writes below the path, so that nothing is compared too early
	spared []string          // what docent does not write of it
	extra  []string          // what docent writes besides
	differ map[string]string // the data of ours, by node, where it is another one; see docs/interop.md
	rename map[string]string // what the peer's nodes are called by docent
}

// ttl is that of the nodes that have one. Curator makes the node that has it after half of it.
const ttl = 400 * time.Millisecond

// as is docent's data in locks, when a peer's nodes are to be equal in everything.
var as = lock.WithData([]byte(commonData))

// curatorLayouts are the recipes of Curator.
var curatorLayouts = map[string]layout{
	"mutex":     {ours: take(1, 1, ourMutexAs), theirs: takeTheirs(1, 1, "mutex"), nodes: 1},
	"queue":     {ours: take(3, 1, ourMutexAs), theirs: takeTheirs(3, 1, "mutex"), nodes: 3},
	"revocable": {ours: take(1, 1, ourMutex), theirs: begin("lock.acquireRevocable"), nodes: 1},
	"reader":    {ours: take(1, 1, ourReaderAs), theirs: takeTheirs(1, 1, "read"), nodes: 1},
	"readers":   {ours: take(2, 2, ourReaderAs), theirs: takeTheirs(2, 2, "read"), nodes: 2},
	"writer":    {ours: take(1, 1, ourWriterAs), theirs: takeTheirs(1, 1, "write"), nodes: 1},
	"writers":   {ours: take(2, 1, ourWriterAs), theirs: takeTheirs(2, 1, "write"), nodes: 2},
	"permit":    {ours: take(1, 1, ourPermitsAs(3, 1)), theirs: takeTheirs(1, 1, "semaphore/3/1"), nodes: 3, spared: []string{"/locks"}},
	"permits":   {ours: take(1, 1, ourPermitsAs(3, 2)), theirs: takeTheirs(1, 1, "semaphore/3/2"), nodes: 4, spared: []string{"/locks"}},
	"waiting": {ours: take(2, 1, ourPermitsAs(1, 1)), theirs: takeTheirs(2, 1, "semaphore/1/1"), nodes: 5,
		rename: map[string]string{"/locks/_c_GUID-lock-0000000001": "/locks/_c_GUID-lock-0000000000"}}, // Curator's first one had 0

	"latch":    {ours: elect(), theirs: begin("latch.start", "docent"), nodes: 1},
	"selector": {ours: elect(leader.Selector()), theirs: begin("selector.start", "docent"), nodes: 1},

	"ephemeral":            keeps("EPHEMERAL", ""),
	"protected":            keeps("EPHEMERAL", "protected", node.Protected()),
	"sequential":           keeps("EPHEMERAL_SEQUENTIAL", "", node.WithMode(framework.EphemeralSequential)),
	"protected sequential": keeps("EPHEMERAL_SEQUENTIAL", "protected", node.WithMode(framework.EphemeralSequential), node.Protected()),
	"persistent":           keeps("PERSISTENT", "", node.WithMode(framework.Persistent)),
	"container":            keeps("CONTAINER", "", node.WithMode(framework.Container)),
	"ttl": {
		ours: func(w *world, path string) {
			_, err := node.Keep(within(w.t), w.client(), path+"/ttl", []byte("kept"), node.WithTTL(ttl))
			require.NoError(w.t, err)
		},
		theirs: func(w *world, path string) {
			w.curator().do("ttl.keep", path+"/ttl", ttl.Milliseconds(), hexed("kept"))
		},
		nodes: 2, differ: map[string]string{"/ttl/touch": ""},
	},
	"member": {
		ours: func(w *world, path string) {
			_, err := node.Join(within(w.t), w.client(), path, "me", []byte("payload"))
			require.NoError(w.t, err)
		},
		theirs: func(w *world, path string) { w.curator().do("group.join", path, "me", hexed("payload")) },
		nodes:  1,
	},
	// Not of a sequential one: Curator registers it again when it hears of its first connection late, and then has two.
	"dynamic instance":   registers(discovery.Dynamic),
	"static instance":    registers(discovery.Static),
	"permanent instance": registers(discovery.Permanent),

	"shared count": counts("shared", counter.WithoutReceipt),
	"integer":      counts("int", counter.WithoutReceipt),
	"long":         counts("long", counter.WithoutReceipt, counter.Long),
	"barrier": {
		ours:   setBarrier,
		theirs: begin("barrier.set", "/barrier"),
		nodes:  1, differ: map[string]string{"/barrier": ""},
	},
	"double": {
		ours:   enterDouble,
		theirs: begin("double.enter", "1"),
		nodes:  2, differ: map[string]string{"/_c_GUID-GUID": "", "/ready": ""}, rename: map[string]string{"/GUID": "/_c_GUID-GUID"},
	},
}

// kazooLayouts are those recipes of kazoo whose layout docent has as well.
var kazooLayouts = map[string]layout{
	"integer": {
		ours: func(w *world, path string) {
			adds(w.t, counter.NewInt(w.client(), path+"/count", counter.WithoutReceipt), -258, 1)
		},
		theirs: func(w *world, path string) { w.kazoo().do("count.add", "int", path+"/count", -258, 1) },
		nodes:  1,
	},
	"barrier": {
		ours:   setBarrier,
		theirs: func(w *world, path string) { w.kazoo().do("barrier.set", path+"/barrier") },
		nodes:  1,
	},
	"lock": twin("lock", "lock-", "__lock__", func(cli *framework.Client, path string, opts ...lock.Option) acquire {
		return holding(lock.New(cli, path, opts...).Lock)
	}),
	"writer": twin("write", "__WRIT__", "__lock__", func(cli *framework.Client, path string, opts ...lock.Option) acquire {
		return holding(lock.NewRW(cli, path, opts...).Lock)
	}),
	"reader": twin("read", "__READ__", "__rlock__", func(cli *framework.Client, path string, opts ...lock.Option) acquire {
		return holding(lock.NewRW(cli, path, opts...).RLock)
	}),
}

// twin is a lock whose second node is as kazoo's, but for what stands in front of the marker.
func twin(kind, own, marker string, open func(*framework.Client, string, ...lock.Option) acquire) layout {
	return layout{
		ours: take(1, 1, func(cli *framework.Client, path string) acquire {
			return open(cli, path, lock.Shared(), lock.WithData([]byte("kazoo")))
		}),
		theirs: func(w *world, path string) { w.kazoo().do("lock.acquire", kind, path) },
		nodes:  1,
		extra:  []string{"/_c_GUID-" + own + "0000000000"},
		rename: map[string]string{"/HEX" + marker + "0000000000": "/_c_GUID-" + marker + "0000000001"},
	}
}

func setBarrier(w *world, path string) {
	require.NoError(w.t, barrier.New(w.client(), path+"/barrier").Set(within(w.t)))
}

func enterDouble(w *world, path string) {
	_, err := barrier.NewDouble(w.client(), path, 1).Enter(within(w.t))
	require.NoError(w.t, err)
}

func ourMutexAs(cli *framework.Client, path string) acquire {
	return holding(lock.New(cli, path, as).Lock)
}
func ourReaderAs(cli *framework.Client, path string) acquire {
	return holding(lock.NewRW(cli, path, as).RLock)
}
func ourWriterAs(cli *framework.Client, path string) acquire {
	return holding(lock.NewRW(cli, path, as).Lock)
}

func ourPermitsAs(limit, n int) taker {
	return func(cli *framework.Client, path string) acquire {
		return permits(lock.NewSemaphore(cli, path, limit, as), n)
	}
}

// take has n clients of docent take a lock, one after the other. Those who do not wait hold it in the end.
func take(n, hold int, taker taker) func(w *world, path string) {
	return func(w *world, path string) {
		inTurns(w, path, n, hold, func() *call { return (&docentLock{t: w.t, lock: taker(w.client(), path)}).take() })
	}
}

// takeTheirs has participants with Curator do so.
func takeTheirs(n, hold int, kind string) func(w *world, path string) {
	return func(w *world, path string) {
		inTurns(w, path, n, hold, func() *call { return w.curator().begin("lock.acquire", kind, path) })
	}
}

func inTurns(w *world, path string, n, hold int, take func() *call) {
	w.t.Helper()
	for i := range n {
		c := take()
		if i < hold {
			c.wait(w.t)
			continue
		}
		w.untilSubtree(path, func(nodes map[string]sight) bool { return queued(nodes) > i })
	}
}

// queued counts the nodes of those who hold or wait.
func queued(nodes map[string]sight) (n int) {
	for _, s := range nodes {
		if s.ephemeral {
			n++
		}
	}
	return n
}

func elect(opts ...leader.Option) func(w *world, path string) {
	return func(w *world, path string) { stand(w.t, w.client(), path, "docent", opts...) }
}

// begin has Curator do one thing. An argument with a slash in front is a path below the given one.
func begin(command string, args ...any) func(w *world, path string) {
	return func(w *world, path string) {
		if len(args) > 0 && strings.HasPrefix(fmt.Sprint(args[0]), "/") {
			w.curator().begin(command, path+fmt.Sprint(args[0]))
			return
		}
		w.curator().begin(command, append([]any{path}, args...)...)
	}
}

// keeps is a kept node of a mode.
func keeps(mode, protected string, opts ...node.Option) layout {
	return layout{
		ours: func(w *world, path string) {
			_, err := node.Keep(within(w.t), w.client(), path+"/kept", []byte("kept"), opts...)
			require.NoError(w.t, err)
		},
		theirs: func(w *world, path string) { w.curator().do("node.keep", path+"/kept", mode, protected, hexed("kept")) },
		nodes:  1,
	}
}

// registers is an instance of a service.
func registers(kind discovery.Type) layout {
	in := service("id", "payload")
	in.Type = kind
	return layout{
		ours: func(w *world, path string) {
			_, err := discovery.New[string](w.client(), path).Register(within(w.t), in)
			require.NoError(w.t, err)
		},
		theirs: func(w *world, path string) {
			other := w.curator()
			other.do("discovery.format", javaObject, "compatible")
			other.do("discovery.start", path)
			other.do("discovery.register", javaWords(in, "String", "payload")...)
		},
		nodes: 2,
	}
}

// counts is a number.
func counts(kind string, opts ...counter.IntOption) layout {
	return layout{
		ours: func(w *world, path string) {
			require.NoError(w.t, counter.NewInt(w.client(), path+"/count", opts...).Set(within(w.t), -258))
		},
		theirs: func(w *world, path string) { w.curator().do("count.set", kind, path+"/count", -258) },
		nodes:  1,
	}
}

// What docent writes and what Curator writes is the same: names but for their random parts, numbers, data, owners; and, on
// the server that tells, kinds of nodes.
func TestCuratorLayouts(t *testing.T) {
	t.Parallel()
	compareLayouts(t, curatorLayouts, func(*world, string) {})
}

// The same for kazoo, in directories that are there: kazoo makes persistent ones.
func TestKazooLayouts(t *testing.T) {
	t.Parallel()
	compareLayouts(t, kazooLayouts, func(w *world, path string) { w.create(path, "") })
}

func compareLayouts(t *testing.T, layouts map[string]layout, prepare func(w *world, path string)) {
	fake := onFake(t)
	for name, w := range map[string]*world{"real": onReal(t), "zktest": fake.world} {
		for recipe, l := range layouts {
			t.Run(name+"/"+recipe, func(t *testing.T) {
				t.Parallel()
				w, base := w.in(t), "/"+strings.ReplaceAll(recipe, " ", "")
				prepare(w, base+"/ours")
				prepare(w, base+"/theirs")
				l.ours(w, base+"/ours")
				l.theirs(w, base+"/theirs")
				ours := w.settled(base+"/ours", l.nodes-len(l.spared)+len(l.extra))
				theirs := w.settled(base+"/theirs", l.nodes)
				adapt(t, l, ours, theirs)
				for node, data := range l.differ {
					require.Contains(t, theirs, node)
					require.Equal(t, commonData, theirs[node].data)
					theirs[node] = sight{data, theirs[node].ephemeral}
				}
				assert.Equal(t, theirs, ours)
				if w.connect == fake.connect {
					ours, theirs := fake.kinds(base+"/ours"), fake.kinds(base+"/theirs")
					adapt(t, l, ours, theirs)
					assert.Equal(t, theirs, ours)
				}
			})
		}
	}
}

// adapt takes away what only one side writes, and gives the peer's nodes docent's names.
func adapt[V any](t *testing.T, l layout, ours, theirs map[string]V) {
	t.Helper()
	for _, node := range l.extra {
		require.Contains(t, ours, node)
		delete(ours, node)
	}
	for _, node := range l.spared {
		require.Contains(t, theirs, node)
		delete(theirs, node)
	}
	for from, to := range l.rename {
		require.Contains(t, theirs, from)
		theirs[to] = theirs[from]
		delete(theirs, from)
	}
}
