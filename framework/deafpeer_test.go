package framework_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// unanswered calls with requests of every size until the window of the connection is closed, and beyond that. Every call must return
// when its ctx ends. It returns how late the latest was.
func unanswered(t *testing.T, cli *framework.Client, patience time.Duration) (latest time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var callers sync.WaitGroup
	call := func(do func(ctx context.Context) error) {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			begin := time.Now()
			err := do(ctx)
			late := time.Since(begin) - patience
			mu.Lock()
			defer mu.Unlock()
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			latest = max(latest, late)
		})
	}
	for i := range 40 {
		call(func(ctx context.Context) error {
			_, err := cli.Set(ctx, "/node", make([]byte, i*25_000), framework.AnyVersion)
			return err
		})
		call(func(ctx context.Context) error {
			_, err := cli.Get(ctx, "/node")
			return err
		})
	}
	callers.Wait()
	return latest
}

// The server takes no bytes, so that writes to the connection wait: nobody waits for longer than its ctx.
func TestCallersOfAPeerThatTakesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		cli := connected(t, s)
		heal := s.StopReading(zktest.ClientConns("test"))
		latest := unanswered(t, cli, sessionTimeout/8)
		t.Logf("80 callers; the latest returned %v after its ctx", latest)
		assert.Less(t, latest, 10*time.Millisecond)
		heal()
		_, err := cli.Get(t.Context(), "/node")
		require.NoError(t, err)
	})
}

// The same over TCP, whose buffers take several megabytes before a write waits.
func TestCallersOfAPeerThatTakesNothingOverTCP(t *testing.T) {
	t.Parallel()
	s, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	mustCreate(t, s, "/node", "")
	const long = 10 * time.Second
	cli := realClient(t, s.ConnectString(), timeout(long))
	heal := s.StopReading(zktest.AllConns())
	latest := unanswered(t, cli, 500*time.Millisecond)
	t.Logf("80 callers; the latest returned %v after its ctx", latest)
	assert.Less(t, latest, long/3, "nobody waits for the end of the write, at 2/3 of the session timeout")
	heal()
	_, err = cli.Get(within(t, 20*time.Second), "/node")
	require.NoError(t, err)
}

// A large request of somebody else delays others by what its own bytes take on the line.
func TestLargeRequestDelaysOthersByItsOwnBytes(t *testing.T) {
	const size, rate = 1_000_000, 1_000_000
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		mustCreate(t, s, "/small", "")
		cli := connected(t, s)
		defer s.Throttle(zktest.ClientConns("test"), rate)()
		before := s.Counts().Accepted
		var callers sync.WaitGroup
		callers.Go(func() {
			_, err := cli.Set(t.Context(), "/node", make([]byte, size), framework.AnyVersion)
			assert.NoError(t, err)
		})
		var mu sync.Mutex
		var longest time.Duration
		pace := time.NewTicker(50 * time.Millisecond)
		defer pace.Stop()
		for range 30 { // the first of them are behind the large one
			<-pace.C
			callers.Go(func() {
				begin := time.Now()
				_, err := cli.Get(t.Context(), "/small")
				took := time.Since(begin)
				mu.Lock()
				defer mu.Unlock()
				assert.NoError(t, err)
				longest = max(longest, took)
			})
		}
		callers.Wait()
		t.Logf("the longest of 30 reads took %v beside %d bytes at %d bytes/s; %d breaks", longest, size, rate, s.Counts().Accepted-before)
		assert.Less(t, longest, 1050*time.Millisecond)
		assert.Equal(t, before, s.Counts().Accepted, "the connection has not broken")
	})
}
