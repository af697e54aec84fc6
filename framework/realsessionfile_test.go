package framework_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/sessionfile"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// A real server closes the old session, or says that it is over, or that the password is wrong. The new one begins behind that.
func TestRealSessionFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(t *testing.T, space *realzk.Space, path string, id int64)
		stays  bool
	}{
		"alive": {before: func(*testing.T, *realzk.Space, string, int64) {}},
		"over": {before: func(t *testing.T, space *realzk.Space, _ string, id int64) {
			require.NoError(t, space.ExpireSession(within(t, patience), id))
		}},
		"wrong password": {stays: true, before: func(t *testing.T, _ *realzk.Space, path string, id int64) {
			leaveIn(t, path, sessionfile.Record{ID: id, Password: []byte("not its s3cr3t.."), Timeout: patience})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			space, path := realzk.Shared(t), sessionFileIn(t)
			id := cutOff(t, space, path)
			c.before(t, space, path, id)
			cli := realClient(t, space.ConnectString(), keptIn(path), timeout(patience))
			require.NoError(t, cli.Sync(within(t, patience), "/left"))
			stat, there, err := cli.Exists(within(t, patience), "/left")
			require.NoError(t, err)
			assert.Equal(t, c.stays, there)
			session := sessionOf(t, cli)
			assert.NotEqual(t, id, session.ID())
			if there {
				assert.Equal(t, id, stat.EphemeralOwner)
				assert.True(t, session.Former(id))
			}
			require.NoError(t, cli.Close())
			assert.Zero(t, inFile(t, path), "the server has confirmed the end of the session")
		})
	}
}

// cutOff leaves a session in the file, with the node /left: its client ends while it cannot reach the server.
func cutOff(t *testing.T, space *realzk.Space, path string) (id int64) {
	t.Helper()
	proxy := realzk.NewProxy(t, space.Addr())
	cli, err := framework.New(framework.Config{ConnectString: proxy.Addr() + space.Root(), SessionTimeout: patience, SessionFile: path})
	require.NoError(t, err)
	_, err = cli.Create(within(t, patience), "/left", nil, framework.Ephemeral)
	require.NoError(t, err)
	id = cli.State().SessionID
	proxy.Blackhole(realzk.Both)
	require.NoError(t, cli.Shutdown(context.Background()))
	assert.Equal(t, id, inFile(t, path))
	return id
}
