package framework_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// A crowd that leaves at once is gone soon: its clean-ups do not stand in a line.
func TestCleanUpsGoTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const nodes, latency = 320, 5 * time.Millisecond
		s := startServer(t, zktest.Config{Latency: latency})
		cli := connected(t, s)
		dead, cancel := context.WithCancel(t.Context())
		for i := range nodes {
			_, err := cli.Create(t.Context(), fmt.Sprintf("/node %03d", i), nil)
			require.NoError(t, err)
		}
		cancel()
		for i := range nodes {
			path := fmt.Sprintf("/node %03d", i)
			require.ErrorIs(t, cli.Delete(dead, path, framework.AnyVersion, framework.Guaranteed), context.Canceled)
		}
		begin := time.Now()
		for len(s.Dump()) > 1 {
			time.Sleep(time.Millisecond)
		}
		took := time.Since(begin)
		t.Logf("%d nodes were gone after %v, round trips of %v", nodes, took, 2*latency)
		assert.Less(t, took, nodes/5*2*latency, "one after the other they would take three round trips each")
	})
}

// Together, and yet a node goes after its children, also if theirs takes longer.
func TestCleanUpsKeepTheOrderOfParents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		for _, path := range []string{"/a", "/a/b", "/a/b/c", "/ab"} {
			_, err := cli.Create(t.Context(), path, nil)
			require.NoError(t, err)
		}
		var slow atomic.Int32
		s.OnFrame(func(f zktest.Frame) zktest.Verdict { // the look at the child takes two tries
			if f.Stage == zktest.Request && f.Op == zktest.OpExists && f.Path == "/a/b/c" && slow.CompareAndSwap(0, 1) {
				return zktest.DelayBy(time.Second)
			}
			if f.Stage == zktest.Reply && f.Op == zktest.OpExists && f.Path == "/a/b/c" && slow.CompareAndSwap(1, 2) {
				return zktest.Cut
			}
			return zktest.Pass
		})
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		for _, path := range []string{"/a/b/c", "/a/b", "/ab", "/a"} {
			require.ErrorIs(t, cli.Delete(dead, path, framework.AnyVersion, framework.Guaranteed), context.Canceled)
		}
		time.Sleep(10 * time.Second)
		assert.EqualValues(t, 2, slow.Load())
		assert.Len(t, s.Dump(), 1, "the root")
	})
}
