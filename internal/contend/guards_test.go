package contend_test

import (
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/zktest"
)

// Each claim that lasts for 20 ms begins to watch its node then, however many others come and go meanwhile. Those that do not last cost
// neither a request nor a goroutine.
func TestClaimsThatLastAreWatched(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		watched := make(map[string]time.Time)
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpGetData {
				watched[f.Path] = time.Now()
			}
			return zktest.Pass
		})
		acquire := func(dir string) *contend.Claim {
			q := queue
			q.Dir = dir
			claim, err := q.Acquire(t.Context(), s, hold)
			require.NoError(t, err)
			return claim
		}
		release := func(c *contend.Claim) { require.NoError(t, c.Release(t.Context())) }
		release(acquire("/lock/0")) // one that has ended when its timer runs
		goroutines := runtime.NumGoroutine()
		var short []*contend.Claim
		for i := range 12 {
			short = append(short, acquire("/short/"+strconv.Itoa(i)))
		}
		assert.Less(t, runtime.NumGoroutine()-goroutines, len(short), "the process has some of its own")
		for _, claim := range short {
			release(claim)
		}
		lasting := make(map[*contend.Claim]time.Time)
		for i := range 30 {
			claim := acquire("/lock/" + strconv.Itoa(i))
			if i%10 == 3 {
				lasting[claim] = time.Now()
				continue
			}
			time.Sleep(3 * time.Millisecond)
			release(claim)
		}
		time.Sleep(20 * time.Millisecond)
		assert.Len(t, watched, len(lasting))
		for claim, at := range lasting {
			assert.InDelta(t, 20*time.Millisecond, watched[claim.Path()].Sub(at), float64(time.Millisecond), claim.Path())
			release(claim)
		}
	})
}

// A revocation is known to whoever asks for it later.
func TestRevocationBeforeAnybodyAsks(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		claim, err := queue.Acquire(t.Context(), s, hold)
		require.NoError(t, err)
		require.NoError(t, w.Set(claim.Path(), []byte("__REVOKE__")))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Error(t, claim.Revoked().Err())
		require.NoError(t, claim.Release(t.Context()))
	})
}
