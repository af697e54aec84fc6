package framework_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// undeletable lets nobody delete children.
var undeletable = []framework.ACL{{Perms: zk.PermAll &^ zk.PermDelete, Scheme: "world", ID: "anyone"}}

// grow makes a tree of n leaves at the server, in directories of different sizes and depths.
func grow(t *testing.T, s *zktest.Server, root string, n int) {
	t.Helper()
	for i := range n {
		mustCreate(t, s, root+fmt.Sprintf("/%d/", i%7)+strings.Repeat("deep/", i%5)+fmt.Sprint(i), "")
	}
}

// deleteTrees asserts that a tree is deleted and nothing beside it.
func deleteTrees(t *testing.T, cli *framework.Client) {
	t.Helper()
	ctx := within(t, time.Minute)
	plant(t, cli, "/d/tree", "/d/tree2", "/d/tre", "/d/other/tree")
	for i := range 150 {
		plant(t, cli, fmt.Sprintf("/d/tree/%d/%d/x", i%3, i))
	}
	_, err := cli.Create(ctx, "/d/tree/ephemeral", nil, framework.Ephemeral)
	require.NoError(t, err)
	require.NoError(t, cli.DeleteTree(ctx, "d/tree/1", framework.KeepRoot))
	assert.Equal(t, []string{"/d/tree/1"}, walked(t, cli, "/d/tree/1"))
	require.NoError(t, cli.DeleteTree(ctx, "/d/tree"))
	assert.Equal(t, []string{"/d", "/d/other", "/d/other/tree", "/d/tre", "/d/tree2"}, walked(t, cli, "/d"))
	require.NoError(t, cli.DeleteTree(ctx, "/d/tree"), "there is none")
	require.NoError(t, cli.DeleteTree(ctx, "/d/tree", framework.KeepRoot))
	require.NoError(t, cli.DeleteTree(ctx, "/d/none/tree"))
}

func TestDeleteTreeDeletesTheTreeAndNothingBesideIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		deleteTrees(t, cli)
		below, err := cli.Namespace("/space")
		require.NoError(t, err)
		deleteTrees(t, below)
	})
}

func TestDeleteTreeOnARealServerDeletesTheTreeAndNothingBesideIt(t *testing.T) {
	t.Parallel()
	deleteTrees(t, realClient(t, realzk.Shared(t).ConnectString()))
}

// The root of a namespace goes only when that is asked for, and what is above it never.
func TestDeleteTreeOfTheNamespaceHasToBeAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		for _, path := range []string{"/root/space/a/b", "/root/beside", "/spaces"} {
			mustCreate(t, s, path, "")
		}
		cli := connected(t, s, func(c *framework.Config) { c.ConnectString += "/root" })
		below, err := cli.Namespace("/space")
		require.NoError(t, err)
		before := len(s.Dump())
		for _, c := range []*framework.Client{cli, below} {
			err := c.DeleteTree(t.Context(), "/")
			require.ErrorIs(t, err, framework.ErrInvalidPath)
			require.ErrorContains(t, err, "WholeNamespace")
		}
		require.Error(t, below.DeleteTree(t.Context(), "/../beside"))
		require.Error(t, below.DeleteTree(t.Context(), ""))
		require.Error(t, below.DeleteTree(t.Context(), "/", framework.KeepRoot))
		assert.Len(t, s.Dump(), before)
		assert.Zero(t, s.Counts().Requests[zktest.OpDelete])

		require.NoError(t, below.DeleteTree(t.Context(), "/", framework.WholeNamespace, framework.KeepRoot))
		assert.True(t, s.Exists("/root/space"))
		assert.False(t, s.Exists("/root/space/a"))
		require.NoError(t, below.DeleteTree(t.Context(), "/", framework.WholeNamespace))
		assert.False(t, s.Exists("/root/space"))
		assert.True(t, s.Exists("/root/beside"))
		require.NoError(t, cli.DeleteTree(t.Context(), "/", framework.WholeNamespace))
		assert.False(t, s.Exists("/root"))
		assert.True(t, s.Exists("/spaces"))

		all := connected(t, s)
		mustCreate(t, s, "/zookeeper/quota/mine/kid", "")
		require.ErrorContains(t, all.DeleteTree(t.Context(), "/zookeeper/quota"), "servers do not delete")
		require.NoError(t, all.DeleteTree(t.Context(), "/", framework.WholeNamespace))
		assert.True(t, s.Exists("/zookeeper/quota/mine/kid"))
		assert.False(t, s.Exists("/spaces"))
		require.NoError(t, all.DeleteTree(t.Context(), "/zookeeper/quota", framework.KeepRoot))
		assert.False(t, s.Exists("/zookeeper/quota/mine"))
	})
}

func TestDeleteTreeKeepsABoundedNumberOfRequestsUnderWay(t *testing.T) {
	for name, shape := range map[string]func(i int) string{
		"wide": func(i int) string { return fmt.Sprintf("/tree/%d", i) },
		"bushy": func(i int) string {
			return fmt.Sprintf("/tree/%d/%d/%d/%d", i%3, i%9, i%27, i)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				for i := range 500 {
					mustCreate(t, s, shape(i), "")
				}
				cli := connected(t, s)
				most := underWay(t, s, zktest.OpDelete)
				require.NoError(t, cli.DeleteTree(t.Context(), "/tree"))
				assert.False(t, s.Exists("/tree"))
				assert.LessOrEqual(t, most(), 32)
				assert.Greater(t, most(), 8)
			})
		})
	}
}

// Connections break, with and without the delete on it applied, and a session ends by the servers' word.
func TestDeleteTreeContinuesAfterLostConnectionsAndSessions(t *testing.T) {
	for _, stage := range []zktest.Stage{zktest.Request, zktest.Reply} {
		t.Run(fmt.Sprint(stage), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				grow(t, s, "/tree", 300)
				cli := connected(t, s)
				frames := 0
				t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage != stage || f.Op != zktest.OpDelete {
						return zktest.Pass
					}
					switch frames++; {
					case frames == 130:
						s.ExpireSession(f.Conn.Session)
					case frames%40 == 0:
						return zktest.Cut
					}
					return zktest.Pass
				}))
				require.NoError(t, cli.DeleteTree(t.Context(), "/tree"))
				assert.False(t, s.Exists("/tree"))
				assert.EqualValues(t, 2, cli.State().Epoch)
			})
		})
	}
}

// A Session ends with its session and says how far it has come. A second call does the rest.
func TestDeleteTreeOfASessionThatIsLostCanBeRepeated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		grow(t, s, "/tree", 300)
		nodes := len(s.Dump())
		cli := connected(t, s)
		session := sessionOf(t, cli)
		deletes := 0
		t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpDelete && f.Err == 0 {
				if deletes++; deletes == 100 {
					s.ExpireSession(session.ID())
				}
			}
			return zktest.Pass
		}))
		err := session.DeleteTree(t.Context(), "/tree")
		require.ErrorIs(t, err, framework.ErrSessionLost)
		var partial *framework.DeleteTreeError
		require.ErrorAs(t, err, &partial)
		assert.Equal(t, "/tree", partial.Path)
		assert.Empty(t, partial.Left)
		assert.GreaterOrEqual(t, partial.Deleted, 90)
		assert.LessOrEqual(t, partial.Deleted, nodes-len(s.Dump()))
		assert.True(t, s.Exists("/tree"))
		require.NoError(t, cli.DeleteTree(t.Context(), "/tree"))
		assert.False(t, s.Exists("/tree"))
	})
}

// The client has lost a session by its own clock, and the servers may still apply a delete that was sent in it.
func TestDeleteTreeSaysThatADeleteMayComeLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, slowToExpire)
		cli := lateClient(t, s)
		grow(t, s, "/tree", 5)
		heldBack(t, s, zktest.OpDelete)
		err := cli.DeleteTree(within(t, time.Hour), "/tree")
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "may be later")
		assert.False(t, s.Exists("/tree"), "it has gone on in the next session")
		assert.False(t, framework.SafeToRetry(err))
	})
}

// Others create nodes in the tree. It is emptied again, but not for ever.
func TestDeleteTreeToleratesConcurrentCreatorsWithABound(t *testing.T) {
	for name, c := range map[string]struct {
		creations int32
		gone      bool
	}{"some": {20, true}, "endless": {1 << 20, false}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				grow(t, s, "/tree", 50)
				mustCreate(t, s, "/tree/busy/0", "")
				cli := connected(t, s)
				var tries atomic.Int32
				t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Request && f.Op == zktest.OpDelete && f.Path == "/tree/busy" {
						if n := tries.Add(1); n <= c.creations {
							_, err := s.Create(fmt.Sprintf("/tree/busy/%d", n), nil, zktest.Persistent)
							assert.NoError(t, err)
						}
					}
					return zktest.Pass
				}))
				err := cli.DeleteTree(t.Context(), "/tree")
				if c.gone {
					require.NoError(t, err)
					assert.False(t, s.Exists("/tree"))
					return
				}
				var partial *framework.DeleteTreeError
				require.ErrorAs(t, err, &partial)
				require.ErrorIs(t, err, framework.ErrNotEmpty)
				require.NoError(t, partial.Err)
				require.Len(t, partial.Left, 1)
				assert.Equal(t, "/tree/busy", partial.Left[0].Path)
				require.ErrorContains(t, err, "others have created nodes below it")
				assert.EqualValues(t, 32, tries.Load())
				names, err := s.Children("/tree")
				require.NoError(t, err)
				assert.Equal(t, []string{"busy"}, names)
			})
		})
	}
}

// What may not be deleted, or listed, stays and is reported. Everything else goes.
func TestDeleteTreeReportsWhatItMayNotDelete(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		grow(t, s, "/tree", 50)
		cli := connected(t, s)
		for i := range 20 {
			plant(t, cli, fmt.Sprintf("/tree/locked/%d", i))
		}
		plant(t, cli, "/tree/hidden/1")
		for path, acl := range map[string][]framework.ACL{"/tree/locked": undeletable, "/tree/hidden": unreadable} {
			_, err := cli.SetACL(t.Context(), path, acl, framework.AnyVersion)
			require.NoError(t, err)
		}
		err := cli.DeleteTree(t.Context(), "/tree")
		require.ErrorIs(t, err, framework.ErrNoAuth)
		var partial *framework.DeleteTreeError
		require.ErrorAs(t, err, &partial)
		require.NoError(t, partial.Err)
		assert.Len(t, partial.Left, 16)
		assert.Equal(t, 5, partial.More)
		assert.Contains(t, err.Error(), "21 left")
		assert.Contains(t, err.Error(), "and 5 more")
		assert.Contains(t, err.Error(), "does not allow it")
		names, err := s.Children("/tree")
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"locked", "hidden"}, names)
	})
}

func TestDeleteTreeEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		grow(t, s, "/tree", 300)
		cli := connected(t, s)
		stop := errors.New("the user has seen enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		var deletes atomic.Int32
		t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpDelete && deletes.Add(1) == 100 {
				cancel(stop)
			}
			return zktest.Pass
		}))
		err := cli.DeleteTree(ctx, "/tree")
		require.ErrorIs(t, err, stop)
		require.ErrorIs(t, err, context.Canceled)
		assert.Less(t, deletes.Load(), int32(200))
		assert.True(t, s.Exists("/tree"))
		require.NoError(t, cli.DeleteTree(t.Context(), "/tree"))
		require.NoError(t, cli.Close())
		require.ErrorIs(t, cli.DeleteTree(t.Context(), "/tree"), framework.ErrClosed)
	})
}

// A server that answers nothing ends a DeleteTree like any other operation of the Client.
func TestDeleteTreeIsGivenUpWhenNoServerAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		grow(t, s, "/tree", 300)
		cli := connected(t, s)
		heal := s.Blackhole(zktest.AllConns(), zktest.Both)
		begin := time.Now()
		err := cli.DeleteTree(t.Context(), "/tree")
		require.ErrorIs(t, err, framework.ErrNotConnected)
		assert.Less(t, time.Since(begin), 10*sessionTimeout)
		heal()
		require.NoError(t, cli.DeleteTree(t.Context(), "/tree"))
		assert.False(t, s.Exists("/tree"))
	})
}

// Many clients delete one tree at the same time, on a server that is real.
func TestDeleteTreeByManyAtOnceOnARealServer(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t).ConnectString()
	cli := realClient(t, space)
	for i := range 120 {
		plant(t, cli, fmt.Sprintf("/tree/%d/%d", i%11, i))
	}
	errs := make(chan error)
	for range 3 {
		other := realClient(t, space)
		go func() { errs <- other.DeleteTree(context.Background(), "/tree") }()
	}
	for range 3 {
		require.NoError(t, <-errs)
	}
	ctx := within(t, patience)
	require.NoError(t, cli.Sync(ctx, "/tree"))
	_, there, err := cli.Exists(ctx, "/tree")
	require.NoError(t, err)
	assert.False(t, there)
}

// Connections break on the way, on a server that is real.
func TestDeleteTreeOnARealServerContinuesAfterBrokenConnections(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	witness := realClient(t, space.ConnectString())
	cli := realClient(t, strings.Replace(space.ConnectString(), space.Addr(), proxy.Addr(), 1))
	const leaves = 400
	for i := range leaves {
		plant(t, witness, fmt.Sprintf("/tree/%d/%d", i%11, i))
	}
	ctx := within(t, patience)
	w, err := sessionOf(t, witness).WatchTree(ctx, "/tree")
	require.NoError(t, err)
	defer w.Stop()
	done := make(chan error, 1)
	go func() { done <- cli.DeleteTree(ctx, "/tree") }()
	for gone := 1; ; gone++ {
		ev, err := w.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, framework.EventDeleted, ev.Type)
		if gone%100 == 0 {
			proxy.Cut()
		}
		if ev.Path == "/tree" {
			assert.Equal(t, leaves+12, gone)
			break
		}
	}
	require.NoError(t, <-done)
}
