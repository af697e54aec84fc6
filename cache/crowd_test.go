package cache_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/zktest"
)

// Caches of one client whose paths overlap share its watches, also on servers on which one watch ends another, and ask what has
// changed in each other's presence. Each of them ends up with what there is.
func TestCachesInOneClient(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	for _, servers := range []zktest.WatchModes{zktest.SideBySide, zktest.LastWins, zktest.OneShotOnly} {
		for seed := uint64(30); seed < 30+seeds; seed++ { // among them some with which nodes were lost
			t.Run(fmt.Sprintf("%d/seed=%d", servers, seed), func(t *testing.T) {
				t.Cleanup(cache.AskAlways())
				once(t, zktest.Config{Seed: seed, Watches: servers}, nil, func(t *testing.T, w *world) { crowd(w, seed) })
			})
		}
	}
}

// crowd is one run, in a bubble.
func crowd(w *world, seed uint64) {
	cli := w.Connect("c")
	roots := []string{"/r", "/r", "/r/n0", "/r/n1/n1", "/r/n2", "/r"}
	opts := [][]cache.TreeOption{nil, {cache.NoWait(), cache.QueueBound(3)}, nil, {cache.Parallel(2)}, {cache.OneShot()}, {cache.OneShot()}}
	var trees []*cache.Tree
	var recorders []*recorder
	for i, root := range roots {
		tree := w.open(cli, root, opts[i]...)
		trees, recorders = append(trees, tree), append(recorders, w.record(tree))
	}
	c := newChaos(w, cli, seed)
	for i := range 250 {
		c.write()
		switch pause := c.rnd.IntN(20); {
		case pause == 0:
			time.Sleep(time.Duration(c.rnd.Int64N(int64(time.Second))))
		case pause < 10:
			time.Sleep(time.Duration(c.rnd.Int64N(int64(3 * time.Millisecond))))
		}
		if c.rnd.IntN(25) == 0 {
			c.hurt()
		}
		if i%60 == 59 { // others come and go
			tree := w.open(cli, c.path(), cache.NoWait())
			time.AfterFunc(time.Duration(c.rnd.IntN(3000))*time.Millisecond, func() { _ = tree.Close() })
		}
	}
	time.Sleep(2 * timeout) // black holes heal
	for _, tree := range slices.Backward(trees) {
		require.NoError(w.t, tree.WaitFresh(w.t.Context()))
		require.NoError(w.t, tree.Sync(w.t.Context()))
	}
	synctest.Wait()
	for i, tree := range trees {
		w.equal(tree, roots[i])
		recorders[i].equal(tree)
	}
}
