package framework_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// Whatever the servers do, a call returns when its ctx ends, and says so. A create that its session would have to remove again
// waits for its answer, for T/8 at most.
func TestEveryCallHonoursItsDeadline(t *testing.T) {
	for condition, arrange := range conditions {
		t.Run(condition, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 3})
				mustCreate(t, s, "/node", "")
				cli := newClient(t, s)
				arrange(t, s, cli)
				var calls sync.WaitGroup
				for name, op := range operations {
					calls.Go(func() {
						start := time.Now()
						err := op(within(t, 50*time.Millisecond), cli)
						assert.ErrorIs(t, err, context.DeadlineExceeded, name)
						longest := 51 * time.Millisecond
						if name == "create in queue" {
							longest += sessionTimeout / 8
						}
						assert.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond, name)
						assert.LessOrEqual(t, time.Since(start), longest, name)
					})
				}
				calls.Wait()
			})
		})
	}
}

// On a real clock as well: 50 ms against a hung server, back within 100 ms.
func TestDeadlineOnARealClock(t *testing.T) {
	s, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close()) }()
	cli := connected(t, s)
	s.Pause()
	start := time.Now()
	_, err = cli.Get(within(t, 50*time.Millisecond), "/")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(start), 100*time.Millisecond)
	s.Resume()
}

func TestEndedContextSendsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		ctx, cancel := context.WithCancelCause(t.Context())
		reason := errors.New("enough")
		cancel(reason)
		before := s.Counts()
		for name, op := range operations {
			err := op(ctx, cli)
			require.ErrorIs(t, err, reason, name)
			require.NotErrorIs(t, err, framework.ErrOutcomeUnknown, name)
		}
		time.Sleep(time.Second)
		// Only the guaranteed delete goes on.
		assert.Zero(t, s.Counts().Sub(before).Requests[zktest.OpGetData])
		assert.Zero(t, s.Counts().Sub(before).Writes())
	})
}

// few goroutines of others, such as the runtime's, can begin while something is measured.
const few = 20

// Two thousand calls are given up: nothing of them stays.
func TestCancelledCallsLeaveNothing(t *testing.T) {
	const calls = 2000
	for _, name := range []string{"hung in the handshake", "black hole", "suspended"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := newClient(t, s)
				conditions[name](t, s, cli)
				synctest.Wait()
				before := runtime.NumGoroutine()
				for range calls {
					ctx, cancel := context.WithTimeout(context.Background(), 50*time.Microsecond)
					_, err := cli.Get(ctx, "/node")
					cancel()
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				synctest.Wait()
				assert.Less(t, runtime.NumGoroutine(), before+few)
				time.Sleep(sessionTimeout)
				synctest.Wait()
				assert.Less(t, runtime.NumGoroutine(), before+few)
			})
		})
	}
}
