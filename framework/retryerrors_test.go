package framework_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// A recipe that has worked once is tried again when it fails, after pauses that grow, and its failure can be seen.
func TestRecipeThatFailsAfterItHasWorked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		var log bytes.Buffer
		cli := newClient(t, s, func(cfg *framework.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		require.NoError(t, cli.WaitConnected(t.Context()))
		bad, worse := errors.New("bad"), errors.New("worse")
		var mu sync.Mutex // guards the following
		var all []time.Time
		fail := bad
		fails := func(err error) (starts []time.Time) {
			mu.Lock()
			defer mu.Unlock()
			fail = err
			return slices.Clone(all)
		}
		done := make(chan error, 1)
		go func() {
			done <- cli.Run(t.Context(), framework.Recipe{Name: "r", Path: "/p", Policy: policies["hold, rebuild"],
				Run: func(_ context.Context, s *framework.Session) error {
					mu.Lock()
					defer mu.Unlock()
					if all = append(all, time.Now()); len(all) == 1 {
						s.RetryErrors()
						s.Report("fine", nil)
						time.Sleep(time.Second)
					}
					return fail
				}})
		}()
		time.Sleep(10 * time.Minute)
		starts := fails(bad)
		require.Greater(t, len(starts), 8)
		assert.Less(t, len(starts), 60)
		n := len(starts)
		assert.Greater(t, starts[n-1].Sub(starts[n-2]), 5*time.Second)
		require.Len(t, cli.Health().Reasons, 1)
		assert.ErrorIs(t, cli.Health().Reasons[0].Err, bad)
		assert.WithinDuration(t, starts[0].Add(time.Second), cli.Health().Reasons[0].Since, time.Millisecond, "since it began")
		synctest.Wait()
		assert.Equal(t, 1, bytes.Count(log.Bytes(), []byte("is retried")), log.String())
		fails(worse)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, 2, bytes.Count(log.Bytes(), []byte("is retried")), "another error")
		fails(nil)
		require.NoError(t, <-done)
		assert.True(t, cli.Health().Ready())
	})
}

func TestRecipeThatFailsBeforeItHasWorked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cli := newClient(t, startServer(t, zktest.Config{}))
		bad := errors.New("bad")
		err := cli.Run(t.Context(), framework.Recipe{Policy: policies["hold, rebuild"], Run: func(context.Context, *framework.Session) error { return bad }})
		require.ErrorIs(t, err, bad)
	})
}

// When the caller's ctx ends while a recipe comes to the end of one start, its cause is the result, and not why the start has
// ended: the recipe would have gone on.
func TestCtxEndsAtTheEndOfAStart(t *testing.T) {
	bad := errors.New("bad")
	for name, c := range map[string]struct {
		policy string
		err    error // of the recipe
		want   error // of Run; nil for ctx's cause
		retry  bool  // the recipe calls RetryErrors
	}{
		"suspended":                   {"cancel, rebuild", framework.ErrSuspended, nil, false},
		"suspended, of a claim":       {"hold, rebuild", framework.ErrSuspended, nil, false},
		"untrusted, of a claim":       {"hold, rebuild", framework.ErrUntrusted, nil, false},
		"session lost":                {"hold, rebuild", framework.ErrSessionLost, nil, false},
		"session lost, and that ends": {"hold, stop", framework.ErrSessionLost, framework.ErrSessionLost, false},
		"refused":                     {"hold, rebuild", bad, bad, false},
		"refused, tried again":        {"hold, rebuild", bad, nil, true},
		"lost, tried again otherwise": {"hold, stop", framework.ErrSessionLost, framework.ErrSessionLost, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cli := newClient(t, startServer(t, zktest.Config{}))
				require.NoError(t, cli.WaitConnected(t.Context()))
				ctx, cancel := context.WithCancelCause(t.Context())
				cause := errors.New("no more")
				err := cli.Run(ctx, framework.Recipe{Policy: policies[c.policy], Run: func(_ context.Context, s *framework.Session) error {
					if c.retry {
						s.RetryErrors()
					}
					cancel(cause)
					return c.err
				}})
				if c.want == nil {
					assert.ErrorIs(t, err, cause)
					assert.NotErrorIs(t, err, c.err)
				} else {
					assert.ErrorIs(t, err, c.want)
				}
			})
		})
	}
}
