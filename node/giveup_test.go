package node_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// A Keep of a numbered node is given up, and the next one begins, in a new session. The answer to its create is lost, and it looks for its node while
// the former one looks for what it may have left: it finds its own all the same.
func TestNumberedNodeIsFoundWhileAFormerKeeperLooks(t *testing.T) {
	for seed := range uint64(20) { // in some of them both read the node at once
		numberedNodeIsFound(t, seed)
	}
}

func numberedNodeIsFound(t *testing.T, seed uint64) {
	bubbleWith(t, zktest.Config{Seed: seed}, func(t *testing.T, w *world) {
		cli, numbered := w.Connect("a"), node.WithMode(framework.EphemeralSequential)
		w.parents(path)
		id := w.session(cli)
		silent := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 {
				w.Blackhole(zktest.SessionConns(id), zktest.Both)
				w.Refuse()
			}
			return zktest.Pass
		})
		ctx, cancel := context.WithCancel(t.Context())
		given := keeping(ctx, cli, path, "", numbered)
		cancel()
		require.Error(t, (<-given).err) // and what it has left is removed in the background
		w.WaitState(cli, framework.Lost)
		silent()

		var lost, cut atomic.Bool
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			switch {
			case cut.Load() || f.Stage != zktest.Reply:
			case f.Op == zktest.OpCreate2 && !lost.Swap(true):
				time.AfterFunc(5*time.Millisecond, func() {
					cut.Store(true)
					w.Cut(zktest.AllConns())
				})
				return zktest.Drop
			case f.Op == zktest.OpGetChildren2: // of the former one, which so is one request ahead
				return zktest.Drop
			}
			return zktest.Pass
		})
		second := keeping(t.Context(), cli, path, "payload", numbered)
		require.NoError(t, w.Accept())
		got := <-second
		require.NoError(t, got.err)
		assert.True(t, lost.Load())
		time.Sleep(timeout)
		assert.Len(t, w.List(dir), 1)
		closed(t, got.k)
		assert.Empty(t, w.List(dir))
	})
}
