package framework_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// remove is a guaranteed delete by a caller that does not wait.
func remove(t *testing.T, ops interface {
	Delete(ctx context.Context, path string, version int32, opts ...framework.WriteOption) error
}, path string) {
	t.Helper()
	now, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, ops.Delete(now, path, framework.AnyVersion, framework.Guaranteed), context.Canceled)
}

// A guaranteed delete goes on through whatever is in its way.
func TestGuaranteedDelete(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, s *zktest.Server, cli *framework.Client) // what is in its way
		after  time.Duration                                               // when the node is gone
	}{
		"nothing":        {func(*testing.T, *zktest.Server, *framework.Client) {}, 0},
		"an outage":      {outage(3 * time.Second), 3 * time.Second},
		"a lost session": {outage(20 * time.Second), 20 * time.Second},
		"a lost request": {func(t *testing.T, s *zktest.Server, _ *framework.Client) {
			onceOn(t, s, zktest.Request, zktest.OpDelete, zktest.Cut, nothing)
		}, time.Second},
		"a lost answer": {func(t *testing.T, s *zktest.Server, _ *framework.Client) {
			onceOn(t, s, zktest.Reply, zktest.OpDelete, zktest.Cut, nothing)
		}, time.Second},
		"a concurrent set": {func(t *testing.T, s *zktest.Server, _ *framework.Client) {
			onceOn(t, s, zktest.Request, zktest.OpDelete, zktest.Pass, func() { _ = s.Set("/app/ns/node", nil) })
		}, time.Second},
		"an expired session": {func(t *testing.T, s *zktest.Server, cli *framework.Client) {
			s.ExpireSession(cli.State().SessionID)
			awaitState(t, cli, framework.Suspended)
		}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/app/ns/node", "")
				cli := connected(t, s, func(c *framework.Config) { c.ConnectString += "/app" })
				ns, err := cli.Namespace("ns")
				require.NoError(t, err)
				_, err = ns.Get(t.Context(), "/node")
				require.NoError(t, err)
				c.change(t, s, cli)
				remove(t, ns, "/node")
				time.Sleep(c.after + 2*time.Second)
				assert.False(t, s.Exists("/app/ns/node"))
			})
		})
	}
}

func outage(d time.Duration) func(t *testing.T, s *zktest.Server, cli *framework.Client) {
	return func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		s.Stop()
		time.AfterFunc(d, func() { assert.NoError(t, s.StartEndpoint()) })
		awaitState(t, cli, framework.Suspended)
	}
}

// It never removes what somebody else has created under the same name since.
func TestGuaranteedDeleteSparesOthers(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, s *zktest.Server, other int64){
		"persistent": func(t *testing.T, s *zktest.Server, _ int64) {
			require.NoError(t, s.Delete("/node"))
			mustCreate(t, s, "/node", "theirs")
		},
		"another session's": func(t *testing.T, s *zktest.Server, other int64) {
			require.NoError(t, s.Delete("/node"))
			_, err := s.CreateFor(other, "/node", []byte("theirs"), zktest.Ephemeral)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli, other := connected(t, s), connected(t, s)
				_, err := cli.Create(t.Context(), "/node", nil, framework.Ephemeral)
				require.NoError(t, err)
				heal := s.Blackhole(zktest.SessionConns(cli.State().SessionID), zktest.Both)
				remove(t, cli, "/node")
				meanwhile(t, s, other.State().SessionID)
				heal()
				time.Sleep(10 * time.Second)
				data, _, err := s.Get("/node")
				require.NoError(t, err)
				assert.Equal(t, "theirs", string(data))
			})
		})
	}
}

// An ephemeral node of another session is spared also when it was there before, unless the delete can be sent at once.
func TestGuaranteedDeleteSparesAnOlderNodeOfAnotherSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli, other := connected(t, s), connected(t, s)
		_, err := other.Create(t.Context(), "/node", nil, framework.Ephemeral)
		require.NoError(t, err)
		require.NoError(t, cli.Sync(t.Context(), "/"))
		remove(t, cli, "/node")
		time.Sleep(10 * time.Second)
		assert.True(t, s.Exists("/node"))
		require.NoError(t, cli.Delete(t.Context(), "/node", 0, framework.Guaranteed))
		assert.False(t, s.Exists("/node"))
	})
}

// The leftover of a session that this client has lost is removed before the servers find out that it is dead.
func TestGuaranteedDeleteOfALostSessionsNode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{TickTime: 20 * time.Second, MinSessionTimeout: time.Second})
		cli := connected(t, s)
		session := sessionOf(t, cli)
		_, err := session.Create(t.Context(), "/node", nil, framework.Ephemeral)
		require.NoError(t, err)
		s.Refuse()
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Suspended)
		remove(t, session, "/node")
		awaitState(t, cli, framework.Lost)
		require.NoError(t, s.Accept())
		awaitState(t, cli, framework.Connected)
		time.Sleep(2 * time.Second)
		assert.False(t, s.Exists("/node"))
		assert.Len(t, s.Sessions(), 2, "the dead one is still kept")
	})
}

func TestGuaranteedDeleteKeepsToTheVersion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		cli := connected(t, s)
		_, err := cli.Get(t.Context(), "/node")
		require.NoError(t, err)
		now, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, cli.Delete(now, "/node", 7, framework.Guaranteed))
		time.Sleep(time.Second)
		assert.True(t, s.Exists("/node"))
		require.Error(t, cli.Delete(now, "/node", 0, framework.Guaranteed))
		time.Sleep(time.Second)
		assert.False(t, s.Exists("/node"))
	})
}

// A refusal is an answer: nothing goes on in the background.
func TestGuaranteedDeleteThatIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node/child", "")
		log := &logBook{}
		cli := connected(t, s, func(c *framework.Config) { c.Logger = slog.New(log) })
		ctx := t.Context()
		require.ErrorIs(t, cli.Delete(ctx, "/node", framework.AnyVersion, framework.Guaranteed), framework.ErrNotEmpty)
		require.ErrorIs(t, cli.Delete(ctx, "/none", framework.AnyVersion, framework.Guaranteed), framework.ErrNoNode)
		require.ErrorIs(t, cli.Delete(ctx, "/node", 5, framework.Guaranteed), framework.ErrBadVersion)
		before := s.Counts()
		time.Sleep(time.Second)
		assert.Zero(t, s.Counts().Sub(before).RoundTrips())

		remove(t, cli, "/node")
		time.Sleep(time.Second)
		assert.Contains(t, log.String(), "clean-up failed", "in the background it is all that is left to say")
		assert.Contains(t, log.String(), "/node")
	})
}

// Called before the client has ever reached a server, it takes what it finds then.
func TestGuaranteedDeleteBeforeTheFirstConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		s.Stop()
		cli := newClient(t, s)
		remove(t, cli, "/node")
		time.Sleep(10 * time.Second)
		require.NoError(t, s.StartEndpoint())
		require.NoError(t, cli.WaitConnected(t.Context()))
		time.Sleep(time.Second)
		assert.False(t, s.Exists("/node"))
	})
}

// Close does not wait for what cannot be done, and says what was left.
func TestCloseGivesUpCleanUps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		log := &logBook{}
		cli := connected(t, s, func(c *framework.Config) { c.Logger = slog.New(log) })
		s.Stop()
		awaitState(t, cli, framework.Suspended)
		for range 3 {
			remove(t, cli, "/node")
		}
		synctest.Wait()
		start := time.Now()
		require.NoError(t, cli.Close())
		assert.LessOrEqual(t, time.Since(start), time.Second)
		assert.Equal(t, 3, strings.Count(log.String(), "clean-up given up because the client is closed"), log.String())
		remove2 := cli.Delete(t.Context(), "/node", 0, framework.Guaranteed)
		require.ErrorIs(t, remove2, framework.ErrClosed)
	})
}

// logBook is a slog.Handler that keeps what it gets.
type logBook struct {
	mu    sync.Mutex
	lines strings.Builder
}

func (b *logBook) Enabled(context.Context, slog.Level) bool { return true }
func (b *logBook) WithAttrs([]slog.Attr) slog.Handler       { return b }
func (b *logBook) WithGroup(string) slog.Handler            { return b }

func (b *logBook) Handle(_ context.Context, r slog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines.WriteString(r.Level.String() + " " + r.Message)
	r.Attrs(func(a slog.Attr) bool {
		b.lines.WriteString(" " + a.String())
		return true
	})
	b.lines.WriteByte('\n')
	return nil
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.String()
}

// Servers that have lost their data count changes from 1 again: what is there now, however small its numbers, was created by
// somebody who came after.
func TestGuaranteedDeleteSparesWhatCameAfterALossOfData(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		for i := range 20 {
			mustCreate(t, s, fmt.Sprintf("/node-%d", i), "")
		}
		cli := connected(t, s)
		require.NoError(t, cli.Sync(t.Context(), "/"))
		s.Refuse()
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Suspended)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, cli.Delete(ctx, "/node-1", framework.AnyVersion, framework.Guaranteed))
		require.NoError(t, s.Restart(zktest.WipeState))
		mustCreate(t, s, "/node-1", "of somebody else")
		require.NoError(t, s.Accept())
		awaitState(t, cli, framework.Lost)
		awaitState(t, cli, framework.Connected)
		time.Sleep(time.Minute)
		assert.True(t, s.Exists("/node-1"))
	})
}

// A delete is lost, and its caller leaves while the client looks at what became of it. The answer to the look is not one to the delete.
func TestGuaranteedDeleteThatIsLeftDuringTheLook(t *testing.T) {
	for _, op := range []zktest.Op{zktest.OpSync, zktest.OpExists} {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			cli := connected(t, s)
			session := sessionOf(t, cli)
			_, err := session.Create(t.Context(), "/node", nil, framework.Ephemeral)
			require.NoError(t, err)
			onceOn(t, s, zktest.Request, zktest.OpDelete, zktest.Cut, nothing)
			onceOn(t, s, zktest.Reply, op, zktest.DelayBy(time.Second), nothing)
			err = session.Delete(within(t, 900*time.Millisecond), "/node", framework.AnyVersion, framework.Guaranteed)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			time.Sleep(sessionTimeout)
			assert.False(t, s.Exists("/node"), "%v was answered, and the delete was not sent again", op)
		})
	}
}
