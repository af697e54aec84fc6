package contend_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/zktest"
)

// A server without create2 is asked for the Stat of a new node. A node that somebody has deleted by then costs the place in the queue, and
// not the call.
func TestNodeDeletedBeforeItsStatIsReadIsReplaced(t *testing.T) {
	pool := contend.Pool{
		Leases: contend.Queue{Dir: queue.Dir, Name: "lease-", Dialect: seqnode.Leases},
		Turns:  contend.Queue{Dir: "/turns", Name: "lock-", Dialect: seqnode.Mutex}, Limit: contend.Limit{Fixed: 2},
	}
	acquires := map[string]func(t *testing.T, s *framework.Session) error{
		"queue": func(t *testing.T, s *framework.Session) error {
			_, err := queue.Acquire(t.Context(), s, hold)
			return err
		},
		"pool": func(t *testing.T, s *framework.Session) error {
			_, err := pool.Acquire(t.Context(), s, hold, 2)
			return err
		},
	}
	for name, acquire := range acquires {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				gone := 0
				defer w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					switch {
					case f.Stage == zktest.Request && f.Op == zktest.OpCreate2:
						return zktest.Cut
					case f.Stage == zktest.Request && f.Op == zktest.OpExists && f.Path != "/" && gone < 2:
						gone++
						require.NoError(t, w.Delete(f.Path))
					}
					return zktest.Pass
				})()
				_, s := w.client("a")
				require.NoError(t, acquire(t, s))
				assert.Equal(t, 2, gone)
			})
		})
	}
}
