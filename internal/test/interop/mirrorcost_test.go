package interop

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// What caches of docent and of Curator ask for when they load, when the connection breaks and when the session ends, with
// nothing changed. The times, and larger trees, are in BenchmarkCaches.
func TestCachesBesideCurator(t *testing.T) {
	t.Parallel()
	const path, nodes = "/forest", 400
	w := onFake(t).world
	w.forest(path, nodes)
	costs := &table{of: fmt.Sprintf("requests for %d nodes", nodes)}
	count := func(what string, of func(k mirrorKind) cost, kinds ...mirrorKind) (requests []int64) {
		for _, k := range kinds {
			c := of(k)
			requests = append(requests, c.requests)
			costs.add(what, k.name, fmt.Sprint(c.requests))
		}
		return requests
	}
	defer w.show(costs)

	load := count("load", func(k mirrorKind) cost { return loading(w, k, path, nodes) }, docentTree, docentOneShot, curatorCache, curatorTree)
	few := int64(nodes / 10)
	assert.LessOrEqual(t, load[0], few, "many nodes and lists in one request, the watch, one look, one sync")
	assert.LessOrEqual(t, load[1], few, "the same, and with each request one that sets watches")
	assert.GreaterOrEqual(t, load[2], int64(2*nodes), "Curator lists the children also of nodes without any")

	again := count("the connection breaks", func(k mirrorKind) cost { return gettingOver(w, k, path, nodes, blip) }, docentTree, docentOneShot, curatorCache)
	assert.LessOrEqual(t, again[0], few, "only what sets the watches again")
	assert.LessOrEqual(t, again[1], few, "only what sets the watches again")
	assert.GreaterOrEqual(t, again[2], int64(nodes), "Curator reads everything")

	anew := count("the session ends", func(k mirrorKind) cost { return gettingOver(w, k, path, nodes, loss) }, docentTree, docentOneShot, curatorCache)
	assert.LessOrEqual(t, anew[0], few, "the servers compare in a new session, too")
	assert.LessOrEqual(t, anew[1], few, "a look at each node, many in one request, which sets its watches")
	assert.GreaterOrEqual(t, anew[2], int64(nodes))
}

// Children that are created one after the other cost one read each, or share one, and not lists of all their siblings: requests and
// bytes grow with the number of children, and not with its square.
func TestWatchedDirectoryGrows(t *testing.T) {
	t.Parallel()
	w := onFake(t).world
	marks := []int{1000, 2000, 5000}
	costs := growing(w, docentTree, "/nursery", 100, marks...)
	each := float64(costs[0].received) / float64(marks[0])
	for i, mark := range marks {
		t.Logf("docent, %d children: %d requests, %d bytes received", mark, costs[i].requests, costs[i].received)
		assert.LessOrEqual(t, costs[i].requests, int64(mark+mark/100), "one read for each, at most")
		assert.InEpsilon(t, each*float64(mark), costs[i].received, 0.1, "bytes")
	}
}

// With one-shot watches there is a list of all children with each event, unless several of them share it: requests grow with
// their number, and bytes with its square.
func TestWatchedDirectoryGrowsWithOneShotWatches(t *testing.T) {
	t.Parallel()
	w := onFake(t).world
	marks := []int{100, 200, 400}
	costs := growing(w, docentOneShot, "/nursery", 1, marks...)
	for i, mark := range marks {
		t.Logf("docent OneShot, %d children: %d requests, %d bytes received", mark, costs[i].requests, costs[i].received)
		assert.InEpsilon(t, 3*mark, costs[i].requests, 0.1, "a read and a list of each, and a list of all with it")
	}
	assert.Greater(t, costs[2].received, 3*costs[1].received, "twice the children, nearly four times the bytes")
}

// Curator asks for each child twice, for its data and for its children.
func TestWatchedDirectoryGrowsBesideCurator(t *testing.T) {
	t.Parallel()
	w := onFake(t).world
	const children = 1000
	ours := growing(w, docentTree, "/ours", children, children)[0]
	theirs := growing(w, curatorCache, "/theirs", children, children)[0]
	t.Logf("%d children: docent %d requests, %d bytes; CuratorCache %d requests, %d bytes",
		children, ours.requests, ours.received, theirs.requests, theirs.received)
	assert.LessOrEqual(t, ours.requests*3, theirs.requests*2)
	assert.Less(t, ours.received, theirs.received)
}
