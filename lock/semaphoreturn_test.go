package lock_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/lock"
)

// Somebody deletes the node in the queue of the one that waits in the pool. It leaves the pool and queues again, so that only the next in the
// queue waits there: the nodes of two who wait can be mixed in a way that lets neither of them go.
func TestSemaphoreWaiterThatLosesItsTurnLeavesThePool(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		holding := permits(t, lock.NewSemaphore(w.Connect("holder"), pool, 2), 2)
		first := taking(t.Context(), lock.NewSemaphore(w.Connect("first"), pool, 2), 2)
		second := taking(t.Context(), lock.NewSemaphore(w.Connect("second"), pool, 2), 2)
		queued := w.List(turns)
		require.Len(t, queued, 2)
		slices.SortFunc(queued, func(a, b string) int { return strings.Compare(a[len(a)-10:], b[len(b)-10:]) })
		require.NoError(t, w.Delete(turns+"/"+queued[0]))
		time.Sleep(time.Second)
		require.Len(t, w.List(leases), 4, "those who hold, and the only one that waits in the pool")
		assert.Len(t, w.List(turns), 2)
		require.NoError(t, holding.Unlock(t.Context()))
		next := took(t, second)
		assert.Empty(t, first)
		require.NoError(t, next.Unlock(t.Context()))
		require.NoError(t, took(t, first).Unlock(t.Context()))
	})
}
