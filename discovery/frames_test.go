package discovery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/zktest"
)

// faults are what happens to one frame of the client "a", and how long no connection is accepted afterwards.
var faults = map[string]struct {
	verdict zktest.Verdict
	outage  time.Duration
}{
	"cut":                        {zktest.Cut, 0},
	"cut after":                  {zktest.CutAfter, 0},
	"cut, away within session":   {zktest.Cut, timeout / 2},
	"cut after, session is lost": {zktest.CutAfter, 2 * timeout},
}

// strike makes the fault happen at the n-th frame of the client "a", pings aside. happened says whether it did.
func (w *world) strike(n int, verdict zktest.Verdict, outage time.Duration) (happened *bool) {
	happened = new(bool)
	count := 0
	w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Conn.Client != "a" || f.Op == zktest.OpPing || *happened {
			return zktest.Pass
		}
		if count++; count < n {
			return zktest.Pass
		}
		*happened = true
		if outage > 0 {
			w.Refuse()
			time.AfterFunc(outage, func() { assert.NoError(w.t, w.Accept()) })
		}
		return verdict
	})
	return happened
}

// Scenario: the connection is cut at every frame of a registration's life. What is registered is there, once, and as it was
// updated last; what was drained is gone.
func TestCutAtEveryFrame(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			frames := 0
			for more := true; more; frames++ {
				bubble(t, func(t *testing.T, w *world) {
					_, reg := w.registry("a")
					happened := w.strike(frames+1, fault.verdict, fault.outage)
					live(t, w, reg)
					time.Sleep(6 * timeout)
					assert.Equal(t, []string{"stays"}, w.List(dir))
					assert.Equal(t, 2, w.read(dir+"/stays").Port)
					more = *happened
				})
				require.False(t, t.Failed(), "frame %d", frames+1)
			}
			require.Greater(t, frames, 15)
			t.Logf("%d frames", frames-1)
		})
	}
}

// live registers two instances, updates both and drains one.
func live(t *testing.T, w *world, reg *discovery.Registry[meta]) {
	t.Helper()
	ctx := within(t, time.Hour)
	for _, id := range []string{"stays", "goes"} {
		r, err := reg.Register(ctx, instance(id))
		require.NoError(t, err)
		in := instance(id)
		in.Port = 2
		require.NoError(t, r.Update(ctx, in))
		if id == "goes" {
			require.NoError(t, r.Drain(ctx, time.Second))
		}
	}
}
