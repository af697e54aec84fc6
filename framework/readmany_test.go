package framework_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// readMany asserts that a MultiRead answers as the single reads do, for more nodes than one request holds.
func readMany(t *testing.T, cli *framework.Client) {
	t.Helper()
	ctx := within(t, time.Minute)
	_, err := cli.Create(ctx, "/many", []byte("root"), framework.Parents)
	require.NoError(t, err)
	_, err = cli.Create(ctx, "/many/private", nil, framework.WithACL([]framework.ACL{{Perms: zk.PermAdmin, Scheme: "world", ID: "anyone"}}))
	require.NoError(t, err)
	reads := []framework.ReadOp{
		framework.GetOp("many"), framework.ChildrenOp("/many"), framework.GetOp("/many/private"), framework.ChildrenOp("/many/none"),
	}
	long := strings.Repeat("n", 1<<10)
	for i := range 40 {
		path := fmt.Sprintf("/many/%s%d", long, i)
		_, err := cli.Create(ctx, path, fmt.Append(nil, i))
		require.NoError(t, err)
		reads = append(reads, framework.GetOp(path))
	}
	results, err := cli.MultiRead(ctx, reads)
	require.NoError(t, err)
	require.Len(t, results, len(reads))
	for i, r := range reads {
		if i == 1 || i == 3 {
			names, _, err := cli.Children(ctx, r.Path())
			sameError(t, err, results[i].Err)
			assert.ElementsMatch(t, names, results[i].Children)
			continue
		}
		node, err := cli.Get(ctx, r.Path())
		sameError(t, err, results[i].Err)
		assert.Equal(t, node, results[i].Node)
	}
	assert.ErrorIs(t, results[2].Err, framework.ErrNoAuth)
	assert.ErrorIs(t, results[3].Err, framework.ErrNoNode)
}

func sameError(t *testing.T, want, got error) {
	t.Helper()
	if want == nil {
		require.NoError(t, got)
		return
	}
	require.EqualError(t, got, want.Error())
}

func TestManyReadsAnswerAsSingleOnes(t *testing.T) {
	for name, how := range howServersLack {
		t.Run("on servers without multiRead, "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				lacking(t, s, zktest.OpMultiRead, how.verdict)
				readMany(t, connected(t, s))
			})
		})
	}
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		readMany(t, cli)
		assert.EqualValues(t, 2, s.Counts().Requests[zktest.OpMultiRead])
		below, err := cli.Namespace("/space")
		require.NoError(t, err)
		readMany(t, below)
		results, err := cli.MultiRead(t.Context(), nil)
		require.NoError(t, err)
		assert.Empty(t, results)
		_, err = cli.MultiRead(t.Context(), []framework.ReadOp{framework.GetOp("/a"), framework.GetOp("/b/")})
		require.ErrorIs(t, err, framework.ErrInvalidPath)
		_, err = cli.MultiRead(t.Context(), []framework.ReadOp{{}})
		require.ErrorIs(t, err, zk.ErrBadArguments)
	})
}

// A reply that is lost, or a server that is overloaded, costs another try and no result.
func TestManyReadsAreRepeatedAsAWhole(t *testing.T) {
	for _, op := range []zktest.Op{zktest.OpMultiRead, zktest.OpGetData} {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			mustCreate(t, s, "/a", "a")
			mustCreate(t, s, "/b", "b")
			if op == zktest.OpGetData {
				lacking(t, s, zktest.OpMultiRead, zktest.AnswerWith(-6))
			}
			cli := connected(t, s)
			s.Inject(zktest.Rule{Op: op, Stage: zktest.Reply, Times: 1}, zktest.Drop)
			s.Inject(zktest.Rule{Op: op, Times: 2}, zktest.AnswerWith(zktest.ErrThrottled))
			results, err := cli.MultiRead(t.Context(), []framework.ReadOp{framework.GetOp("/a"), framework.GetOp("/b")})
			require.NoError(t, err)
			assert.Equal(t, "a", string(results[0].Node.Data))
			assert.Equal(t, "b", string(results[1].Node.Data))
		})
	}
}

func TestManyReadsOnARealServerAnswerAsSingleOnes(t *testing.T) {
	t.Parallel()
	readMany(t, realClient(t, realzk.Shared(t).ConnectString()))
}

// asksOfTrees asserts what Ephemerals and Descendants say.
func asksOfTrees(t *testing.T, cli, other *framework.Client) {
	t.Helper()
	ctx := within(t, time.Minute)
	for _, path := range []string{"/own/e/1", "/own/e/2", "/own/ee/1"} {
		_, err := cli.Create(ctx, path, nil, framework.Ephemeral, framework.Parents)
		require.NoError(t, err)
	}
	_, err := other.Create(ctx, "/own/e/other", nil, framework.Ephemeral)
	require.NoError(t, err)
	require.NoError(t, cli.Sync(ctx, "/own"))
	for path, want := range map[string][]string{
		"/own/e":   {"/own/e/1", "/own/e/2"},
		"/own/e/1": {"/own/e/1"},
		"own":      {"/own/e/1", "/own/e/2", "/own/ee/1"},
		"/none":    {},
	} {
		paths, err := cli.Ephemerals(ctx, path)
		require.NoError(t, err)
		assert.Equal(t, want, paths, path)
	}
	for path, want := range map[string]int{"/own": 6, "/own/e": 3, "/own/ee": 1, "/own/e/1": 0} {
		n, err := cli.Descendants(ctx, path)
		require.NoError(t, err)
		assert.Equal(t, want, n, path)
	}
	_, err = cli.Descendants(ctx, "/none")
	require.ErrorIs(t, err, framework.ErrNoNode)
	session := sessionOf(t, cli)
	own, err := session.Ephemerals(ctx, "/")
	require.NoError(t, err)
	for _, path := range []string{"/own/e/1", "/own/e/2", "/own/ee/1"} {
		assert.True(t, slices.Contains(own, path))
	}
}

func TestEphemeralsAndDescendants(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli, other := connected(t, s), connected(t, s)
		asksOfTrees(t, cli, other)
		n, err := cli.Descendants(t.Context(), "/")
		require.NoError(t, err)
		assert.Equal(t, 10, n, "with /zookeeper, /zookeeper/quota and /zookeeper/config")
		below, err := cli.Namespace("/space")
		require.NoError(t, err)
		beside, err := cli.Namespace("/spaceless")
		require.NoError(t, err)
		_, err = beside.Create(t.Context(), "/own", nil, framework.Ephemeral, framework.Parents)
		require.NoError(t, err)
		there, err := other.Namespace("/space")
		require.NoError(t, err)
		asksOfTrees(t, below, there)
		paths, err := below.Ephemerals(t.Context(), "/")
		require.NoError(t, err)
		assert.Equal(t, []string{"/own/e/1", "/own/e/2", "/own/ee/1"}, paths, "only what is in the namespace")
	})
}

func TestEphemeralsAndDescendantsOnARealServer(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t).ConnectString()
	asksOfTrees(t, realClient(t, space), realClient(t, space))
}

func TestEphemeralsAndDescendantsOnServersWithoutThemAreUnsupported(t *testing.T) {
	lackedOnce(t, zktest.OpGetEphemerals, "getEphemerals", func(ctx context.Context, _ *zktest.Server, cli *framework.Client, _ int) error {
		_, err := cli.Ephemerals(ctx, "/")
		require.ErrorIs(t, err, framework.ErrUnsupported)
		assert.ErrorContains(t, err, "getEphemerals")
		return nil
	})
	lackedOnce(t, zktest.OpGetAllChildrenNumber, "getAllChildrenNumber", func(ctx context.Context, _ *zktest.Server, cli *framework.Client, _ int) error {
		_, err := cli.Descendants(ctx, "/")
		require.ErrorIs(t, err, framework.ErrUnsupported)
		return nil
	})
}

func TestPersistentParentsOfOneCreate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		_, err := cli.Create(t.Context(), "/made/by/a", nil, framework.PersistentParents)
		require.NoError(t, err)
		_, err = cli.Create(t.Context(), "/other/b", nil, framework.Parents)
		require.NoError(t, err)
		tree := s.Dump()
		assert.Equal(t, zktest.Persistent, tree["/made"].Mode)
		assert.Equal(t, zktest.Persistent, tree["/made/by"].Mode)
		assert.Equal(t, zktest.Container, tree["/other"].Mode)
	})
}
