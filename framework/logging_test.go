package framework_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
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
		t.Cleanup(func() { close(j.cleared) }) // ahead of the client's Close, which waits for the last line
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
