package contend_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/zktest"
)

// One of several places cannot be claimed: those that were claimed before it are released, and those behind it are left.
func TestPlaceOfABatchCannotBeClaimed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		cli, broken := w.client("b")
		var places []*contend.Place
		for _, session := range []*framework.Session{s, s, broken, s} {
			p, err := queue.Enter(t.Context(), session)
			require.NoError(t, err)
			places = append(places, p)
		}
		require.Len(t, w.nodes(), 4)
		w.Refuse()
		w.Cut(zktest.ClientConns("b"))
		for cli.State().State != framework.Suspended {
			time.Sleep(time.Millisecond)
		}
		_, err := contend.ClaimAll(t.Context(), cancel, places...)
		require.ErrorIs(t, err, framework.ErrSuspended)
		time.Sleep(time.Second)
		assert.Len(t, w.nodes(), 1, "that of the client without a connection")
		require.NoError(t, w.Accept())
		time.Sleep(timeout)
		assert.Empty(t, w.nodes())
	})
}

// Whichever of its nodes a revocation is written into, a claim is revoked.
func TestRevocationInAnyNode(t *testing.T) {
	q := contend.Queue{Dir: queue.Dir, Name: "latch-", Twins: []string{"lock-", "__lock__"}, Dialect: seqnode.AnyElection}
	for i := range 3 {
		bubble(t, func(t *testing.T, w *world) {
			_, s := w.client("a")
			claim, err := q.Acquire(t.Context(), s, hold)
			require.NoError(t, err)
			time.Sleep(time.Second)
			require.NoError(t, claim.Revoked().Err())
			require.NoError(t, w.Set(claim.Checks()[i].Path(), []byte("__REVOKE__")))
			time.Sleep(time.Second)
			synctest.Wait()
			assert.Error(t, claim.Revoked().Err(), "node %d", i)
			assert.NoError(t, claim.Release(t.Context()))
		})
	}
}
