package realzk

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPauseReturnsWhenEveryThreadIsStopped(t *testing.T) {
	s := Standalone(t, Options{})
	for range 20 {
		require.NoError(t, s.Pause())
		require.True(t, s.process().standsStill())
		require.NoError(t, s.Resume())
	}
}
