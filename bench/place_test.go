package bench

import (
	"context"
	"errors"
	"io"
	"log"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/retry"
	"github.com/docent-zk/docent/zktest"
)

// sessionTimeout is long enough that nothing ends by itself.
const sessionTimeout = 20 * time.Second

// place is where a contest is held: a server and a path on it.
type place struct {
	addr   string
	root   string // exists; empty for the root of the tree
	expire func(ctx context.Context, session int64) error
}

// onEach runs a benchmark on zktest and on real ZooKeeper.
func onEach(b *testing.B, run func(b *testing.B, p place)) {
	b.Run("server=zktest", func(b *testing.B) { run(b, onZktest(b)) })
	b.Run("server=real", func(b *testing.B) { run(b, onReal(b)) })
}

func onZktest(tb testing.TB) place {
	tb.Helper()
	s, err := zktest.Start(zktest.Config{})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	expire := func(_ context.Context, session int64) error {
		if !s.ExpireSession(session) {
			return errors.New("the server has no such session")
		}
		return nil
	}
	return place{addr: s.ConnectString(), expire: expire}
}

func onReal(tb testing.TB) place {
	tb.Helper()
	space := realzk.Shared(tb)
	return place{addr: space.Addr(), root: space.Root(), expire: space.ExpireSession}
}

// docent connects a docent client whose paths begin at the place's root.
func (p place) docent(tb testing.TB) *framework.Client {
	tb.Helper()
	cli, err := framework.New(framework.Config{
		ConnectString:  p.addr + p.root,
		SessionTimeout: sessionTimeout,
		// Sessions that are ended again and again would be spaced out otherwise.
		ReconnectPolicy: retry.Forever(20 * time.Millisecond),
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, cli.Close()) })
	require.NoError(tb, cli.WaitConnected(within(tb)))
	return cli
}

// bare connects go-zookeeper. It knows no chroot: paths need the root in front.
func (p place) bare(tb testing.TB) *zk.Conn {
	tb.Helper()
	connected := make(chan struct{}, 1)
	conn, _, err := zk.Connect([]string{p.addr}, sessionTimeout,
		zk.WithLogger(log.New(io.Discard, "", 0)),
		zk.WithEventCallback(func(ev zk.Event) {
			if ev.State == zk.StateHasSession {
				select {
				case connected <- struct{}{}:
				default:
				}
			}
		}))
	require.NoError(tb, err)
	tb.Cleanup(conn.Close)
	select {
	case <-connected:
	case <-within(tb).Done():
		require.FailNow(tb, "no session")
	}
	return conn
}

// within is a context for what must happen, and longer than it can take.
func within(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	tb.Cleanup(cancel)
	return ctx
}
