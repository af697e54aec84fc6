package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/retry"
	"github.com/docent-zk/docent/zktest"
)

// never lets an operation be tried once.
var never = retry.Never()

// readerLimit is the longest reply that clients accept in these tests.
const readerLimit = 100_000

// A reader that keeps asking for what is longer than the client accepts.
func TestLongReplyInALoop(t *testing.T) {
	onStage(t, func(s *stage) {
		for path, size := range tooLong {
			_, err := s.server.Create(path, make([]byte, size), zktest.Persistent)
			require.NoError(s, err)
		}
		cli := readerClient(s.T, framework.Config{
			ConnectString: s.server.ConnectString(), SessionTimeout: timeout, Dialer: s.server.Client("reader").Dial,
		})
		longReplies(s.T, cli, func() int { return int(s.server.ClientCounts("reader").Accepted) })
	})
}

// The same on a real server.
func TestRealLongReplyInALoop(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	filler := realClient(t, space.ConnectString())
	for path, size := range tooLong {
		_, err := filler.Create(t.Context(), path, make([]byte, size))
		require.NoError(t, err)
	}
	proxy := realzk.NewProxy(t, space.Addr())
	longReplies(t, readerClient(t, framework.Config{ConnectString: proxy.Addr() + space.Root()}), proxy.Accepted)
}

// tooLong are the nodes that are read, and the size of their data.
var tooLong = map[string]int{"/small": 10, "/long": 3 * readerLimit, "/huge": 9 * readerLimit}

func readerClient(t *testing.T, cfg framework.Config) *framework.Client {
	t.Helper()
	cfg.MaxReplySize, cfg.RetryPolicy = readerLimit, never
	cli, err := framework.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(t.Context()))
	return cli
}

// longReplies reads "/long" and "/huge" beside readers of "/small" and beside a lock and a leadership. Both are refused, and cost
// nobody anything.
func longReplies(t *testing.T, cli *framework.Client, accepted func() int) {
	t.Helper()
	for path, times := range map[string]int{"/long": 25, "/huge": 10} {
		before := accepted()
		reads, failed, held := besideReaders(t, cli, func() { refused(t, cli, path, times) })
		breaks := accepted() - before
		t.Logf("%d reads of %d bytes: %d of %d reads of others failed, %d breaks, %d terms lost", times, tooLong[path], failed, reads, breaks, held-2)
		assert.Zero(t, failed)
		assert.Zero(t, breaks)
		assert.Equal(t, 2, held, "what is held stays held")
	}
}

// refused reads a node every ten milliseconds. Each time the error must say what was refused and why.
func refused(t *testing.T, cli *framework.Client, path string, times int) {
	t.Helper()
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	wrong := 0
	for range times {
		<-pace.C
		_, err := cli.Get(t.Context(), path)
		if errors.Is(err, framework.ErrReplyRefused) && strings.Contains(err.Error(), path) && strings.Contains(err.Error(), fmt.Sprint(readerLimit)) {
			continue
		}
		if wrong++; wrong == 1 {
			t.Logf("not an error that says what was refused: %v", err)
		}
	}
	assert.Zero(t, wrong, "errors that do not name the path and the limit")
}

// besideReaders runs f while four callers read "/small" every two milliseconds, and while a lock and a leadership are held. It returns
// how many reads there were, how many failed, and how many claims began.
func besideReaders(t *testing.T, cli *framework.Client, f func()) (reads, failed, held int) {
	t.Helper()
	d := dwell(t, cli)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			pace := time.NewTicker(2 * time.Millisecond)
			defer pace.Stop()
			for ; ctx.Err() == nil; <-pace.C {
				_, err := cli.Get(t.Context(), "/small")
				mu.Lock()
				reads++
				if err != nil {
					if failed++; failed == 1 {
						t.Logf("the first failure: %v", err)
						assert.NotErrorIs(t, err, framework.ErrReplyRefused, "that is somebody else's reply")
					}
				}
				mu.Unlock()
			}
		})
	}
	f()
	cancel()
	callers.Wait()
	for _, cause := range d.terms().ends() {
		t.Logf("a claim has ended: %v", cause)
	}
	d.stop()
	return reads, failed, len(d.terms())
}
