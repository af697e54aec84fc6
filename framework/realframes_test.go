package framework_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// closingOver is a proxy in front of a real server that closes the connection over some opcodes. It counts how often.
func closingOver(t *testing.T, space *realzk.Space, ops ...int32) (proxy *realzk.Proxy, closed *atomic.Int32) {
	t.Helper()
	proxy, closed = realzk.NewProxy(t, space.Addr()), new(atomic.Int32)
	proxy.OnFrame(func(f realzk.Frame) realzk.Verdict {
		for _, op := range ops {
			if f.Way == realzk.ToServer && f.Op == op {
				closed.Add(1)
				return realzk.CutLink
			}
		}
		return realzk.Pass
	})
	return proxy, closed
}

// The connection to a real server is closed over one kind of request, always: docent does without it, or the request fails and its error
// names it. Two connections are lost, and other callers get their answers.
func TestRealServerThatClosesOverOneKindOfRequest(t *testing.T) {
	t.Parallel()
	tests := map[int32]struct {
		need  func(ctx context.Context, s *framework.Session, path string) error
		fails string
	}{
		jute.OpCreateContainer: {func(ctx context.Context, s *framework.Session, path string) error {
			_, err := s.Create(ctx, path+"/a/b", nil, framework.Parents)
			return err
		}, ""},
		jute.OpCreate2: {func(ctx context.Context, s *framework.Session, path string) error {
			node, err := s.Create(ctx, path, nil, framework.Ephemeral)
			if err == nil && node.Stat.EphemeralOwner != s.ID() {
				err = fmt.Errorf("its Stat is %v", node.Stat)
			}
			return err
		}, ""},
		jute.OpCreateTTL: {func(ctx context.Context, s *framework.Session, path string) error {
			_, err := s.Create(ctx, path, nil, framework.PersistentTTL, framework.WithTTL(time.Hour))
			return err
		}, "createTTL"},
		jute.OpAddWatch: {func(ctx context.Context, s *framework.Session, _ string) error {
			_, err := s.WatchTree(ctx, "/")
			return err
		}, "addWatch"},
	}
	for op, test := range tests {
		t.Run(fmt.Sprint("opcode ", op), func(t *testing.T) {
			space := realzk.Shared(t)
			proxy, closed := closingOver(t, space, op)
			cli := realClient(t, proxy.Addr()+space.Root())
			ctx := within(t, patience)
			for round := range 3 {
				err := test.need(ctx, sessionOf(t, cli), fmt.Sprint("/node", round))
				if test.fails == "" {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, framework.ErrUnsupported)
					require.ErrorContains(t, err, test.fails)
				}
				_, err = cli.Get(ctx, "/")
				require.NoError(t, err)
			}
			assert.EqualValues(t, 2, closed.Load())
			assert.LessOrEqual(t, suspensions(cli), 3)
		})
	}
}

// A real server answers setWatches with an error, or the connection is closed over it, always. No watch is lost, whether its node changes
// while the client is away or afterwards.
func TestRealWatchesAlthoughSettingThemAgainIsRefused(t *testing.T) {
	t.Parallel()
	verdicts := map[string]realzk.Verdict{
		"unknown": realzk.AnswerWith(-6), "refused": realzk.AnswerWith(-5), "too busy": realzk.AnswerWith(-127), "closed": realzk.CutLink,
	}
	for name, verdict := range verdicts {
		for when, during := range map[string]bool{"while away": true, "afterwards": false} {
			t.Run(name+", changed "+when, func(t *testing.T) {
				space := realzk.Shared(t)
				proxy := realzk.NewProxy(t, space.Addr())
				var refused atomic.Int32
				proxy.OnFrame(func(f realzk.Frame) realzk.Verdict {
					if f.Op != jute.OpSetWatches && f.Op != jute.OpSetWatches2 || f.Way == realzk.ToServer && verdict != realzk.CutLink {
						return realzk.Pass
					}
					refused.Add(1)
					return verdict
				})
				ctx := within(t, patience)
				cli, others := realClient(t, proxy.Addr()+space.Root()), realClient(t, space.ConnectString())
				watches, tree := setEach(ctx, t, cli)
				links := proxy.Accepted()
				proxy.Refuse()
				proxy.Cut()
				if during {
					touchEach(ctx, t, others)
				}
				require.NoError(t, proxy.Heal())
				require.NoError(t, reconnected(ctx, cli, proxy, links))
				if !during {
					touchEach(ctx, t, others)
				}
				for what, w := range watches {
					select {
					case ev := <-w.C:
						assert.NoError(t, ev.Err)
					case <-ctx.Done():
						require.FailNow(t, "the watch has not fired", what)
					}
				}
				_, err := tree.Next(ctx)
				assert.NoError(t, err)
				assert.Positive(t, refused.Load())
				assert.LessOrEqual(t, refused.Load(), int32(4))
			})
		}
	}
}

// reconnected waits until there is a connection that began after there were so many.
func reconnected(ctx context.Context, cli *framework.Client, proxy *realzk.Proxy, links int) error {
	for ch := range cli.States(ctx) {
		if ch.State.Connected() && proxy.Accepted() > links {
			return nil
		}
	}
	return ctx.Err()
}

// setEach sets a watch of each kind.
func setEach(ctx context.Context, t *testing.T, cli *framework.Client) (map[string]*framework.Watch, *framework.TreeWatch) {
	t.Helper()
	for _, path := range []string{"/data", "/exists", "/children", "/tree"} {
		_, err := cli.Create(ctx, path, nil)
		require.NoError(t, err)
	}
	_, data, err := cli.WatchData(ctx, "/data")
	require.NoError(t, err)
	_, _, exists, err := cli.WatchExists(ctx, "/exists")
	require.NoError(t, err)
	_, _, absent, err := cli.WatchExists(ctx, "/absent")
	require.NoError(t, err)
	_, _, children, err := cli.WatchChildren(ctx, "/children")
	require.NoError(t, err)
	tree, err := sessionOf(t, cli).WatchTree(ctx, "/tree")
	require.NoError(t, err)
	t.Cleanup(tree.Stop)
	return map[string]*framework.Watch{"data": data, "exists": exists, "absent": absent, "children": children}, tree
}

// touchEach makes each of the changes that the watches of setEach are for.
func touchEach(ctx context.Context, t *testing.T, cli *framework.Client) {
	t.Helper()
	for _, path := range []string{"/data", "/exists"} {
		_, err := cli.Set(ctx, path, []byte("new"), framework.AnyVersion)
		require.NoError(t, err)
	}
	for _, path := range []string{"/absent", "/children/child", "/tree/child"} {
		_, err := cli.Create(ctx, path, nil)
		require.NoError(t, err)
	}
}

// The watches of a client take more bytes than the server accepts in one request. It closes the connection over setWatches. No watch is
// lost.
func TestRealSetWatchesThatIsTooLong(t *testing.T) {
	t.Parallel()
	const watched, callers = 600, 20
	srv := realzk.Standalone(t, realzk.Options{JuteMaxBuffer: 64 << 10})
	proxy := realzk.NewProxy(t, srv.Addr())
	ctx := within(t, patience)
	cli, others := realClient(t, proxy.Addr()), realClient(t, srv.Addr())
	path := func(i int) string { return fmt.Sprintf("/%s%d", strings.Repeat("x", 150), i) }
	watches := make([]*framework.Watch, watched)
	var setting sync.WaitGroup
	for caller := range callers {
		setting.Go(func() {
			for i := caller; i < watched; i += callers {
				_, _, w, err := cli.WatchExists(ctx, path(i))
				if assert.NoError(t, err) {
					watches[i] = w
				}
			}
		})
	}
	setting.Wait()
	require.False(t, t.Failed())
	links := proxy.Accepted()
	proxy.Cut()
	require.NoError(t, reconnected(ctx, cli, proxy, links+2))
	for _, i := range []int{0, watched / 2, watched - 1} {
		_, err := others.Create(ctx, path(i), nil)
		require.NoError(t, err)
		select {
		case ev := <-watches[i].C:
			assert.Equal(t, framework.EventCreated, ev.Type)
		case <-ctx.Done():
			require.FailNow(t, "the watch has not fired")
		}
	}
	assert.Equal(t, 3, suspensions(cli), "the cut, and two connections that the server has closed")
}

// suspensions counts the connections of a client that broke. Attempts that came to nothing do not count.
func suspensions(cli *framework.Client) (n int) {
	for _, ch := range cli.History() {
		if ch.State == framework.Suspended {
			n++
		}
	}
	return n
}
