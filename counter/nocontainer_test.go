package counter_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/zktest"
)

// A server that closes the connection over createContainer: receipts are persistent nodes, and Close removes them.
func TestReceiptOnAServerWithoutContainers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpCreateContainer {
				return zktest.Cut
			}
			return zktest.Pass
		})
		i := counter.NewInt(w.Connect("a"), path)
		for want := range int64(3) {
			n, err := i.Add(t.Context(), 1)
			require.NoError(t, err)
			assert.Equal(t, want+1, n)
		}
		names, err := w.Children(path)
		require.NoError(t, err)
		require.Len(t, names, 1)
		assert.Equal(t, zktest.Persistent, w.Dump()[path+"/"+names[0]].Mode)
		require.NoError(t, i.Close(t.Context()))
		names, err = w.Children(path)
		require.NoError(t, err)
		assert.Empty(t, names)
	})
}
