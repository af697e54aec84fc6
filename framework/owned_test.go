package framework_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// forgotten is an access-control list that its owner uses for something else.
func forgotten(acl []framework.ACL) { acl[0] = framework.ACL{Perms: 1, Scheme: "world", ID: "anyone"} }

// What callers pass as an ACL is theirs again when the call returns, as data is.
func TestACLsAreCopied(t *testing.T) {
	for name, write := range map[string]func(ctx context.Context, t *testing.T, s *zktest.Server, cli *framework.Client, acl []framework.ACL) error{
		"WithACL": func(ctx context.Context, _ *testing.T, _ *zktest.Server, cli *framework.Client, acl []framework.ACL) error {
			opt := framework.WithACL(acl)
			forgotten(acl)
			_, err := cli.Create(ctx, "/made", nil, opt)
			return err
		},
		"Op.WithACL": func(ctx context.Context, _ *testing.T, _ *zktest.Server, cli *framework.Client, acl []framework.ACL) error {
			op := framework.CreateOp("/made", nil, framework.Persistent).WithACL(acl)
			forgotten(acl)
			_, err := cli.Multi(ctx, []framework.Op{op})
			return err
		},
		"SetACL, while it waits": func(ctx context.Context, t *testing.T, s *zktest.Server, cli *framework.Client, acl []framework.ACL) error {
			if _, err := cli.Create(ctx, "/made", nil); err != nil {
				return err
			}
			s.Refuse()
			s.Cut(zktest.AllConns())
			awaitState(t, cli, framework.Suspended)
			result := make(chan error, 1)
			go func() {
				_, err := cli.SetACL(ctx, "/made", acl, 0)
				result <- err
			}()
			synctest.Wait()
			forgotten(acl)
			if err := s.Accept(); err != nil {
				return err
			}
			return <-result
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s)
				require.NoError(t, write(within(t, time.Minute), t, s, cli, framework.OpenACL()))
				acl, _, err := cli.ACL(t.Context(), "/made")
				require.NoError(t, err)
				assert.Equal(t, framework.OpenACL(), acl)
			})
		})
	}
}

// A server that does not return the Stat of a new node is asked for it. A node that is gone by then is not returned without one,
// and not created again.
func TestCreatedNodeThatIsGoneWhenItsStatIsAskedFor(t *testing.T) {
	for name, opts := range map[string][]framework.CreateOption{
		"persistent": nil, "ephemeral": {framework.Ephemeral}, "with parents": {framework.Parents},
		"protected": {framework.EphemeralSequential, framework.Protected, framework.Parents},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/dir", "")
				cli := connected(t, s)
				answering(t, s, zktest.OpCreate2, -6, -1)
				_, _ = cli.Create(within(t, time.Minute), "/learnt", nil) // that the server does not know create2
				defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Request && f.Op == zktest.OpExists && f.Path != "/" {
						require.NoError(t, s.Delete(f.Path))
					}
					return zktest.Pass
				})()
				_, err := cli.Create(within(t, time.Minute), "/dir/made", nil, opts...)
				require.ErrorIs(t, err, framework.ErrNoNode)
				require.ErrorContains(t, err, "deleted by somebody")
				assert.NotErrorIs(t, err, framework.ErrOutcomeUnknown)
				names, err := s.Children("/dir")
				require.NoError(t, err)
				assert.Empty(t, names)
			})
		})
	}
}

// The error of a call whose ctx has ended matches what ctx says and its cause, and speaks of the connection only if there is none.
func TestErrorsOfContextsThatHaveEnded(t *testing.T) {
	errMine := errors.New("mine")
	ends := map[string]struct {
		end  func(ctx context.Context) (context.Context, context.CancelFunc)
		want []error
	}{
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}, []error{context.Canceled}},
		"cancelled with a cause": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(errMine)
			return ctx, func() {}
		}, []error{context.Canceled, errMine}},
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Millisecond)
		}, []error{context.DeadlineExceeded}},
		"deadline with a cause": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, time.Millisecond, errMine)
		}, []error{context.DeadlineExceeded, errMine}},
		"past deadline with a cause": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithDeadlineCause(ctx, time.Now().Add(-time.Second), errMine)
		}, []error{context.DeadlineExceeded, errMine}},
	}
	calls := map[string]func(ctx context.Context, cli *framework.Client, session *framework.Session) error{
		"read": func(ctx context.Context, cli *framework.Client, _ *framework.Session) error {
			_, err := cli.Get(ctx, "/node")
			return err
		},
		"write of a session": func(ctx context.Context, _ *framework.Client, session *framework.Session) error {
			_, err := session.Set(ctx, "/node", nil, framework.AnyVersion)
			return err
		},
		"create": func(ctx context.Context, cli *framework.Client, _ *framework.Session) error {
			_, err := cli.Create(ctx, "/dir/n-", nil, framework.EphemeralSequential, framework.Protected, framework.Parents)
			return err
		},
		"guaranteed delete": func(ctx context.Context, cli *framework.Client, _ *framework.Session) error {
			return cli.Delete(ctx, "/node", framework.AnyVersion, framework.Guaranteed)
		},
	}
	for how, end := range ends {
		for what, call := range calls {
			for _, connection := range []bool{true, false} {
				name := how + ", " + what + map[bool]string{true: ", connected", false: ", not connected"}[connection]
				t.Run(name, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						s := startServer(t, zktest.Config{})
						mustCreate(t, s, "/node", "")
						cli := connected(t, s)
						session := sessionOf(t, cli)
						if connection {
							s.Delay(zktest.AllConns(), 10*time.Millisecond)
						} else {
							s.Refuse()
							s.Cut(zktest.AllConns())
							awaitState(t, cli, framework.Suspended)
						}
						ctx, cancel := end.end(t.Context())
						defer cancel()
						err := call(ctx, cli, session)
						for _, want := range end.want {
							require.ErrorIs(t, err, want)
						}
						assert.Equal(t, !connection, errors.Is(err, framework.ErrNotConnected), err)
						require.NoError(t, s.Accept())
					})
				})
			}
		}
	}
}
