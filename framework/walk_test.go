package framework_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// unreadable allows everything but reads.
var unreadable = []framework.ACL{{Perms: zk.PermAll &^ zk.PermRead, Scheme: "world", ID: "anyone"}}

// plant creates nodes, whose parents are created as well.
func plant(t *testing.T, cli *framework.Client, paths ...string) {
	t.Helper()
	for _, path := range paths {
		_, err := cli.Create(within(t, time.Minute), path, nil, framework.PersistentParents)
		require.NoError(t, err, path)
	}
}

// walked returns the paths that a walk comes to.
func walked(t *testing.T, cli *framework.Client, path string) (paths []string) {
	t.Helper()
	require.NoError(t, cli.Walk(within(t, time.Minute), path, func(n framework.TreeNode, err error) error {
		require.NoError(t, err)
		assert.EqualValues(t, len(n.Children), n.Stat.NumChildren)
		paths = append(paths, n.Path)
		return nil
	}))
	return paths
}

// walks asserts what a walk visits, in which order, and how it is told to go on.
func walks(t *testing.T, cli *framework.Client) {
	t.Helper()
	plant(t, cli, "/w/b/2", "/w/a", "/w/b/1/x", "/w/b-/1", "/w/c", "/wider")
	assert.Equal(t, []string{"/w", "/w/a", "/w/b", "/w/b/1", "/w/b/1/x", "/w/b/2", "/w/b-", "/w/b-/1", "/w/c"}, walked(t, cli, "/w"))
	assert.Equal(t, []string{"/w/b/1", "/w/b/1/x"}, walked(t, cli, "w/b/1"))

	ctx := within(t, time.Minute)
	until := func(at string, result error) (seen []string, err error) {
		err = cli.Walk(ctx, "/w", func(n framework.TreeNode, err error) error {
			require.NoError(t, err)
			seen = append(seen, n.Path)
			if n.Path == at {
				return result
			}
			return nil
		})
		return seen, err
	}
	seen, err := until("/w/b", framework.SkipChildren)
	require.NoError(t, err)
	assert.Equal(t, []string{"/w", "/w/a", "/w/b", "/w/b-", "/w/b-/1", "/w/c"}, seen)
	seen, err = until("/w", framework.SkipChildren)
	require.NoError(t, err)
	assert.Len(t, seen, 1)
	seen, err = until("/w/b", framework.SkipAll)
	require.NoError(t, err)
	assert.Equal(t, []string{"/w", "/w/a", "/w/b"}, seen)
	enough := errors.New("enough")
	seen, err = until("/w/b", enough)
	require.ErrorIs(t, err, enough)
	assert.Len(t, seen, 3)

	err = cli.Walk(ctx, "/none", nil)
	require.ErrorIs(t, err, framework.ErrNoNode)
	assert.ErrorContains(t, err, "walk /none")
}

func TestWalkVisitsParentsFirstAndNamesInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		walks(t, cli)
		below, err := cli.Namespace("/space")
		require.NoError(t, err)
		walks(t, below)
		assert.Contains(t, walked(t, below, "/"), "/w/b-/1")
		assert.Contains(t, walked(t, cli, "/"), "/zookeeper/quota")
		require.ErrorIs(t, cli.Walk(t.Context(), "/w/", nil), framework.ErrInvalidPath)
	})
}

func TestWalkOnARealServerVisitsParentsFirstAndNamesInOrder(t *testing.T) {
	t.Parallel()
	walks(t, realClient(t, realzk.Shared(t).ConnectString()))
}

// What cannot be read is told, and what is gone is left out.
func TestWalkGoesPastNodesThatVanishOrMayNotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		for i := range 40 {
			plant(t, cli, fmt.Sprintf("/w/%02d/kid", i))
		}
		_, err := cli.SetACL(t.Context(), "/w/03", unreadable, framework.AnyVersion)
		require.NoError(t, err)
		var seen []string
		require.NoError(t, cli.Walk(t.Context(), "/w", func(n framework.TreeNode, err error) error {
			seen = append(seen, n.Path)
			switch n.Path {
			case "/w/03":
				require.ErrorIs(t, err, framework.ErrNoAuth)
				require.ErrorContains(t, err, "walk /w/03")
				return nil
			case "/w/10":
				for _, gone := range []string{"/w/20/kid", "/w/20", "/w/05/kid"} {
					require.NoError(t, s.Delete(gone))
				}
			case "/w/30":
				require.NoError(t, s.Delete("/w/30/kid"))
			}
			return err
		}))
		assert.Len(t, seen, 1+2*40-1-2-1)
		assert.NotContains(t, seen, "/w/03/kid")
		assert.NotContains(t, seen, "/w/20")
		assert.NotContains(t, seen, "/w/30/kid")
		assert.True(t, slices.IsSorted(seen))
		err = cli.Walk(t.Context(), "/w", func(_ framework.TreeNode, err error) error { return err })
		require.ErrorIs(t, err, framework.ErrNoAuth, "f returns it")
	})
}

// A list of children that is too long for the client is an error of its node only.
func TestWalkGoesPastAListThatIsTooLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		for _, dir := range []string{"/w/a", "/w/b", "/w/c"} {
			mustCreate(t, s, dir+"/kid", "")
		}
		for i := range 800 {
			mustCreate(t, s, fmt.Sprintf("/w/b/%0100d", i), "")
		}
		cli := connected(t, s, func(c *framework.Config) { c.MaxReplySize = 64 << 10 })
		var seen, refused []string
		require.NoError(t, cli.Walk(t.Context(), "/w", func(n framework.TreeNode, err error) error {
			if seen = append(seen, n.Path); err != nil {
				require.ErrorIs(t, err, framework.ErrReplyRefused)
				refused = append(refused, n.Path)
			}
			return nil
		}))
		assert.Equal(t, []string{"/w", "/w/a", "/w/a/kid", "/w/b", "/w/c", "/w/c/kid"}, seen)
		assert.Equal(t, []string{"/w/b"}, refused)
	})
}

// Connections break and sessions end on the way. Every node is visited once all the same.
func TestWalkContinuesAfterLostConnectionsAndSessions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		for i := range 100 {
			plant(t, cli, fmt.Sprintf("/w/%d/%d", i%10, i))
		}
		requests := 0
		t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage != zktest.Request || f.Op != zktest.OpGetChildren2 {
				return zktest.Pass
			}
			switch requests++; {
			case requests == 50:
				s.ExpireSession(f.Conn.Session)
			case requests%20 == 0:
				return zktest.Cut
			}
			return zktest.Pass
		}))
		paths := walked(t, cli, "/w")
		assert.Len(t, paths, 111)
		assert.Len(t, slices.Compact(slices.Sorted(slices.Values(paths))), 111)
		assert.EqualValues(t, 2, cli.State().Epoch)

		ctx, cancel := context.WithCancel(t.Context())
		err := cli.Walk(ctx, "/w", func(framework.TreeNode, error) error { cancel(); return nil })
		require.ErrorIs(t, err, context.Canceled)
	})
}

// No more siblings are read at once than is said, whatever the size of a directory.
func TestWalkReadsAheadByTheSiblingsThatItSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		for i := range 1000 {
			mustCreate(t, s, fmt.Sprintf("/w/%d", i), "")
		}
		cli := connected(t, s)
		most := underWay(t, s, zktest.OpGetChildren2)
		assert.Len(t, walked(t, cli, "/w"), 1001)
		assert.Equal(t, 16, most())
	})
}

// underWay slows the network down, and returns a function that says how many requests of a kind were under way at once. A request
// that arrives within a round trip of another one was sent before that one's reply had come.
func underWay(t *testing.T, s *zktest.Server, op zktest.Op) (most func() int) {
	t.Helper()
	const oneWay = 10 * time.Millisecond
	t.Cleanup(s.Delay(zktest.AllConns(), oneWay))
	var mu sync.Mutex
	var arrivals []time.Time
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		mu.Lock()
		defer mu.Unlock()
		if f.Stage == zktest.Request && f.Op == op {
			arrivals = append(arrivals, time.Now())
		}
		return zktest.Pass
	}))
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		most, first := 0, 0
		for i, at := range arrivals {
			for at.Sub(arrivals[first]) >= 2*oneWay {
				first++
			}
			most = max(most, i-first+1)
		}
		return most
	}
}
