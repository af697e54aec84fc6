package framework_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

// An invalid path is refused by every operation, before anything is sent, with an error that names it and the rule.
func TestInvalidPathsAreRefused(t *testing.T) {
	operations := map[string]func(ctx context.Context, cli *framework.Client, path string) error{
		"get": func(ctx context.Context, cli *framework.Client, p string) error {
			_, err := cli.Get(ctx, p)
			return err
		},
		"exists": func(ctx context.Context, cli *framework.Client, p string) error {
			_, _, err := cli.Exists(ctx, p)
			return err
		},
		"children": func(ctx context.Context, cli *framework.Client, p string) error {
			_, _, err := cli.Children(ctx, p)
			return err
		},
		"sync": func(ctx context.Context, cli *framework.Client, p string) error { return cli.Sync(ctx, p) },
		"getACL": func(ctx context.Context, cli *framework.Client, p string) error {
			_, _, err := cli.ACL(ctx, p)
			return err
		},
		"setACL": func(ctx context.Context, cli *framework.Client, p string) error {
			_, err := cli.SetACL(ctx, p, nil, 0)
			return err
		},
		"create": func(ctx context.Context, cli *framework.Client, p string) error {
			_, err := cli.Create(ctx, p, nil)
			return err
		},
		"set": func(ctx context.Context, cli *framework.Client, p string) error {
			_, err := cli.Set(ctx, p, nil, 0)
			return err
		},
		"delete": func(ctx context.Context, cli *framework.Client, p string) error {
			return cli.Delete(ctx, p, 0, framework.Guaranteed)
		},
		"watchData": func(ctx context.Context, cli *framework.Client, p string) error {
			_, err := kinds["data"](ctx, cli, p)
			return err
		},
		"watchExists": func(ctx context.Context, cli *framework.Client, p string) error {
			_, err := kinds["exists"](ctx, cli, p)
			return err
		},
		"watchChildren": func(ctx context.Context, cli *framework.Client, p string) error {
			_, err := kinds["children"](ctx, cli, p)
			return err
		},
		"multi": func(ctx context.Context, cli *framework.Client, p string) error {
			_, err := cli.Multi(ctx, []framework.Op{framework.CheckOp(p, 0)})
			return err
		},
	}
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		before := s.Counts()
		for op, do := range operations {
			for _, path := range []string{"", "a/", "/a/", "//", "/a//b", "/a/..", "..", "/.", "/a\x00", "/\xff", "/\ufff0"} {
				err := do(t.Context(), cli, path)
				require.ErrorIs(t, err, framework.ErrInvalidPath, "%s %q", op, path)
				var opErr *framework.OpError
				require.ErrorAs(t, err, &opErr)
				assert.Equal(t, op, opErr.Op)
				assert.Equal(t, path, opErr.Path)
				assert.Equal(t, framework.Connected, opErr.State)
				require.ErrorContains(t, err, fmt.Sprintf("%q", path))
			}
		}
		assert.Equal(t, before, s.Counts())
		_, err := cli.Namespace("a//b")
		require.ErrorIs(t, err, framework.ErrInvalidPath)
	})
}

// Requests of every size around the limits of buffers, up to the largest that is allowed.
func TestDataOfEverySize(t *testing.T) {
	const limit = framework.DefaultMaxRequestSize
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		ctx := t.Context()
		_, err := cli.Create(ctx, "/node", nil)
		require.NoError(t, err)
		sizes := []int{0, 1, 1 << 10, limit / 2, limit - 300, limit - 261, limit - 260}
		for around := 64<<10 - 330; around < 64<<10+20; around += 3 {
			sizes = append(sizes, around)
		}
		for _, size := range sizes {
			data := bytes.Repeat([]byte{'x'}, size)
			_, err := cli.Set(ctx, "/node", data, framework.AnyVersion)
			if size > limit-261 {
				require.ErrorIs(t, err, framework.ErrTooLarge)
				continue
			}
			require.NoError(t, err, size)
			node, err := cli.Get(ctx, "/node")
			require.NoError(t, err, size)
			require.True(t, bytes.Equal(data, node.Data), size)
		}
		assert.EqualValues(t, 1, cli.State().Epoch)
		assert.Equal(t, framework.Connected, cli.State().State, "the link has never broken")
	})
}

func TestTooLargeRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		large := make([]byte, 1<<20)
		_, create := cli.Create(t.Context(), "/node", large)
		_, set := cli.Set(t.Context(), "/node", large, 0)
		_, multi := cli.Multi(t.Context(), []framework.Op{framework.CreateOp("/node", large, 0)})
		for _, err := range []error{create, set, multi} {
			require.ErrorIs(t, err, framework.ErrTooLarge)
			require.ErrorContains(t, err, "/node: ")
			require.ErrorContains(t, err, "MaxRequestSize is 1048575; store less, or raise it together with the servers' jute.maxbuffer")
			var opErr *framework.OpError
			require.ErrorAs(t, err, &opErr)
			assert.Zero(t, opErr.Attempts)
		}
		assert.Equal(t, framework.Connected, cli.State().State)
	})
}

// The first large request comes in the middle of others, and again after a reconnect and in a new session.
func TestBuffersGrowUnderLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		done := make(chan error)
		const writers = 20
		write := func() {
			for i := range writers {
				go func() {
					_, err := cli.Create(t.Context(), "/n-", make([]byte, i*40_000), framework.PersistentSequential)
					done <- err
				}()
			}
			for range writers {
				require.NoError(t, <-done)
			}
		}
		write()
		for _, event := range []string{"blip", "expired"} {
			events[event](t, s, cli)
			write()
		}
		assert.Len(t, children(t, s, "/"), 3*writers+1)
	})
}

func TestManyChildren(t *testing.T) {
	const count = 100_000
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/dir", "")
		for i := range count {
			_, err := s.Create(fmt.Sprintf("/dir/a-child-with-a-name-%07d", i), nil, zktest.Persistent)
			require.NoError(t, err)
		}
		cli := connected(t, s)
		names, stat, err := cli.Children(t.Context(), "/dir")
		require.NoError(t, err)
		assert.Len(t, names, count)
		assert.EqualValues(t, count, stat.NumChildren)
		session := sessionOf(t, cli)
		node, names, err := recipekit.CreateInQueue(t.Context(), session, "/dir", "n-", nil)
		require.NoError(t, err)
		assert.Len(t, names, count+1)
		require.NoError(t, session.Delete(t.Context(), node.Path, framework.AnyVersion))
		assert.Equal(t, framework.Connected, cli.State().State)
		time.Sleep(time.Second)
	})
}

// An answer that is longer than MaxReplySize fails the call that it is for, and no other: the connection stays.
func TestMaxReplySize(t *testing.T) {
	const limit = 200_000
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/fits", string(make([]byte, limit-100)))
		mustCreate(t, s, "/long", string(make([]byte, limit)))
		mustCreate(t, s, "/small", "")
		cli := connected(t, s, func(c *framework.Config) { c.MaxReplySize = limit })
		session := sessionOf(t, cli)
		_, err := cli.Get(t.Context(), "/fits")
		require.NoError(t, err)
		for name, get := range map[string]func(context.Context, string) (framework.Node, error){"client": cli.Get, "session": session.Get} {
			before := s.Counts()
			start := time.Now()
			_, err = get(t.Context(), "/long")
			require.ErrorIs(t, err, framework.ErrReplyRefused, name)
			require.ErrorContains(t, err, "get /long", name)
			assert.EqualValues(t, 1, s.Counts().Sub(before).Requests[zktest.OpGetData], name)
			assert.Equal(t, framework.Connected, cli.State().State, name)
			assert.Less(t, time.Since(start), sessionTimeout, name)
		}
		_, err = session.Get(t.Context(), "/small")
		require.NoError(t, err, "the session lives")
	})
}

// A clean-up that meets such an answer is given up as well.
func TestCleanUpWithALongReply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/dir", "")
		for i := range 2000 {
			mustCreate(t, s, fmt.Sprintf("/dir/a-child-with-a-rather-long-name-%04d", i), "")
		}
		log := &logBook{}
		cli := connected(t, s, func(c *framework.Config) {
			c.MaxReplySize, c.Logger, c.RetryPolicy = 65536, slog.New(log), never
		})
		loseReply(t, s, zktest.OpCreate2, 0)
		_, err := cli.Create(t.Context(), "/dir/n-", nil, framework.EphemeralSequential, framework.Protected)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		time.Sleep(time.Minute)
		assert.Contains(t, log.String(), "clean-up failed task=remove /dir/_c_")
		assert.Contains(t, log.String(), "longer than MaxReplySize")
		assert.Less(t, s.Counts().Requests[zktest.OpGetChildren2], int64(5))
	})
}

// Servers close the connection over a request that is longer than their own limit, without a word: it is given up, too.
func TestRequestThatIsTooLongForTheServers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.MaxRequestSize = 4 << 20 })
		session := sessionOf(t, cli)
		start := time.Now()
		_, err := session.Create(t.Context(), "/long", make([]byte, 2<<20), framework.Ephemeral)
		require.ErrorIs(t, err, framework.ErrTooLarge)
		require.ErrorContains(t, err, "create /long")
		require.ErrorContains(t, err, "jute.maxbuffer")
		assert.Less(t, time.Since(start), sessionTimeout)
		require.NoError(t, session.Err())
		_, err = session.Create(t.Context(), "/just-too-long", make([]byte, framework.DefaultMaxRequestSize-40), framework.Ephemeral)
		require.ErrorIs(t, err, framework.ErrTooLarge, "with what is around the data")
		_, err = session.Create(t.Context(), "/short", make([]byte, 1<<20-1000))
		require.NoError(t, err)
	})
}
