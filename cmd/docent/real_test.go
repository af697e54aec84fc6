package main

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
)

// The commands on a server of Apache ZooKeeper, below a chroot that does not exist at first.
func TestCommandsOnRealServer(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	w := &world{t: t}
	w.furnish((&net.Dialer{}).DialContext)
	w.sys.patience = 2 * time.Minute
	w.env = map[string]string{"DOCENT_SERVERS": space.ConnectString(), "DOCENT_TIMEOUT": "2m"}

	root := framework.Join(space.Root(), "below")
	code, found := w.diagnose("--namespace", "/below")
	require.Zero(t, code, found)
	require.Contains(t, found["chroot"].Text, root+" does not exist")

	require.Equal(t, "/config/app\n", w.ok("create", "-p", "/config/app", "one"))
	require.Equal(t, "/config/app has version 1.\n", w.ok("set", "/config/app", "two"))
	w.fails(exitConflict, "version conflict", "set", "/config/app", "three", "--version", "0")
	require.Equal(t, "two\n", w.ok("get", "/config/app"))
	require.Equal(t, "config\n", w.ok("ls"))
	require.Equal(t, "/\n└── config\n    └── app  = two\n", w.ok("tree", "--data"))
	code, found = w.diagnose()
	require.Zero(t, code, found)
	require.Contains(t, found["server"].Text, "is ZooKeeper 3.")
	require.Equal(t, verdictFine, found["write"].Verdict)
	require.Equal(t, verdictFine, found["containers"].Verdict)
	require.Equal(t, "config\n", w.ok("ls"), "doctor leaves nothing behind")

	cli, err := framework.New(framework.Config{ConnectString: space.ConnectString()})
	require.NoError(t, err)
	defer func() { require.NoError(t, cli.Close()) }()
	held, err := lock.New(cli, "/locks/l", lock.WithData([]byte("me"))).Lock(t.Context())
	require.NoError(t, err)
	who := w.ok("who", "/locks/l")
	require.Contains(t, who, session(cli.State().SessionID))
	require.Contains(t, who, "127.0.0.1")
	require.Contains(t, who, "holds  lock  me")
	require.NoError(t, held.Unlock(t.Context()))

	require.Equal(t, "Deleted /config and everything below it.\n", w.ok("rm", "-r", "--yes", "/config"))
}
