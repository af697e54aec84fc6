package interop

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/test/realzk"
)

// BenchmarkCaches has docent and Curator mirror the same trees on the same servers, in turns. A metric without a prefix is of
// docent with a recursive watch; the others say whose they are. Of three loads
// the quickest counts, and the larger heap of the last two. At the end all is printed as a table.
func BenchmarkCaches(b *testing.B) {
	costs := &table{of: "caches"}
	defer func() { (&world{t: b}).show(costs) }()
	all := []mirrorKind{docentTree, docentOneShot, curatorCache, curatorTree}
	recursive := []mirrorKind{docentTree, curatorCache}
	b.Run("server=real", func(b *testing.B) {
		on := func(run func(cacheRun)) {
			run(cacheRun{w: onOwnServer(b), table: costs, server: "real", separate: true})
		}
		on(func(r cacheRun) { r.loads(b, 10_000, all).faults(b, 10_000, all) })
		on(func(r cacheRun) { r.loads(b, 50_000, recursive) }) // watches on each node would not fit into this small server
		on(func(r cacheRun) { r.growth(b, all) })
	})
	b.Run("server=zktest", func(b *testing.B) {
		r := cacheRun{w: onFake(b).world, table: costs, server: "zktest"}
		r.loads(b, 10_000, all).faults(b, 10_000, all)
		r.loads(b, 50_000, all).faults(b, 50_000, all)
		r.growth(b, all)
	})
}

// onOwnServer is a real server that nobody else uses.
func onOwnServer(tb testing.TB) *world {
	server := realzk.Standalone(tb, realzk.Options{})
	w := worldAt(tb, server.Addr())
	w.expire = server.ExpireSession
	return w
}

// cacheRun is the benchmark on one server.
type cacheRun struct {
	w        *world
	table    *table
	server   string
	separate bool // the server is a process of its own, so that its memory is not taken for docent's
}

// forestOf is where a forest of so many nodes is.
func forestOf(nodes int) string { return fmt.Sprintf("/forest%d", nodes) }

// loads raises a forest and loads it.
func (r cacheRun) loads(b *testing.B, nodes int, kinds []mirrorKind) cacheRun {
	path := forestOf(nodes)
	r.w.forest(path, nodes)
	r.turns(b, "load", nodes, kinds, func(w *world, k mirrorKind) cost {
		loads := []cost{loading(w, k, path, nodes), loading(w, k, path, nodes), loading(w, k, path, nodes)}
		best := slices.MinFunc(loads, func(a, b cost) int { return cmp.Compare(a.time, b.time) })
		best.heap = max(loads[1].heap, loads[2].heap) // what goes late of an earlier one makes it smaller
		return best
	})
	return r
}

// faults breaks the connection of caches of a forest that is there, and ends their sessions.
func (r cacheRun) faults(b *testing.B, nodes int, kinds []mirrorKind) {
	path := forestOf(nodes)
	var tells []mirrorKind // when they are fresh again
	for _, k := range kinds {
		if k.name != curatorTree.name {
			tells = append(tells, k)
		}
	}
	r.turns(b, "blip", nodes, tells, func(w *world, k mirrorKind) cost { return gettingOver(w, k, path, nodes, blip) })
	r.turns(b, "new session", nodes, tells, func(w *world, k mirrorKind) cost { return gettingOver(w, k, path, nodes, loss) })
}

// growth creates children under a node that is watched.
func (r cacheRun) growth(b *testing.B, kinds []mirrorKind) {
	for _, children := range []int{1000, 2000, 5000} {
		r.turns(b, "create", children, kinds, func(w *world, k mirrorKind) cost {
			return growing(w, k, fmt.Sprintf("/nursery%d", parties.Add(1)), children, children)[0]
		})
	}
}

// turns has all kinds do the same, b.N times.
func (r cacheRun) turns(b *testing.B, what string, nodes int, kinds []mirrorKind, do func(w *world, k mirrorKind) cost) {
	b.Run(fmt.Sprintf("%s/nodes=%d", strings.ReplaceAll(what, " ", "-"), nodes), func(b *testing.B) {
		best := map[string]cost{}
		for i := range b.N {
			for _, k := range kinds {
				c := do(r.w.in(b), k)
				if i > 0 {
					c.time = min(c.time, best[k.name].time)
				}
				best[k.name] = c
			}
		}
		for _, k := range kinds {
			r.report(b, what, nodes, k, best[k.name])
		}
		ours, theirs := best[docentTree.name], best[curatorCache.name]
		b.ReportMetric(float64(ours.requests)/float64(theirs.requests), "requests/Curator's")
		b.ReportMetric(float64(ours.time)/float64(theirs.time), "time/Curator's")
		b.ReportMetric(0, "ns/op")
	})
}

// report adds to the benchmark's metrics and to the table what one has cost.
func (r cacheRun) report(b *testing.B, what string, nodes int, k mirrorKind, c cost) {
	require.Positive(b, c.requests)
	prefix := map[string]string{docentOneShot.name: "one-shot-", curatorCache.name: "Curator-", curatorTree.name: "TreeCache-"}[k.name]
	row := func(measure, format string, value float64) {
		b.ReportMetric(value, prefix+measure)
		r.table.add(fmt.Sprintf("%s, %s %d: %s", r.server, what, nodes, measure), k.name, fmt.Sprintf(format, value))
	}
	row("requests", "%.0f", float64(c.requests))
	row("MB-received", "%.2f", float64(c.received)/1e6)
	row("ms", "%.0f", float64(c.time)/float64(time.Millisecond))
	if what == "load" && (r.separate || k.name == curatorCache.name || k.name == curatorTree.name) {
		row("heap-B/node", "%.0f", float64(c.heap)/float64(nodes))
	}
}
