package seqnode_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/seqnode"
)

func TestTokensGrowFromTurnToTurnAndFromNodeToNode(t *testing.T) {
	const largest = 1<<55 - 1
	require.NoError(t, seqnode.CheckToken(largest))
	require.ErrorIs(t, seqnode.CheckToken(largest+1), seqnode.ErrTokenRange)
	require.ErrorIs(t, seqnode.CheckToken(math.MaxInt64), seqnode.ErrTokenRange)
	assert.EqualValues(t, math.MaxInt64, seqnode.Token(largest, seqnode.MaxTurn), "nothing is left over, and nothing lost")
	assert.Greater(t, seqnode.Token(8, 0), seqnode.Token(7, seqnode.MaxTurn))
	assert.Greater(t, seqnode.Token(7, 1), seqnode.Token(7, 0))
	assert.EqualValues(t, 7, seqnode.Czxid(seqnode.Token(7, seqnode.MaxTurn)))
}
