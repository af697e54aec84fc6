package framework_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// refusedAtOnce asserts that a call has not waited.
func refusedAtOnce(t *testing.T, call func(ctx context.Context) error) {
	t.Helper()
	begin := time.Now()
	err := call(t.Context())
	require.ErrorIs(t, err, framework.ErrNotConnected)
	assert.ErrorContains(t, err, "FailFast")
	assert.NotErrorIs(t, err, framework.ErrOutcomeUnknown)
	assert.True(t, framework.SafeToRetry(err))
	assert.Zero(t, time.Since(begin))
}

// calls are one of each kind.
func calls(cli *framework.Client) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"get":    func(ctx context.Context) error { _, err := cli.Get(ctx, "/a"); return err },
		"set":    func(ctx context.Context) error { _, err := cli.Set(ctx, "/a", nil, -1); return err },
		"delete": func(ctx context.Context) error { return cli.Delete(ctx, "/a", -1) },
		"multi": func(ctx context.Context) error {
			_, err := cli.Multi(ctx, []framework.Op{framework.CheckOp("/a", -1)})
			return err
		},
		"sync": func(ctx context.Context) error { return cli.Sync(ctx, "/a") },
		"many": func(ctx context.Context) error {
			_, err := cli.MultiRead(ctx, []framework.ReadOp{framework.GetOp("/a")})
			return err
		},
		"walk":     func(ctx context.Context) error { return cli.Walk(ctx, "/a", nil) },
		"tree":     func(ctx context.Context) error { return cli.DeleteTree(ctx, "/a") },
		"children": func(ctx context.Context) error { _, _, err := cli.Children(ctx, "/a"); return err },
		"create": func(ctx context.Context) error {
			_, err := cli.Create(ctx, "/a/b", nil, framework.Parents, framework.Protected)
			return err
		},
	}
}

func TestFailFastCallsDoNotWaitForAConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		s.Refuse(0)
		patient := newClient(t, s)
		below, err := patient.FailFast().Namespace("/space")
		require.NoError(t, err)
		asked := newClient(t, s, func(c *framework.Config) { c.FailFast = true })
		check := func() {
			t.Helper()
			for _, cli := range []*framework.Client{patient.FailFast(), below, asked} {
				for _, call := range calls(cli) {
					refusedAtOnce(t, call)
				}
			}
		}
		check()
		_, err = patient.Get(within(t, time.Second), "/a")
		require.ErrorIs(t, err, context.DeadlineExceeded, "the client itself waits")

		s.Accept(0)
		require.NoError(t, asked.WaitConnected(within(t, time.Minute)))
		require.NoError(t, patient.WaitConnected(within(t, time.Minute)))
		_, _, err = patient.FailFast().Exists(t.Context(), "/a")
		require.NoError(t, err)
		s.Refuse(0)
		s.Cut(zktest.AllConns())
		time.Sleep(time.Second)
		check()
	})
}

// A session that a fail-fast client gives out waits like any other, and so does what runs in it.
func TestFailFastDoesNotReachSessions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.FailFast = true })
		session := sessionOf(t, cli)
		s.Refuse(0)
		s.Cut(zktest.AllConns())
		time.Sleep(time.Second)
		refusedAtOnce(t, func(ctx context.Context) error { return session.FailFast().Sync(ctx, "/") })
		time.AfterFunc(time.Second, func() { s.Accept(0) })
		require.NoError(t, session.Sync(t.Context(), "/"))
		require.True(t, s.ExpireSession(session.ID()))
		time.Sleep(sessionTimeout)
		require.ErrorIs(t, session.FailFast().Sync(t.Context(), "/"), framework.ErrSessionLost)
		require.NoError(t, cli.Close())
		require.ErrorIs(t, cli.Sync(t.Context(), "/"), framework.ErrClosed)
	})
}

// A call that is under way when the connection breaks ends with it. A write says that its outcome is unknown.
func TestFailFastCallsEndWithTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/a", "")
		cli := connected(t, s).FailFast()
		heal := s.Blackhole(zktest.AllConns(), zktest.ToClient)
		errs := make(chan error, 2)
		go func() { _, err := cli.Get(context.Background(), "/a"); errs <- err }()
		go func() { _, err := cli.Set(context.Background(), "/a", nil, -1); errs <- err }()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Empty(t, errs, "a connection that is silent for a moment is a connection")
		s.Refuse(0)
		heal()
		s.Cut(zktest.AllConns())
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		require.Len(t, errs, 2)
		unknown := 0
		for range 2 {
			err := <-errs
			require.ErrorIs(t, err, framework.ErrNotConnected)
			if framework.SafeToRetry(err) {
				continue
			}
			require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
			unknown++
		}
		assert.Equal(t, 1, unknown, "that of the write")
	})
}

// A planned move is no lost connection: operations wait for its end.
func TestFailFastCallsWaitForTheEndOfAPlannedMove(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		mustCreate(t, s, "/a", "")
		cli := connected(t, s).FailFast()
		states := record(t, cli)
		t.Cleanup(s.Delay(zktest.AllConns(), 20*time.Millisecond))
		moved := make(chan error, 1)
		var callers sync.WaitGroup
		for i := range 300 {
			time.AfterFunc(time.Duration(i)*time.Millisecond, func() {
				callers.Go(func() {
					_, err := cli.Get(context.Background(), "/a")
					assert.NoError(t, err)
				})
			})
		}
		time.AfterFunc(100*time.Millisecond, func() { moved <- cli.Reconnect(context.Background()) })
		time.Sleep(time.Second)
		callers.Wait()
		require.NoError(t, <-moved)
		assert.Equal(t, 1, states.count(framework.Reconnected))
		assert.Zero(t, states.count(framework.Suspended))
	})
}

func TestFailFastOnARealServer(t *testing.T) {
	t.Parallel()
	s := realzk.Standalone(t, realzk.Options{})
	cli := realClient(t, s.Addr())
	_, err := cli.Create(within(t, time.Minute), "/a", nil)
	require.NoError(t, err)
	_, err = cli.FailFast().Get(within(t, time.Minute), "/a")
	require.NoError(t, err)
	ctx := within(t, time.Minute)
	states := cli.States(ctx)
	require.NoError(t, s.Kill())
	for ch := range states {
		if !ch.State.Connected() {
			break
		}
	}
	_, err = cli.FailFast().Get(ctx, "/a")
	require.ErrorIs(t, err, framework.ErrNotConnected)
	assert.ErrorContains(t, err, "FailFast")
}
