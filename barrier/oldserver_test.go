package barrier_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// deletedAtOnce has nodes that is is true of deleted when a client asks for the Stat of what it has created, which it does on a server
// without create2.
func (w *world) deletedAtOnce(is func(path string) bool) {
	w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		switch {
		case f.Stage == zktest.Request && f.Op == zktest.OpCreate2:
			return zktest.Cut
		case f.Stage == zktest.Request && f.Op == zktest.OpExists && is(f.Path):
			_ = w.Delete(f.Path) // if it is there
		}
		return zktest.Pass
	})
}

func TestEnterWhoseNodeIsDeletedBeforeItsStatIsReadSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.deletedAtOnce(func(at string) bool { return at != "/" && at != ready })
		_, err := barrier.NewDouble(w.Connect("a"), path, 1).Enter(t.Context())
		require.ErrorIs(t, err, barrier.ErrDeleted)
		assert.ErrorIs(t, err, framework.ErrNoNode)
	})
}

// Somebody who removes the sign by its name, as kazoo does, does not take back that the barrier was opened.
func TestEnterWhoseSignIsDeletedBeforeItsStatIsReadIsInside(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.deletedAtOnce(func(at string) bool { return at == ready })
		in, err := barrier.NewDouble(w.Connect("a"), path, 1).Enter(t.Context())
		require.NoError(t, err)
		require.NoError(t, in.Leave(t.Context()))
		assert.Empty(t, w.List(path))
	})
}
