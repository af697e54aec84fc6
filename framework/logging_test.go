package framework_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// jam is a log handler that stands still at the first line since it was armed, until it is cleared.
type jam struct {
	level   slog.Level
	armed   *atomic.Bool
	cleared chan struct{}
}

func (j jam) Enabled(_ context.Context, level slog.Level) bool { return level >= j.level }
func (j jam) WithAttrs([]slog.Attr) slog.Handler               { return j }
func (j jam) WithGroup(string) slog.Handler                    { return j }

func (j jam) Handle(context.Context, slog.Record) error {
	if j.armed.Load() {
		<-j.cleared
	}
	return nil
}

// A log that takes no more lines (a full pipe, a terminal that was stopped) holds up no clock: trust ends, and the session is
// given up, when they would have without it.
func TestLogThatBlocksHoldsUpNoClock(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelWarn} {
		t.Run(level.String(), func(t *testing.T) { logThatBlocks(t, level) })
	}
}

func logThatBlocks(t *testing.T, level slog.Level) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		j := jam{level: level, armed: new(atomic.Bool), cleared: make(chan struct{})}
		cli := connected(t, s, func(c *framework.Config) { c.Logger = slog.New(j) })
		t.Cleanup(func() { close(j.cleared) }) // ahead of the client's Close, which waits for the log
		hold := framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop}
		session := sessionOf(t, cli)
		claim, cancel := session.ClaimContext(t.Context(), hold)
		defer cancel(nil)
		work, cancel := session.Context(t.Context(), hold)
		defer cancel(nil)

		j.armed.Store(true)
		defer s.Blackhole(zktest.AllConns(), zktest.Both)()
		trusted := time.Until(session.TrustedUntil())
		start := time.Now()
		<-claim.Done()
		require.ErrorIs(t, context.Cause(claim), framework.ErrUntrusted)
		assert.LessOrEqual(t, time.Since(start), trusted)
		<-work.Done()
		require.ErrorIs(t, context.Cause(work), framework.ErrSessionLost)
		assert.LessOrEqual(t, time.Since(start), trusted+sessionTimeout/4)
	})
}

// blocked returns a logger whose handler blocks at every line of that level or above, until the test ends.
func blocked(t *testing.T, level slog.Level) *slog.Logger {
	j := jam{level: level, armed: new(atomic.Bool), cleared: make(chan struct{})}
	j.armed.Store(true)
	t.Cleanup(func() { close(j.cleared) })
	return slog.New(j)
}

// A handler that blocks from the first line on, at any level, keeps a client neither from connecting nor from coming back, over
// broken links, refused dials, lost sessions and identities that a server refuses. Close returns.
func TestLogThatBlocksHoldsUpNothing(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		t.Run(level.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				log := blocked(t, level)
				cli := connected(t, s, func(c *framework.Config) { c.Logger = log })
				for range 3 {
					s.Cut(zktest.AllConns())
					awaitState(t, cli, framework.Reconnected)
					s.Stop()
					time.Sleep(sessionTimeout / 2)
					require.NoError(t, s.StartEndpoint())
					require.NoError(t, cli.WaitConnected(within(t, sessionTimeout/2)))
					require.True(t, s.ExpireSession(cli.State().SessionID))
					awaitState(t, cli, framework.Lost)
					_, err := cli.Create(within(t, sessionTimeout), "/dir/n-", nil, framework.EphemeralSequential, framework.Parents)
					require.NoError(t, err)
				}
				begun := time.Now()
				require.NoError(t, cli.Close())
				assert.LessOrEqual(t, time.Since(begun), 2*time.Second+10*time.Millisecond, "a second for the lost session, one for the log")
				assert.Empty(t, s.Sessions())
			})
		})
	}
}

// collector is a log handler that keeps what it is given, but blocks while it is armed.
type collector struct {
	jam
	mu    sync.Mutex
	lines []string
}

func (c *collector) Handle(ctx context.Context, r slog.Record) error {
	_ = c.jam.Handle(ctx, r)
	var line strings.Builder
	line.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool { line.WriteString(" " + a.String()); return true })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line.String())
	return nil
}

// all is what has come, when everybody in the bubble waits.
func (c *collector) all() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

// Lines wait in order for a handler that blocks, up to a limit. Further lines are dropped, and one line in their place says how
// many. Lines at debug level do not take the room of others.
func TestLinesWaitForAHandlerThatBlocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := &collector{jam: jam{level: slog.LevelDebug, armed: new(atomic.Bool), cleared: make(chan struct{})}}
		cli := connected(t, startServer(t, zktest.Config{}), func(cfg *framework.Config) { cfg.Logger = slog.New(c) })
		before := len(c.all())
		c.armed.Store(true)
		log := cli.Logger()
		log.Info("first")
		synctest.Wait() // it has been taken
		for i := range 600 {
			log.Debug("debug", "n", i)
		}
		for i := range 1000 {
			log.Info("info", "n", i)
		}
		begun := time.Now()
		close(c.cleared)
		lines := c.all()[before:]
		assert.Zero(t, time.Since(begun))
		want := []string{"first"}
		for i := range 512 {
			want = append(want, fmt.Sprintf("debug n=%d", i))
		}
		want = append(want, "log lines were dropped: the log handler did not keep up lines=88")
		for i := range 511 {
			want = append(want, fmt.Sprintf("info n=%d", i))
		}
		want = append(want, "log lines were dropped: the log handler did not keep up lines=489")
		assert.Equal(t, want, lines)
		log.Info("last")
		assert.Equal(t, "last", c.all()[before+len(want)])
	})
}

// A handler that panics loses the line, and nothing else.
func TestLogThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.Logger = slog.New(panicking{}) })
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Reconnected)
		require.NoError(t, cli.Sync(t.Context(), "/"))
	})
}

type panicking struct{ jam } //nolint:unused // for its other methods

func (panicking) Enabled(context.Context, slog.Level) bool  { return true }
func (panicking) Handle(context.Context, slog.Record) error { panic("full") }
func (p panicking) WithAttrs([]slog.Attr) slog.Handler      { return p }
func (p panicking) WithGroup(string) slog.Handler           { return p }
