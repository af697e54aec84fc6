package recipes_test

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// realClient starts a client of a real server.
func realClient(t *testing.T, connect string) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: connect})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(t.Context()))
	return cli
}

// The servers end the session while they cannot be heard, and somebody else holds before the release: it says that it was lost.
func TestRealReleaseAfterTheServersHaveEndedTheSession(t *testing.T) {
	for name, c := range claims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			space := realzk.Shared(t)
			proxy := realzk.NewProxy(t, space.Addr())
			cli, other := realClient(t, proxy.Addr()+space.Root()), realClient(t, space.ConnectString())
			h, err := c.acquire(t.Context(), cli)
			require.NoError(t, err)
			proxy.Blackhole(realzk.Both)
			require.NoError(t, space.ExpireSession(t.Context(), cli.State().SessionID))
			next, err := c.acquire(t.Context(), other)
			require.NoError(t, err)
			require.NoError(t, h.context().Err(), "it cannot know yet")
			released := make(chan error, 1)
			go func() { released <- h.release(t.Context()) }()
			require.NoError(t, proxy.Heal())
			err = <-released
			assert.ErrorIs(t, err, framework.ErrSessionLost)
			assert.NotErrorIs(t, err, framework.ErrReleasing)
			assert.NoError(t, next.release(t.Context()))
		})
	}
}

// The servers refuse to remove what was released: the release says so, and so does the next call of the same client.
func TestRealRemovalThatIsRefused(t *testing.T) {
	for name, c := range claims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cli := realClient(t, realzk.Shared(t).ConnectString())
			h, err := c.acquire(t.Context(), cli)
			require.NoError(t, err)
			forbidden := framework.OpenACL()
			forbidden[0].Perms &^= zk.PermDelete
			for _, dir := range c.dirs {
				_, err := cli.Create(t.Context(), dir, nil, framework.Parents)
				if err != nil {
					require.ErrorIs(t, err, framework.ErrNodeExists)
				}
				_, err = cli.SetACL(t.Context(), dir, forbidden, framework.AnyVersion)
				require.NoError(t, err)
			}
			err = h.release(t.Context())
			assert.ErrorIs(t, err, framework.ErrReleasing)
			assert.ErrorIs(t, err, framework.ErrNoAuth)
			_, err = c.acquire(t.Context(), cli)
			assert.ErrorIs(t, err, framework.ErrNoAuth)
			for _, dir := range c.dirs {
				_, err = cli.SetACL(t.Context(), dir, framework.OpenACL(), framework.AnyVersion)
				require.NoError(t, err)
			}
			cleaned(t, cli)
			h, err = c.acquire(t.Context(), cli)
			require.NoError(t, err)
			require.NoError(t, h.release(t.Context()))
		})
	}
}

// cleaned waits until the client has removed what it was refused to remove.
func cleaned(t *testing.T, cli *framework.Client) {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for limit := time.After(time.Minute); len(cli.Recipes()) > 0; {
		select {
		case <-poll.C:
		case <-limit:
			t.Fatal("the removal is not tried again")
		}
	}
}
