package framework_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestReadsAndWrites(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		ctx := t.Context()

		node, err := cli.Create(ctx, "/a", []byte("one"))
		require.NoError(t, err)
		assert.Equal(t, "/a", node.Path)
		assert.Equal(t, []byte("one"), node.Data)

		got, err := cli.Get(ctx, "/a")
		require.NoError(t, err)
		assert.Equal(t, node, got)

		stat, err := cli.Set(ctx, "/a", []byte("two"), 0)
		require.NoError(t, err)
		assert.EqualValues(t, 1, stat.Version)
		_, err = cli.Set(ctx, "/a", []byte("three"), 0)
		require.ErrorIs(t, err, framework.ErrBadVersion)

		again, ok, err := cli.Exists(ctx, "/a")
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Equal(t, stat, again)
		require.NoError(t, cli.Sync(ctx, "/a"))

		require.NoError(t, cli.Delete(ctx, "/a", framework.AnyVersion))
		_, ok, err = cli.Exists(ctx, "/a")
		require.NoError(t, err)
		assert.False(t, ok)
		_, err = cli.Get(ctx, "/a")
		require.ErrorIs(t, err, framework.ErrNoNode)
	})
}
