package framework_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

func TestFormerSessions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli, other := connected(t, s), connected(t, s)
		first := sessionOf(t, cli)
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Reconnected)
		assert.False(t, first.Former(first.ID()), "the same session goes on")
		require.True(t, s.ExpireSession(first.ID()))
		awaitState(t, cli, framework.Lost)
		second := sessionOf(t, cli)
		require.True(t, s.ExpireSession(second.ID()))
		awaitState(t, cli, framework.Lost)
		third := sessionOf(t, cli)

		assert.True(t, third.Former(first.ID()))
		assert.True(t, third.Former(second.ID()))
		assert.True(t, second.Former(first.ID()))
		assert.False(t, second.Former(third.ID()), "a later one")
		assert.False(t, third.Former(third.ID()))
		assert.False(t, third.Former(sessionOf(t, other).ID()), "another client's")
		assert.False(t, third.Former(0), "what is not ephemeral")
	})
}

// settled reports whether nothing of an operation is under way.
func settled(t *testing.T, err error) bool {
	t.Helper()
	var op *framework.OpError
	require.ErrorAs(t, err, &op)
	synctest.Wait()
	select {
	case <-op.Settled():
		return true
	default:
		return false
	}
}

// A call that was left behind is under way until the link that it was given to is gone.
func TestSettled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		_, err := cli.Get(t.Context(), "/missing")
		require.ErrorIs(t, err, framework.ErrNoNode)
		assert.True(t, settled(t, err), "answered")

		heal := s.Blackhole(zktest.AllConns(), zktest.Both)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = cli.Create(ctx, "/a", nil)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		assert.False(t, settled(t, err), "on its way")

		_, unsent := cli.Create(ctx, "/b", nil)
		require.NotErrorIs(t, unsent, framework.ErrOutcomeUnknown)
		assert.True(t, settled(t, unsent), "never sent")

		awaitState(t, cli, framework.Suspended)
		assert.True(t, settled(t, err), "the link is broken")
		heal()
		require.NoError(t, cli.WaitConnected(t.Context()))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// What recipes draw comes from the configured source.
func TestRandom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		draw := func() string {
			cli := newClient(t, s)
			b := make([]byte, 16)
			_, err := recipekit.Random(cli).Read(b)
			require.NoError(t, err)
			return string(b)
		}
		assert.Equal(t, draw(), draw())
	})
}
