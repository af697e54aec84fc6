package framework_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// readAll checks that a MultiRead answers as single reads do, whether the nodes can be read or not.
func readAll(t *testing.T, cli *framework.Client) {
	t.Helper()
	ctx := within(t, time.Minute)
	for path, data := range map[string]string{"/m": "root", "/m/a": "", "/m/b": "data", "/m/b/kid": "1", "/m/b/other": "2"} {
		_, err := cli.Create(ctx, path, []byte(data), framework.Parents)
		if err != nil {
			require.ErrorIs(t, err, framework.ErrNodeExists)
			_, err = cli.Set(ctx, path, []byte(data), framework.AnyVersion)
			require.NoError(t, err)
		}
	}
	private := []framework.ACL{{Perms: zk.PermAdmin | zk.PermDelete, Scheme: "world", ID: "anyone"}}
	_, err := cli.Create(ctx, "/m/private", nil, framework.WithACL(private))
	require.NoError(t, err)
	s := sessionOf(t, cli)
	var reads []recipekit.Read
	for _, path := range []string{"/m", "/m/private", "/m/a", "/m/none", "/m/b"} {
		reads = append(reads, recipekit.Read{Path: path}, recipekit.Read{Path: path, List: true})
	}
	answers, err := recipekit.MultiRead(ctx, s, reads)
	require.NoError(t, err)
	require.Len(t, answers, len(reads))
	for i, r := range reads {
		node, err := s.Get(ctx, r.Path)
		var names []string
		if r.List && err == nil {
			names, _, err = s.Children(ctx, r.Path)
		}
		if err != nil {
			require.ErrorIs(t, err, answers[i].Err)
			assert.Error(t, answers[i].Err)
			continue
		}
		require.NoError(t, answers[i].Err)
		assert.Equal(t, node, answers[i].Node)
		assert.ElementsMatch(t, names, answers[i].Names)
	}
}

func TestMultiReadAnswersAsSingleReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		readAll(t, connected(t, s))
		mustCreate(t, s, "/space", "")
		cli, err := connected(t, s).Namespace("/space")
		require.NoError(t, err)
		readAll(t, cli)
	})
}

func TestMultiReadAnswersAsSingleReadsOnARealServer(t *testing.T) {
	readAll(t, realClient(t, realzk.Shared(t).ConnectString()))
}

func TestMultiReadOnAServerWithoutItIsUnsupported(t *testing.T) {
	lackedOnce(t, zktest.OpMultiRead, "multiRead", func(ctx context.Context, _ *zktest.Server, cli *framework.Client, _ int) error {
		s, err := cli.Session(ctx)
		require.NoError(t, err)
		_, err = recipekit.MultiRead(ctx, s, []recipekit.Read{{Path: "/"}, {Path: "/zookeeper"}})
		require.ErrorIs(t, err, framework.ErrUnsupported)
		assert.ErrorContains(t, err, "multiRead")
		assert.Zero(t, recipekit.MultiReadSize(s))
		return nil
	})
}

func TestMultiReadThatIsAnsweredTooLongIsRefusedAndTheConnectionStays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		var reads []recipekit.Read
		for i := range 4 {
			path := fmt.Sprint("/", i)
			mustCreate(t, s, path, strings.Repeat("x", 30<<10))
			reads = append(reads, recipekit.Read{Path: path})
		}
		cli := connected(t, s, func(c *framework.Config) { c.MaxReplySize = 100 << 10 })
		states := record(t, cli)
		ctx, session := within(t, time.Minute), sessionOf(t, cli)
		_, err := recipekit.MultiRead(ctx, session, reads)
		require.ErrorIs(t, err, framework.ErrReplyRefused)
		answers, err := recipekit.MultiRead(ctx, session, reads[:3])
		require.NoError(t, err)
		assert.Len(t, answers[2].Node.Data, 30<<10)
		assert.Zero(t, states.count(framework.Suspended))
		assert.Empty(t, cli.Info().Lacks)
	})
}

// What MultiReadSize allows is not long for a request, however long the client's namespace is.
func TestMultiReadSizeCountsTheNamespace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		for _, length := range []int{1, 60, 800} {
			namespace := "/" + strings.Repeat("n", length)
			mustCreate(t, s, namespace, "")
			session := sessionOf(t, connected(t, s, func(c *framework.Config) { c.ConnectString += namespace }))
			var reads []recipekit.Read
			sent := 0
			for room := recipekit.MultiReadSize(session); ; {
				r := recipekit.Read{Path: fmt.Sprint("/", len(reads)), List: true}
				if room -= len(r.Path) + 64; room < 0 {
					break
				}
				sent += 2 * (9 + 4 + len(namespace) + len(r.Path) + 1)
				reads = append(reads, r)
			}
			require.NotEmpty(t, reads)
			assert.Less(t, sent, 33<<10)
			answers, err := recipekit.MultiRead(within(t, time.Minute), session, reads)
			require.NoError(t, err)
			assert.Len(t, answers, len(reads))
		}
	})
}
