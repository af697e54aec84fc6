package framework_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

// chunk is the length of a path with which a read has 64 KiB, which is what is written with one deadline.
const chunk = 64<<10 - 16

// longPath is a path of n bytes.
func longPath(n int) string { return "/" + strings.Repeat("p", n-1) }

// pathOperations are all that a session does with a path.
var pathOperations = map[string]func(ctx context.Context, s *framework.Session, path string) error{
	"get": func(ctx context.Context, s *framework.Session, p string) error { _, err := s.Get(ctx, p); return err },
	"exists": func(ctx context.Context, s *framework.Session, p string) error {
		_, _, err := s.Exists(ctx, p)
		return err
	},
	"children": func(ctx context.Context, s *framework.Session, p string) error {
		_, _, err := s.Children(ctx, p)
		return err
	},
	"sync": func(ctx context.Context, s *framework.Session, p string) error { return s.Sync(ctx, p) },
	"getACL": func(ctx context.Context, s *framework.Session, p string) error {
		_, _, err := s.ACL(ctx, p)
		return err
	},
	"setACL": func(ctx context.Context, s *framework.Session, p string) error {
		_, err := s.SetACL(ctx, p, framework.OpenACL(), framework.AnyVersion)
		return err
	},
	"create": func(ctx context.Context, s *framework.Session, p string) error {
		_, err := s.Create(ctx, p, nil, framework.Ephemeral)
		return err
	},
	"create in queue": func(ctx context.Context, s *framework.Session, p string) error {
		_, _, err := recipekit.CreateInQueue(ctx, s, "/", p[1:], nil, framework.Ephemeral)
		return err
	},
	"create twins": func(ctx context.Context, s *framework.Session, p string) error {
		_, _, err := recipekit.CreateTwinsInQueue(ctx, s, "/", []string{p[1:]}, nil, framework.Ephemeral)
		return err
	},
	"set": func(ctx context.Context, s *framework.Session, p string) error {
		_, err := s.Set(ctx, p, nil, framework.AnyVersion)
		return err
	},
	"delete": func(ctx context.Context, s *framework.Session, p string) error {
		return s.Delete(ctx, p, framework.AnyVersion, framework.Guaranteed)
	},
	"delete twins": func(ctx context.Context, s *framework.Session, p string) error {
		return recipekit.DeleteTwins(ctx, s, []string{p})
	},
	"multi": func(ctx context.Context, s *framework.Session, p string) error {
		_, err := s.Multi(ctx, []framework.Op{framework.CheckOp(p, framework.AnyVersion)})
		return err
	},
	"watch data": func(ctx context.Context, s *framework.Session, p string) error {
		_, _, err := s.WatchData(ctx, p)
		return err
	},
	"watch exists": func(ctx context.Context, s *framework.Session, p string) error {
		_, _, _, err := s.WatchExists(ctx, p)
		return err
	},
	"watch children": func(ctx context.Context, s *framework.Session, p string) error {
		_, _, _, err := s.WatchChildren(ctx, p)
		return err
	},
	"watch tree": func(ctx context.Context, s *framework.Session, p string) error {
		w, err := s.WatchTree(ctx, p)
		if err == nil {
			_, err = s.ChangedSince(ctx, 1, []string{p}, []string{p}) // looks at the node itself
			w.Stop()
		}
		return err
	},
	"changed since": func(ctx context.Context, s *framework.Session, p string) error {
		_, err := s.ChangedSince(ctx, 1, []string{p, "/a"}, []string{"/b", p})
		return err
	},
}

// Paths around the size of one write, of a request for changes, and of the largest request: each operation is
// answered, or refused with a reason, and neither the process nor the connection suffers.
func TestLongPathsBreakNothing(t *testing.T) {
	for name, do := range pathOperations {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				ctx := within(t, time.Hour)
				try := func(size int) {
					cli := connected(t, s)
					session := sessionOf(t, cli)
					err := do(ctx, session, longPath(size))
					if size > framework.DefaultMaxRequestSize {
						require.ErrorIs(t, err, framework.ErrTooLarge, size)
					} else if err != nil && size < framework.DefaultMaxRequestSize/8 {
						require.ErrorIs(t, err, framework.ErrNoNode, size)
					}
					require.NoError(t, session.Err())
					require.Equal(t, framework.Connected, cli.State().State, "the connection has broken")
				}
				for _, size := range []int{chunk - 1, chunk, chunk + 1, 128<<10 - 4, 128<<10 - 3, 200 << 10, 1 << 20} {
					try(size)
				}
			})
		})
	}
}

// The session is lost together with the reply to a request with a long path. The look at what became of it, in the next session, names
// the same path.
func TestLongPathsAreLookedForInANewSession(t *testing.T) {
	for op, do := range map[zktest.Op]func(ctx context.Context, cli *framework.Client, path string) error{
		zktest.OpSetData: func(ctx context.Context, cli *framework.Client, p string) error {
			_, err := cli.Set(ctx, p, nil, framework.AnyVersion)
			return err
		},
		zktest.OpSetACL: func(ctx context.Context, cli *framework.Client, p string) error {
			_, err := cli.SetACL(ctx, p, framework.OpenACL(), framework.AnyVersion)
			return err
		},
		zktest.OpDelete: func(ctx context.Context, cli *framework.Client, p string) error {
			return cli.Delete(ctx, p, framework.AnyVersion, framework.Guaranteed)
		},
	} {
		t.Run(fmt.Sprint(op), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s)
				for _, size := range []int{chunk - 1, chunk} {
					mustCreate(t, s, longPath(size), "")
					lost := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
						if f.Stage != zktest.Request || f.Op != op {
							return zktest.Pass
						}
						go s.ExpireSession(cli.State().SessionID)
						return zktest.Drop
					})
					err := do(within(t, time.Minute), cli, longPath(size))
					require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
					lost()
				}
				time.Sleep(time.Minute)
				assert.Equal(t, framework.Connected, cli.State().State)
			})
		})
	}
}
