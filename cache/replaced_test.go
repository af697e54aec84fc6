package cache_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// replacement is what one transaction replaces: it deletes the nodes, the last one first, and creates them again with other data.
type replacement []string

// ops are the operations of the transaction.
func (r replacement) ops(data string) (ops []framework.Op) {
	for _, path := range slices.Backward(r) {
		ops = append(ops, framework.DeleteOp(path, framework.AnyVersion))
	}
	for _, path := range r {
		ops = append(ops, framework.CreateOp(path, []byte(data), framework.Persistent))
	}
	return ops
}

// replacements are the shapes that every test replaces.
var replacements = map[string]replacement{
	"a node":            {"/r/a"},
	"nodes":             {"/r/a", "/r/b", "/r/c/d"},
	"a node with kids":  {"/r/c", "/r/c/d", "/r/c/e"},
	"two levels":        {"/r/c", "/r/c/d", "/r/c/e", "/r/f", "/r/f/g", "/r/f/g/h"},
	"the deepest":       {"/r/f/g/h"},
	"everything":        {"/r", "/r/a", "/r/b", "/r/c", "/r/c/d", "/r/c/e", "/r/f", "/r/f/g", "/r/f/g/h"},
	"the lower levels":  {"/r/f/g", "/r/f/g/h"},
	"the same, and one": {"/r/f", "/r/f/g", "/r/f/g/h", "/r/a"},
}

// replace applies a replacement.
func (r replacement) replace(w *world, cli *framework.Client, data string) {
	_, err := cli.Multi(w.t.Context(), r.ops(data))
	require.NoError(w.t, err)
}

// neverAbsent checks that nodes are in each state that the cache shows, until the test ends. It returns how many there were.
func (w *world) neverAbsent(tree *cache.Tree, paths ...string) (states *int) {
	ctx, cancel := context.WithCancel(w.t.Context())
	states = new(int)
	done := tree.EveryState(ctx, func(s cache.Snapshot) {
		*states++
		for _, path := range paths {
			_, ok := s.Get(path)
			assert.True(w.t, ok, "%s in state %d", path, *states)
		}
	})
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
	return states
}

// Scenario 58: what one transaction replaces is in every snapshot, as it was or as it is.
func TestReplacedNodeIsNeverAbsent(t *testing.T) {
	for name, r := range replacements {
		for _, latency := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond} {
			t.Run(fmt.Sprint(name, " ", latency), func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					for _, path := range replacements["everything"] {
						w.Put(path, "0")
					}
					writer := w.Connect("writer")
					tree := w.open(w.Connect("c"), "/r")
					defer w.Delay(zktest.ClientConns("c"), latency)()
					rec := w.record(tree)
					w.neverAbsent(tree, replacements["everything"]...)
					for i := range 5 {
						r.replace(w, writer, fmt.Sprint(i+1))
						if i%3 > 0 { // else while the cache reads
							time.Sleep(time.Duration(i) * 10 * time.Millisecond)
						}
					}
					require.NoError(t, tree.Sync(t.Context()))
					w.equal(tree, "/r")
					rec.take()
					rec.equal(tree)
				})
			})
		}
	}
}

// Scenario 58: what is replaced while the cache is away is in every snapshot, too.
func TestNodeReplacedMeanwhileIsNeverAbsent(t *testing.T) {
	for name, absence := range absences {
		t.Run(name, func(t *testing.T) {
			for _, few := range []bool{true, false} {
				for name, r := range replacements {
					t.Run(name, func(t *testing.T) {
						times := 1
						if !few {
							t.Cleanup(cache.AskAlways())
							times = 2
						}
						bubble(t, func(t *testing.T, w *world) {
							for _, path := range replacements["everything"] {
								w.Put(path, "0")
							}
							cli, writer := w.Connect("c"), w.Connect("writer")
							tree := w.open(cli, "/r")
							rec := w.record(tree)
							w.neverAbsent(tree, replacements["everything"]...)
							for i := range times {
								absence(w, cli, func() { r.replace(w, writer, fmt.Sprint(i)) })
							}
							require.NoError(t, tree.Sync(t.Context()))
							w.equal(tree, "/r")
							rec.take()
							rec.equal(tree)
						})
					})
				}
			}
		})
	}
}

// In Events, what was replaced is Removed, and Added behind that.
func TestEventsOfAReplacement(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for _, path := range replacements["everything"] {
			w.Put(path, "0")
		}
		writer := w.Connect("writer")
		rec := w.record(w.open(w.Connect("c"), "/r"))
		rec.take()
		replacement{"/r/f/g", "/r/f/g/h"}.replace(w, writer, "1")
		time.Sleep(time.Second)
		assert.Equal(t, []string{
			"Removed /r/f/g/h", "Removed /r/f/g", `Added /r/f/g "1"`, `Added /r/f/g/h "1"`,
		}, rec.take())
	})
}

// A node that is replaced again and again, faster than what is below it can be read, does not stay what it was for ever.
func TestReplacedWithoutEnd(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		for _, path := range replacements["everything"] {
			w.Put(path, "0")
		}
		writer := w.Connect("writer")
		tree := w.open(w.Connect("c"), "/r")
		defer w.Delay(zktest.ClientConns("c"), 20*time.Millisecond)()
		for i := range 750 { // for more than 10 s
			replacements["two levels"].replace(w, writer, fmt.Sprint(i+1))
			time.Sleep(15 * time.Millisecond)
		}
		node, ok := tree.Get("/r/c")
		require.True(t, ok)
		assert.NotEqual(t, "0", string(node.Data))
		require.NoError(t, tree.Sync(t.Context()))
		w.equal(tree, "/r")
	})
}

// The same is so of a node that was replaced once, while nodes below it are replaced again and again.
func TestHeldNodeIsShownAfterMaxHold(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		for _, path := range replacements["everything"] {
			w.Put(path, "0")
		}
		writer := w.Connect("writer")
		tree := w.open(w.Connect("c"), "/r")
		defer w.Delay(zktest.ClientConns("c"), 20*time.Millisecond)()
		replacements["two levels"].replace(w, writer, "1")
		for i := range 750 { // for more than 10 s
			replacements["the lower levels"].replace(w, writer, fmt.Sprint(i+1))
			time.Sleep(15 * time.Millisecond)
		}
		node, ok := tree.Get("/r/f")
		require.True(t, ok)
		assert.Equal(t, "1", string(node.Data))
		require.NoError(t, tree.Sync(t.Context()))
		w.equal(tree, "/r")
	})
}

// A new node is shown only when what is below it is known. If the connection breaks before, it is read again.
func TestANodeReplacedBeforeTheConnectionBreaksIsReadAgain(t *testing.T) {
	t.Cleanup(cache.AskAlways())
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		for _, path := range replacements["everything"] {
			w.Put(path, "0")
		}
		w.Put("/r/z", "0")
		cli, writer := w.Connect("c"), w.Connect("writer")
		tree := w.open(cli, "/r")
		heal := w.Delay(zktest.ClientConns("c"), 20*time.Millisecond)
		replacements["a node with kids"].replace(w, writer, "1")
		for i := range 200 {
			_, err := writer.Multi(t.Context(), []framework.Op{
				framework.CreateOp(fmt.Sprint("/r/c/d/n", i), nil, framework.Persistent),
				framework.CreateOp(fmt.Sprint("/r/c/d/n", i, "/m"), nil, framework.Persistent),
			})
			require.NoError(t, err)
			if i < 100 {
				w.set("/r/z", fmt.Sprint(i))
			}
			time.Sleep(10 * time.Millisecond)
		}
		node, _ := tree.Get("/r/c")
		require.Equal(t, "0", string(node.Data), "what is below it is still being read")
		w.away("c", func() {})
		heal()
		require.NoError(t, tree.Sync(t.Context()))
		w.equal(tree, "/r")
	})
}

// The former node does not stay when the one in its place cannot be read.
func TestANodeReplacedByOneThatCannotBeReadGoes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/r/a", "old")
		tree := w.open(w.Connect("c"), "/r")
		_, err := owner(w).Multi(t.Context(), []framework.Op{
			framework.DeleteOp("/r/a", framework.AnyVersion),
			framework.CreateOp("/r/a", []byte("new"), framework.Persistent).WithACL(framework.CreatorACL()),
		})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		node, ok := tree.Get("/r/a")
		assert.False(t, ok, string(node.Data))
	})
}

var deletions = flag.Int("cache.deletions", 1010, "how many nodes are deleted in the test of what that costs")

// What a deletion costs: no more than one read each, and less where a list, or a look at what is above, answers for many.
func TestWhatDeletionsCost(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		w.Put("/r", "")
		writer := w.Connect("writer")
		tree := w.open(w.Connect("c"), "/r")
		defer w.Delay(zktest.ClientConns("c"), 5*time.Millisecond)()
		for way, transactions := range map[string]struct {
			names  []string      // of what is deleted
			size   int           // of a transaction
			pause  time.Duration // behind it
			atMost int           // requests
		}{
			"one by one":         {directories(*deletions), 1, time.Millisecond, *deletions + 1},
			"100 at a time":      {directories(*deletions), 100, 5 * time.Millisecond, *deletions / 8},
			"in one transaction": {directories(*deletions), *deletions, 0, *deletions / 32},
			"of one directory":   {directory(*deletions), *deletions, 0, *deletions / 32},
		} {
			names := transactions.names
			for _, path := range names {
				if !w.Exists(path) {
					w.Put(path, "")
				}
			}
			require.NoError(t, tree.Sync(t.Context()))
			require.Equal(t, len(names)+1, tree.Len())
			begin := time.Now()
			requests := w.cost("c", func() {
				for some := range slices.Chunk(names, transactions.size) {
					deleteAll(t, writer, some)
					time.Sleep(transactions.pause)
				}
				require.NoError(t, tree.Sync(t.Context()))
			}).RoundTrips()
			assert.Equal(t, 1, tree.Len())
			assert.LessOrEqual(t, requests, int64(transactions.atMost), way)
			t.Logf("%d nodes deleted %s: %d requests, %v", len(names), way, requests, time.Since(begin))
		}
	})
}

// directories are n nodes, 100 in each of some directories below /r, in the order in which they can be deleted.
func directories(n int) (paths []string) {
	for d := range n / 101 {
		for k := range 100 {
			paths = append(paths, fmt.Sprintf("/r/d%d/k%d", d, k))
		}
		paths = append(paths, fmt.Sprintf("/r/d%d", d))
	}
	return paths
}

// directory is n nodes below /r.
func directory(n int) (paths []string) {
	for k := range n {
		paths = append(paths, fmt.Sprintf("/r/k%d", k))
	}
	return paths
}

// deleteAll deletes nodes in one transaction.
func deleteAll(t *testing.T, cli *framework.Client, paths []string) {
	t.Helper()
	var ops []framework.Op
	for _, path := range paths {
		ops = append(ops, framework.DeleteOp(path, framework.AnyVersion))
	}
	_, err := cli.Multi(t.Context(), ops)
	require.NoError(t, err)
}
