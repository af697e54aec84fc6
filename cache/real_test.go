package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// dial starts a client of real servers.
func dial(t *testing.T, connect string, timeout time.Duration) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: connect, SessionTimeout: timeout})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(t.Context()))
	return cli
}

// mirror opens a tree cache of real servers.
func mirror(t *testing.T, cli *framework.Client, root string, opts ...cache.NodesOption) *cache.Tree {
	t.Helper()
	var all []cache.TreeOption
	for _, o := range opts {
		all = append(all, o)
	}
	tree, err := cache.Open(t.Context(), cli, root, all...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tree.Close()) })
	return tree
}

// census reads what the servers have, node by node.
func census(t *testing.T, cli *framework.Client, path string, into map[string]framework.Node) {
	t.Helper()
	node, err := cli.Get(t.Context(), path)
	if errors.Is(err, framework.ErrNoNode) {
		return
	}
	require.NoError(t, err)
	into[path] = node
	names, _, err := cli.Children(t.Context(), path)
	require.NoError(t, err)
	for _, name := range names {
		census(t, cli, framework.Join(path, name), into)
	}
}

// agree checks that a cache has what the servers have, when nobody writes.
func agree(t *testing.T, cli *framework.Client, tree *cache.Tree) {
	t.Helper()
	require.NoError(t, tree.Sync(t.Context()))
	require.NoError(t, cli.Sync(t.Context(), tree.Root()))
	want := make(map[string]framework.Node)
	census(t, cli, tree.Root(), want)
	got := make(map[string]framework.Node)
	for path, node := range tree.All() {
		got[path] = node
	}
	assert.Len(t, got, len(want))
	for path, node := range want {
		assert.Equal(t, brief(node), brief(got[path]))
	}
}

func TestOnARealServer(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	cli, other := dial(t, space.ConnectString(), 15*time.Second), dial(t, space.ConnectString(), 15*time.Second)
	for way, opts := range ways {
		t.Run(way, func(t *testing.T) {
			ctx, root := t.Context(), "/"+way
			for i := range 20 {
				_, err := other.Create(ctx, fmt.Sprintf("%s/d%d/n%d", root, i%3, i), fmt.Append(nil, i), framework.Persistent, framework.Parents)
				require.NoError(t, err)
			}
			tree := mirror(t, cli, root, opts...)
			agree(t, other, tree)
			_, err := other.Set(ctx, root+"/d1/n1", []byte("new"), framework.AnyVersion)
			require.NoError(t, err)
			require.NoError(t, other.Delete(ctx, root+"/d2/n2", framework.AnyVersion))
			_, err = other.Create(ctx, root+"/d2/n2", []byte("again"), framework.Ephemeral)
			require.NoError(t, err)
			agree(t, other, tree)
			for range 2 {
				states := cli.States(ctx)
				require.NoError(t, space.ExpireSession(ctx, cli.State().SessionID))
				for change := range states {
					if change.State == framework.Lost {
						break
					}
				}
				require.NoError(t, other.Delete(ctx, root+"/d2/n2", framework.AnyVersion))
				_, err = other.Create(ctx, root+"/d2/n2", []byte("again"), framework.Ephemeral)
				require.NoError(t, err)
				require.NoError(t, tree.WaitFresh(ctx))
				agree(t, other, tree)
			}
		})
	}
}

// writer changes nodes below /r until ctx ends. What becomes of a write does not matter.
func writer(ctx context.Context, cli *framework.Client, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	for ctx.Err() == nil {
		path := "/r"
		for range 1 + rnd.IntN(3) {
			path += fmt.Sprintf("/n%d", rnd.IntN(6))
		}
		op, cancel := context.WithTimeout(ctx, time.Second)
		switch rnd.IntN(5) {
		case 0, 1:
			_, _ = cli.Create(op, path, fmt.Append(nil, rnd.Int()), framework.Persistent)
		case 2:
			_, _ = cli.Set(op, path, fmt.Append(nil, rnd.Int()), framework.AnyVersion)
		case 3:
			_ = cli.Delete(op, path, framework.AnyVersion)
		case 4:
			_, _ = cli.Create(op, path, nil, framework.Ephemeral)
		}
		cancel()
	}
}
