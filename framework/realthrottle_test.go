package framework_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/realzk"
)

// throttled is a server that answers what has waited for two milliseconds with an error, and others that keep it waiting.
func throttled(t *testing.T) *realzk.Server {
	t.Helper()
	srv := realzk.Standalone(t, realzk.Options{Properties: map[string]string{
		"zookeeper.throttled_op_wait_time":        "2",
		"zookeeper.request_throttle_max_requests": "1",
		"zookeeper.request_throttle_stall_time":   "20",
	}})
	ctx, cancel := context.WithCancel(context.Background())
	var busy sync.WaitGroup
	t.Cleanup(func() { cancel(); busy.Wait() })
	for i := range 12 {
		busy.Go(func() { write(ctx, srv.Addr(), fmt.Sprintf("/busy%d", i)) })
	}
	return srv
}

// write sets a node until ctx ends.
func write(ctx context.Context, addr, path string) {
	conn, events, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogInfo(false), zk.WithLogger(quiet{}))
	if err != nil {
		return
	}
	go func() {
		for range events {
		}
	}()
	defer conn.Close()
	_, _ = conn.Create(path, nil, 0, zk.WorldACL(zk.PermAll))
	for ctx.Err() == nil {
		_, _ = conn.Set(path, make([]byte, 100), -1)
	}
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

// A server that throttles answers setWatches with an error within a few reconnects. No watch is lost over it.
func TestRealWatchesOnAServerThatThrottles(t *testing.T) {
	t.Parallel()
	srv := throttled(t)
	proxy := realzk.NewProxy(t, srv.Addr())
	cli := realClient(t, proxy.Addr(), timeout(10*time.Second))
	others := realClient(t, srv.Addr(), timeout(10*time.Second))
	ctx := within(t, 2*time.Minute)
	_, err := cli.Create(ctx, "/node", nil)
	require.NoError(t, err)
	for try := 1; ; try++ {
		require.Less(t, try, 60, "no setWatches was refused: the test tests nothing")
		_, w, err := cli.WatchData(ctx, "/node")
		require.NoError(t, err)
		_, _, absent, err := cli.WatchExists(ctx, fmt.Sprintf("/absent%d", try))
		require.NoError(t, err)
		links := proxy.Accepted()
		proxy.Cut()
		require.NoError(t, reconnected(ctx, cli, proxy, links))
		_, err = others.Set(ctx, "/node", nil, framework.AnyVersion)
		require.NoError(t, err)
		_, err = others.Create(ctx, fmt.Sprintf("/absent%d", try), nil)
		require.NoError(t, err)
		for _, w := range []*framework.Watch{w, absent} {
			select {
			case ev := <-w.C:
				require.NoError(t, ev.Err)
			case <-time.After(20 * time.Second):
				require.FailNow(t, "the watch has not fired", "in 20 s, at try %d; the connection is %v", try, cli.State().State)
			}
		}
		if n := refusals(cli); n > 0 {
			t.Logf("refused at try %d", try)
			assert.Equal(t, 1, n)
			return
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

// refusals counts the connections that were broken because a server did not set watches again.
func refusals(cli *framework.Client) (n int) {
	for _, ch := range cli.History() {
		if ch.State == framework.Suspended && ch.Cause != nil && strings.Contains(ch.Cause.Error(), "setWatches") {
			n++
		}
	}
	return n
}
