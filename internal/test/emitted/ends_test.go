package emitted

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// leisurely is an exporter that takes its time over the ends of claims, and no other spans.
type leisurely struct {
	trace.SpanProcessor
	takes time.Duration
}

func (l leisurely) OnEnd(s trace.ReadOnlySpan) {
	if s.Name() == "lock.hold" || s.Name() == "leader.term" {
		time.Sleep(l.takes) // in the bubble
	}
	l.SpanProcessor.OnEnd(s)
}

// Each gives up a claim, and returns.
var givesUp = map[string]func(t *testing.T, s *zktest.Server, cli *framework.Client){
	"Unlock": func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		require.NoError(t, locked(t, cli).Unlock(t.Context()))
	},
	"Unlock with a ctx that has ended": func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		held := locked(t, cli)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = held.Unlock(ctx)
	},
	"Unlock at the moment of a loss": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		held := locked(t, cli)
		s.Cut(zktest.AllConns())
		<-held.Context().Done()
		_ = held.Unlock(t.Context())
	},
	"Unlock that hands over": func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		m := lock.New(cli, "/l", lock.LocalHandover(1))
		first, err := m.Lock(t.Context())
		require.NoError(t, err)
		go func() { _, _ = m.Lock(t.Context()) }()
		synctest.Wait()
		require.NoError(t, first.Unlock(t.Context()))
	},
	"Unlock of permits": func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		b, err := lock.NewSemaphore(cli, "/s", 3).Acquire(t.Context(), 2)
		require.NoError(t, err)
		require.NoError(t, b.Unlock(t.Context()))
	},
	"Do": func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		require.NoError(t, lock.Do(t.Context(), lock.New(cli, "/l"), func(context.Context, *lock.Held) error { return nil }))
	},
	"Run": func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		require.NoError(t, leader.Run(t.Context(), cli, "/e", func(context.Context, *leader.Term) error { return nil }))
	},
	"Resign": func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		term, err := leader.New(cli, "/e").Campaign(t.Context())
		require.NoError(t, err)
		require.NoError(t, term.Resign(t.Context()))
	},
	"ResignTo": func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		term, err := leader.New(cli, "/e", leader.WithID("a")).Campaign(t.Context())
		require.NoError(t, err)
		go func() { _, _ = leader.New(cli, "/e", leader.WithID("b")).Campaign(t.Context()) }()
		synctest.Wait()
		require.NoError(t, term.ResignTo(t.Context(), "b"))
	},
}

func locked(t *testing.T, cli *framework.Client) *lock.Held {
	t.Helper()
	held, err := lock.New(cli, "/l").Lock(t.Context())
	require.NoError(t, err)
	return held
}

// Whoever reads the spans behind what gives a claim up finds its end, however slow the exporter is.
func TestEndsAreReportedWhenTheClaimIsReleased(t *testing.T) {
	for name, giveUp := range givesUp {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, s := collect(), startServer(t)
				c.tracer = trace.NewTracerProvider(trace.WithSpanProcessor(leisurely{trace.NewSimpleSpanProcessor(c.spans), sessionTimeout / 8}))
				giveUp(t, s, c.client(t, s, "a"))
				assert.Len(t, append(c.named("lock.hold"), c.named("leader.term")...), 1)
				assert.NotEmpty(t, c.metrics(t)["docent.hold.duration"], "the metrics know it too")
			})
		})
	}
}

// An exporter that hangs keeps nothing held, and its user not much longer than ctx allows.
func TestExporterThatHangsDoesNotHoldTheLock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(20 * sessionTimeout) }) // until it has returned after all
		c, s := collect(), startServer(t)
		hang := leisurely{trace.NewSimpleSpanProcessor(c.spans), 10 * sessionTimeout}
		c.tracer = trace.NewTracerProvider(trace.WithSpanProcessor(hang))
		held := locked(t, c.client(t, s, "a"))
		next := make(chan time.Time, 1)
		other := collect().client(t, s, "b")
		go func() {
			if _, err := lock.New(other, "/l").Lock(context.Background()); err == nil {
				next <- time.Now()
			}
		}()
		synctest.Wait()
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.NoError(t, held.Unlock(ctx))
		assert.Equal(t, 50*time.Millisecond+time.Second, time.Since(begun))
		assert.Less(t, (<-next).Sub(begun), 20*time.Millisecond)

	})
}
