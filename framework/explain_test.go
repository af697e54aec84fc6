package framework_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

// Errors say what to do about them.
func TestMissingParent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		const advice = "the parent /a/b does not exist; create it, or pass framework.Parents"
		_, err := cli.Create(t.Context(), "/a/b/c", nil)
		require.ErrorIs(t, err, framework.ErrNoNode)
		require.ErrorContains(t, err, advice)
		_, err = cli.Multi(t.Context(), []framework.Op{framework.CreateOp("/a/b/c", nil, framework.Persistent)})
		require.ErrorIs(t, err, framework.ErrNoNode)
		require.ErrorContains(t, err, advice)
		below, err := cli.Namespace("/space")
		require.NoError(t, err)
		_, err = below.Create(t.Context(), "a/b/c", nil)
		require.ErrorContains(t, err, "the parent a/b does not exist")
		_, err = cli.Get(t.Context(), "/a/b")
		assert.NotContains(t, err.Error(), "parent")
	})
}

// Who was refused, and by which node's list, without secrets.
func TestWhoWasRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		me := connected(t, s, as("me", "s3cr3t"))
		_, err := me.Create(t.Context(), "/mine", nil, framework.WithACL(framework.CreatorACL()))
		require.NoError(t, err)
		_, err = me.Create(t.Context(), "/mine/child", nil)
		require.NoError(t, err)
		nobody := connected(t, s)
		somebody := connected(t, s, as("some", "s3cr3t"), as("any", "s3cr3t"), func(c *framework.Config) {
			c.Auth = append(c.Auth, framework.Auth{Scheme: "digest", Credentials: []byte("s3cr3t")})
		})
		list := `digest user "some", digest user "any", scheme "digest"`
		for text, err := range map[string]error{
			"get /mine: zk: not authenticated: the ACL of /mine does not allow it to a client without an identity (Config.Auth is empty)": get(t, nobody, "/mine"),
			"the ACL of /mine does not allow it to " + list:                                                             get(t, somebody, "/mine"),
			"the ACL of the parent /mine does not allow it to " + list:                                                  create(t, somebody, "/mine/new"),
			"create of the parent /mine/new: zk: not authenticated: the ACL of the parent /mine":                        create(t, somebody, "/mine/new/a", framework.Parents),
			"(delete /mine/child) was refused, nothing was applied: zk: not authenticated: the ACL of the parent /mine": multi(t, somebody),
		} {
			require.ErrorIs(t, err, framework.ErrNoAuth)
			require.ErrorContains(t, err, text)
			assert.NotContains(t, err.Error(), "body\"")
			assert.NotContains(t, err.Error(), "s3cr3t")
		}
	})
}

func get(t *testing.T, cli *framework.Client, path string) error {
	_, err := cli.Get(t.Context(), path)
	return err
}

func create(t *testing.T, cli *framework.Client, path string, opts ...framework.CreateOption) error {
	_, err := cli.Create(t.Context(), path, nil, opts...)
	return err
}

func multi(t *testing.T, cli *framework.Client) error {
	_, err := cli.Multi(t.Context(), []framework.Op{framework.DeleteOp("/mine/child", framework.AnyVersion)})
	return err
}

func TestTwoModes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		err := create(t, cli, "/n", framework.Ephemeral, framework.Persistent)
		require.ErrorContains(t, err, "two were given, Ephemeral and Persistent")
		_, _, err = recipekit.CreateInQueue(t.Context(), sessionOf(t, cli), "/q", "n-", nil, framework.Ephemeral)
		require.NoError(t, err, "another one than the default")
		require.NoError(t, create(t, cli, "/n", framework.Ephemeral, framework.Ephemeral))
		require.ErrorContains(t, create(t, cli, "/n", framework.Mode(9)), "9 is not a mode")
		assert.Equal(t, "Mode(9)", framework.Mode(9).String())
	})
}

// A nil Client comes from an error of New that was not looked at.
func TestNilClient(t *testing.T) {
	for _, cli := range []*framework.Client{nil, {}} {
		_, err := cli.Session(t.Context())
		for _, err := range []error{err, cli.WaitConnected(t.Context()), cli.Run(t.Context(), framework.Recipe{Name: "lock", Path: "/a"})} {
			require.ErrorContains(t, err, "framework.New")
		}
	}
	cli, err := framework.New(framework.Config{ConnectString: "127.0.0.1:1"})
	require.NoError(t, err)
	defer cli.Close()
	require.EqualError(t, cli.Run(context.Background(), framework.Recipe{}),
		"recipe without a name: framework.Recipe.Run is nil: there is nothing to run")
}
