package framework_test

import (
	"os/exec"
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

// quotas asserts how quotas are set, counted, enforced and taken away. Nobody else has a quota on the servers.
func quotas(t *testing.T, cli, all *framework.Client) {
	t.Helper()
	ctx := within(t, time.Minute)
	plant(t, cli, "/q/a", "/q/b")
	_, err := cli.Quota(ctx, "/q")
	require.ErrorIs(t, err, framework.ErrNoNode)
	require.ErrorContains(t, err, "quota /q: zk: node does not exist: the node has no quota of its own")
	err = cli.SetQuota(ctx, "/q/none", framework.Quota{Nodes: 1})
	require.ErrorIs(t, err, framework.ErrNoNode)
	require.ErrorContains(t, err, "create the node before")
	require.NoError(t, cli.DeleteQuota(ctx, "/q"), "there is none")

	soft := framework.Quota{Nodes: 1, Bytes: 1}
	require.NoError(t, cli.SetQuota(ctx, "q", soft))
	usage, err := cli.Quota(ctx, "/q")
	require.NoError(t, err)
	assert.Equal(t, framework.QuotaUsage{Quota: soft, UsedNodes: 3}, usage)
	hard := framework.Quota{HardNodes: 4, HardBytes: 10}
	require.NoError(t, cli.SetQuota(ctx, "/q", hard))
	_, err = cli.Set(ctx, "/q/a", []byte("12345"), framework.AnyVersion)
	require.NoError(t, err, "soft limits refuse nothing")
	_, err = cli.Create(ctx, "/q/c", nil)
	require.NoError(t, err)

	_, err = cli.Create(ctx, "/q/d", nil)
	require.ErrorIs(t, err, framework.ErrQuotaExceeded)
	require.ErrorContains(t, err, "create /q/d: quota exceeded: a hard limit of the node, or of a node above it")
	_, err = cli.Set(ctx, "/q/b", []byte("123456"), framework.AnyVersion)
	require.ErrorIs(t, err, framework.ErrQuotaExceeded)
	assert.True(t, framework.SafeToRetry(err))
	_, err = cli.Multi(ctx, []framework.Op{framework.CheckOp("/q", framework.AnyVersion), framework.CreateOp("/q/d", nil, framework.Ephemeral)})
	require.ErrorIs(t, err, framework.ErrQuotaExceeded)
	var part *framework.MultiError
	require.ErrorAs(t, err, &part)
	assert.Equal(t, 1, part.Index)
	usage, err = cli.Quota(ctx, "/q")
	require.NoError(t, err)
	assert.Equal(t, framework.QuotaUsage{Quota: hard, UsedNodes: 4, UsedBytes: 5}, usage)

	for path, says := range map[string]string{"/q/a": "which is above it, has a quota", "/": "which is below it, has a quota"} {
		if err := cli.SetQuota(ctx, path, soft); path == "/q/a" || cli != all {
			require.ErrorIs(t, err, zk.ErrBadArguments)
			require.ErrorContains(t, err, says)
		}
	}
	require.NoError(t, cli.DeleteQuota(ctx, "/q"))
	plant(t, cli, "/q/d")
	names, _, err := all.Children(ctx, "/zookeeper/quota")
	require.NoError(t, err)
	assert.Empty(t, names, "no empty nodes are left behind")
	for _, path := range []string{"/", "/zookeeper", "/zookeeper/quota/q"} {
		require.ErrorIs(t, all.SetQuota(ctx, path, soft), framework.ErrInvalidPath)
	}
}

func TestQuotas(t *testing.T) {
	for _, space := range []string{"", "/some/space"} {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{EnforceQuota: true})
			all := connected(t, s)
			cli := all
			if space != "" {
				mustCreate(t, s, space, "")
				cli = connected(t, s, func(c *framework.Config) { c.ConnectString += space })
			}
			quotas(t, cli, all)
		})
	}
}

// A real server counts, enforces, and shows to its own command line, what is set here.
func TestQuotasOnARealServer(t *testing.T) {
	t.Parallel()
	s := realzk.Standalone(t, realzk.Options{Properties: map[string]string{"zookeeper.enforceQuota": "true"}})
	all := realClient(t, s.Addr())
	plant(t, all, "/space")
	quotas(t, realClient(t, s.Addr()+"/space"), all)
	quotas(t, all, all)

	require.NoError(t, all.SetQuota(within(t, time.Minute), "/q", framework.Quota{Nodes: 11, Bytes: 12, HardNodes: 13, HardBytes: 14}))
	out, err := exec.Command("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar",
		"org.apache.zookeeper.ZooKeeperMain", "-server", s.Addr(), "listquota", "/q").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.True(t, strings.Contains(string(out), "count=11,bytes=12=;byteHardLimit=14;countHardLimit=13"), string(out))
}

// A quota is deleted and set by others meanwhile. The last word counts.
func TestQuotaThatOthersDeleteAndSetMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		plant(t, cli, "/q")
		limits, stats := "/zookeeper/quota/q/zookeeper_limits", "/zookeeper/quota/q/zookeeper_stats"
		onceOn(t, s, zktest.Request, zktest.OpCreate2, zktest.Pass, func() { // the limits are missing, and are set by somebody else
			mustCreate(t, s, limits, "count=1,bytes=1")
		})
		require.NoError(t, cli.SetQuota(t.Context(), "/q", framework.Quota{Nodes: 5}))
		usage, err := cli.Quota(t.Context(), "/q")
		require.NoError(t, err)
		assert.EqualValues(t, 5, usage.Nodes)
		require.NoError(t, s.Delete(stats))
		onceOn(t, s, zktest.Reply, zktest.OpSetData, zktest.Pass, func() {
			for _, path := range []string{limits, "/zookeeper/quota/q"} {
				require.NoError(t, s.Delete(path))
			}
		})
		require.NoError(t, cli.SetQuota(t.Context(), "/q", framework.Quota{Nodes: 6}))
		usage, err = cli.Quota(t.Context(), "/q")
		require.NoError(t, err)
		assert.EqualValues(t, 6, usage.Nodes)
		assert.EqualValues(t, 1, usage.UsedNodes)
	})
}
