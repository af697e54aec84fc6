package cache_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// crowd raises n nodes below /r, each with that data.
func (w *world) crowd(n int, data string) {
	w.t.Helper()
	w.Put("/r", "")
	for i := range n {
		_, err := w.Create(fmt.Sprintf("/r/%04d", i), []byte(data), zktest.Persistent)
		require.NoError(w.t, err)
	}
}

// lacking makes the server answer multiRead in that way, and tells how often it was asked for one.
func (w *world) lacking(how zktest.Verdict) (asked func() int) {
	var mu sync.Mutex
	n := 0
	w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage != zktest.Request || f.Op != zktest.OpMultiRead {
			return zktest.Pass
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		return how
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func TestALoadReadsManyNodesInOneRequest(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		w.crowd(1000, "data")
		cli := w.Connect("c")
		var tree *cache.Tree
		cost := w.cost("c", func() { tree = w.open(cli, "/r") })
		w.equal(tree, "/r")
		assert.LessOrEqual(t, cost.RoundTrips(), int64(24), "%v", cost.Requests)
		assert.LessOrEqual(t, cost.Requests[zktest.OpGetData], int64(2))
	})
}

// Nodes that change while others are read are read together, in the next request.
func TestNodesThatChangeMeanwhileAreReadTogether(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		w.crowd(250, "0")
		cli := w.Connect("c")
		tree := w.open(cli, "/r")
		defer w.Delay(zktest.ClientConns("c"), 10*time.Millisecond)()
		cost := w.cost("c", func() {
			for i := range 250 {
				w.set(fmt.Sprintf("/r/%04d", i), "1")
				time.Sleep(100 * time.Microsecond)
			}
			time.Sleep(time.Second)
		})
		w.equal(tree, "/r")
		assert.LessOrEqual(t, cost.RoundTrips(), int64(8), "%v", cost.Requests)
		cost = w.cost("c", func() {
			w.set("/r/0007", "2")
			time.Sleep(time.Second)
		})
		assert.Equal(t, map[zktest.Op]int64{zktest.OpGetData: 1}, cost.Requests, "one that changes alone")
	})
}

// However many nodes are to be read, few requests are under way for them.
func TestFewBatchesAreUnderWay(t *testing.T) {
	for _, parallel := range []int{1, 2, 64} {
		once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
			w.crowd(1000, "data")
			var heal func()
			var begin sync.Once
			w.OnFrame(func(f zktest.Frame) zktest.Verdict {
				if f.Stage == zktest.Request && f.Op == zktest.OpMultiRead {
					begin.Do(func() { heal = w.Blackhole(zktest.ClientConns("c"), zktest.ToClient) })
				}
				return zktest.Pass
			})
			tree := w.open(w.Connect("c"), "/r", cache.Parallel(parallel), cache.NoWait())
			time.Sleep(time.Second)
			assert.EqualValues(t, min(parallel, 4), w.ClientCounts("c").Requests[zktest.OpMultiRead])
			heal()
			<-tree.Synced()
			w.equal(tree, "/r")
		})
	}
}

// Scenario 47: a server that does not know multiRead, and says so or closes the connection over it.
func TestServersWithoutMultiRead(t *testing.T) {
	for name, how := range map[string]struct {
		verdict zktest.Verdict
		asked   int
		broken  int64
	}{"unimplemented": {zktest.AnswerWith(zktest.ErrUnimplemented), 4, 0}, "closed": {zktest.Cut, 5, 2}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.crowd(200, "0")
				w.Put("/q/a", "0")
				asked := w.lacking(how.verdict)
				cli := w.Connect("c")
				tree, second := w.open(cli, "/r"), w.open(cli, "/q")
				assert.Equal(t, 201, tree.Len(), "everything is read at once, one by one")
				require.NoError(t, tree.Refresh(t.Context()))
				w.equal(tree, "/r")
				for i := range 200 {
					w.set(fmt.Sprintf("/r/%04d", i), "1")
				}
				time.Sleep(time.Second)
				assert.LessOrEqual(t, w.ClientCounts("c").Accepted, 1+how.broken)
				w.expire("c", cli, func() { w.Put("/r/later", "") })
				w.equal(tree, "/r")
				w.equal(second, "/q")
				assert.LessOrEqual(t, asked(), how.asked, "four that are under way, and one alone where that was not enough")
				assert.Positive(t, asked())
				lacks := cli.Info().Lacks
				require.Len(t, lacks, 1)
				assert.Equal(t, "multiRead", lacks[0].Request)
			})
		})
	}
}

// A node that has grown over MaxReplySize makes the answer to its batch too long. The others are read all the same.
func TestANodeOfABatchThatHasGrownTooLong(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		w.crowd(200, "0")
		cli := w.Connect("c", func(c *framework.Config) { c.MaxReplySize = 100 << 10 })
		tree := w.open(cli, "/r")
		accepted := w.ClientCounts("c").Accepted
		heal := w.Delay(zktest.ClientConns("c"), 10*time.Millisecond)
		for i := range 200 {
			data := "1"
			if i == 100 {
				data = strings.Repeat("x", 200<<10)
			}
			w.set(fmt.Sprintf("/r/%04d", i), data)
		}
		time.Sleep(time.Second)
		heal()
		for i := range 200 {
			want := "1"
			if i == 100 {
				want = "0"
			}
			node, _ := tree.Get(fmt.Sprintf("/r/%04d", i))
			require.Equal(t, want, string(node.Data), i)
		}
		var refused []string
		for path, err := range tree.Refused() {
			refused = append(refused, path)
			require.ErrorIs(t, err, framework.ErrReplyRefused)
		}
		assert.Equal(t, []string{"/r/0100"}, refused)
		assert.Equal(t, accepted, w.ClientCounts("c").Accepted, "the connection stays")
		w.set("/r/0100", "short again")
		time.Sleep(time.Second)
		w.equal(tree, "/r")
	})
}

// Nodes that may not be read cost those in the same batch nothing, and a request each.
func TestRefusedNodesOfABatch(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		w.crowd(500, "0")
		for i := range 10 {
			private(w, fmt.Sprintf("/r/%03d9-private", 5*i))
		}
		cli := w.Connect("c")
		var tree *cache.Tree
		cost := w.cost("c", func() { tree = w.open(cli, "/r") })
		assert.Equal(t, 501, tree.Len())
		assert.Equal(t, 10, tree.Snapshot().RefusedLen())
		for _, err := range tree.Refused() {
			require.ErrorIs(t, err, framework.ErrNoAuth)
		}
		assert.LessOrEqual(t, cost.RoundTrips(), int64(30), "%v", cost.Requests)
	})
}

// Batches are as long as the answers allow, as far as nodes were read before or others tell how large they are.
func TestAnswersToBatchesAreShort(t *testing.T) {
	for _, size := range []int{100, 3 << 10, 30 << 10} {
		once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
			w.crowd(120, strings.Repeat("x", size))
			cli := w.Connect("c", func(c *framework.Config) { c.MaxReplySize = 64 << 10 })
			tree := w.open(cli, "/r")
			require.NoError(t, tree.Refresh(t.Context()))
			w.equal(tree, "/r")
			counts := w.ClientCounts("c")
			assert.EqualValues(t, 1, counts.Accepted)
			reads := counts.Requests[zktest.OpGetData] + counts.Requests[zktest.OpMultiRead]
			assert.LessOrEqual(t, reads, int64(250), "none has been read in vain")
			assert.Equal(t, size < 4<<10, reads < 120, "%v", counts.Requests)
		})
	}
}

// Data that has not changed is not transferred again, unless it is so short that to ask for the Stat would cost more.
func TestLongDataIsNotTransferredAgain(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		for i := range 5 {
			w.Put(fmt.Sprintf("/r/short%d", i), "data")
			w.Put(fmt.Sprintf("/r/long%d", i), strings.Repeat("x", 1000))
		}
		w.open(w.Connect("c"), "/r")
		cost := w.cost("c", func() { time.Sleep(13 * timeout) })
		assert.Equal(t, map[zktest.Op]int64{zktest.OpExists: 6, zktest.OpMultiRead: 1}, cost.Requests, "it has looked at each of the few nodes")
	})
}
