package framework_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// policies are all that can be declared.
var policies = map[string]framework.Policy{
	"hold, rebuild":   {OnSuspended: framework.Hold, OnLost: framework.Rebuild},
	"hold, stop":      {OnSuspended: framework.Hold, OnLost: framework.Stop},
	"cancel, rebuild": {OnSuspended: framework.Cancel, OnLost: framework.Rebuild},
	"cancel, stop":    {OnSuspended: framework.Cancel, OnLost: framework.Stop},
	"grace, rebuild":  {OnSuspended: framework.Hold, OnLost: framework.Rebuild, Grace: time.Second},
	"grace, stop":     {OnSuspended: framework.Hold, OnLost: framework.Stop, Grace: time.Second},
}

// events are what can happen to a session under a recipe, in a bubble.
var events = map[string]func(t *testing.T, s *zktest.Server, cli *framework.Client){
	"nothing": func(*testing.T, *zktest.Server, *framework.Client) {},
	"blip": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Suspended)
		awaitState(t, cli, framework.Reconnected)
	},
	"two seconds": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		s.Stop()
		time.Sleep(2 * time.Second)
		require.NoError(t, s.StartEndpoint())
		awaitState(t, cli, framework.Reconnected)
	},
	"expired": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		s.ExpireSession(cli.State().SessionID)
		awaitState(t, cli, framework.Lost)
		awaitState(t, cli, framework.Connected)
	},
	"lost": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		heal := s.Blackhole(zktest.AllConns(), zktest.Both)
		awaitState(t, cli, framework.Lost)
		heal()
		awaitState(t, cli, framework.Connected)
	},
}

// tale is what a recipe lives through: why each of its runs ended, and what Run returned.
type tale struct {
	causes []error
	result error
}

func (o tale) String() string { return fmt.Sprintf("runs ended by %v, result %v", o.causes, o.result) }

var (
	suspended = framework.ErrSuspended
	lost      = framework.ErrSessionLost
)

// tales is the specification of the engine: the runs that a policy's answer to an event makes. The last run of a recipe
// that goes on is ended by the test, with nil.
var tales = map[string]map[string]tale{
	"hold, rebuild": {
		"nothing": {causes: []error{nil}}, "blip": {causes: []error{nil}}, "two seconds": {causes: []error{nil}},
		"expired": {causes: []error{lost, nil}}, "lost": {causes: []error{lost, nil}},
	},
	"hold, stop": {
		"nothing": {causes: []error{nil}}, "blip": {causes: []error{nil}}, "two seconds": {causes: []error{nil}},
		"expired": {causes: []error{lost}, result: lost}, "lost": {causes: []error{lost}, result: lost},
	},
	"cancel, rebuild": {
		"nothing": {causes: []error{nil}}, "blip": {causes: []error{suspended, nil}}, "two seconds": {causes: []error{suspended, nil}},
		"expired": {causes: []error{suspended, nil}}, "lost": {causes: []error{suspended, nil}},
	},
	"cancel, stop": {
		"nothing": {causes: []error{nil}}, "blip": {causes: []error{suspended, nil}}, "two seconds": {causes: []error{suspended, nil}},
		"expired": {causes: []error{suspended}, result: lost}, "lost": {causes: []error{suspended}, result: lost},
	},
	"grace, rebuild": {
		"nothing": {causes: []error{nil}}, "blip": {causes: []error{nil}}, "two seconds": {causes: []error{suspended, nil}},
		"expired": {causes: []error{lost, nil}}, "lost": {causes: []error{suspended, nil}},
	},
	"grace, stop": {
		"nothing": {causes: []error{nil}}, "blip": {causes: []error{nil}}, "two seconds": {causes: []error{suspended, nil}},
		"expired": {causes: []error{lost}, result: lost}, "lost": {causes: []error{suspended}, result: lost},
	},
}

func TestRunUnderEveryPolicy(t *testing.T) {
	for policy, p := range policies {
		for event, happen := range events {
			t.Run(policy+": "+event, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := startServer(t, zktest.Config{})
					cli := connected(t, s)
					finish := make(chan struct{})
					var got tale
					done := make(chan struct{})
					go func() {
						defer close(done)
						got.result = cli.Run(t.Context(), framework.Recipe{Name: "recipe", Path: "/p", Policy: p,
							Run: func(ctx context.Context, s *framework.Session) error {
								assert.Equal(t, cli.State().SessionID, s.ID(), "the session that is current")
								select {
								case <-finish:
									got.causes = append(got.causes, nil)
									return nil
								case <-ctx.Done():
									got.causes = append(got.causes, context.Cause(ctx))
									return errors.New("whatever a cancelled recipe returns")
								}
							}})
					}()
					time.Sleep(time.Second)
					happen(t, s, cli)
					time.Sleep(100 * time.Millisecond)
					close(finish)
					<-done
					requireTale(t, tales[policy][event], got)
				})
			})
		}
	}
}

func requireTale(t *testing.T, want, got tale) {
	t.Helper()
	require.Len(t, got.causes, len(want.causes), "%v", got)
	for i, cause := range want.causes {
		require.ErrorIs(t, got.causes[i], cause, "%v", got)
	}
	require.ErrorIs(t, got.result, want.result, "%v", got)
	if want.result != nil {
		require.ErrorContains(t, got.result, "recipe /p: ")
	}
}

// run runs a recipe without a name.
func run(ctx context.Context, cli *framework.Client, p framework.Policy, f func(context.Context, *framework.Session) error) error {
	return cli.Run(ctx, framework.Recipe{Policy: p, Run: f})
}

// A recipe that learns of the end of its session from an operation, ahead of its context, is treated alike.
func TestRunWhenAnOperationKnowsFirst(t *testing.T) {
	for policy, p := range policies {
		t.Run(policy, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s)
				starts := 0
				err := run(t.Context(), cli, p, func(_ context.Context, session *framework.Session) error {
					if starts++; starts > 1 {
						return nil
					}
					s.ExpireSession(session.ID())
					for {
						if _, _, err := session.Exists(context.Background(), "/"); err != nil {
							return err
						}
					}
				})
				if p.OnLost == framework.Stop {
					require.ErrorIs(t, err, framework.ErrSessionLost)
					assert.Equal(t, 1, starts)
				} else {
					require.NoError(t, err)
					assert.Equal(t, 2, starts)
				}
			})
		})
	}
}

func TestRunReturnsTheRecipesOwnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli, other := connected(t, s), connected(t, s)
		foreign := sessionOf(t, other)
		own := errors.New("own")
		for name, c := range map[string]struct{ returned, want error }{
			"nothing":                      {nil, nil},
			"its own":                      {own, own},
			"an operation's":               {&framework.OpError{Err: framework.ErrNoNode}, framework.ErrNoNode},
			"a context's of its own":       {context.DeadlineExceeded, context.DeadlineExceeded},
			"another session's end":        {fmt.Errorf("session %x: %w", foreign.ID(), framework.ErrSessionLost), framework.ErrSessionLost},
			"another client's end":         {framework.ErrClosed, framework.ErrClosed},
			"an outcome that is not known": {framework.ErrOutcomeUnknown, framework.ErrOutcomeUnknown},
		} {
			starts := 0
			err := run(t.Context(), cli, holding, func(context.Context, *framework.Session) error { starts++; return c.returned })
			require.ErrorIs(t, err, c.want, name)
			assert.Equal(t, 1, starts, name)
		}
	})
}

// A recipe is not started again before it has returned.
func TestRunNeverOverlaps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		running, starts := false, 0
		err := run(t.Context(), cli, policies["cancel, rebuild"], func(ctx context.Context, _ *framework.Session) error {
			assert.False(t, running)
			if starts++; starts == 4 {
				return nil
			}
			running = true
			defer func() { running = false }()
			s.Cut(zktest.AllConns())
			<-ctx.Done()
			time.Sleep(time.Minute) // slow to stop: the connection is back long before
			return context.Cause(ctx)
		})
		require.NoError(t, err)
		assert.Equal(t, 4, starts)
	})
}

// Causes of a recipe's context, and results, when the caller's ctx ends.
func TestRunEndsWithItsContext(t *testing.T) {
	reason := errors.New("enough")
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(reason) })
		err := run(ctx, cli, holding, func(ctx context.Context, _ *framework.Session) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		require.ErrorIs(t, err, reason)
		err = run(ctx, cli, holding, func(context.Context, *framework.Session) error { panic("not started") })
		require.ErrorIs(t, err, reason)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, framework.ErrNotConnected)

		s.Stop()
		awaitState(t, cli, framework.Suspended)
		err = run(within(t, time.Second), cli, holding, func(context.Context, *framework.Session) error { panic("not started") })
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// The context that a recipe runs under may be one of another session: its cause is not taken for the own session's.
func TestRunUnderAnotherSessionsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli, other := connected(t, s), connected(t, s)
		outer, cancel := sessionOf(t, other).Context(t.Context(), holding)
		defer cancel(nil)
		starts := 0
		err := run(outer, cli, holding, func(ctx context.Context, _ *framework.Session) error {
			starts++
			s.ExpireSession(other.State().SessionID)
			<-ctx.Done()
			return context.Cause(ctx)
		})
		require.ErrorIs(t, err, framework.ErrSessionLost)
		require.NotErrorIs(t, err, framework.ErrNotConnected)
		assert.Equal(t, 1, starts)
	})
}

// Whatever a recipe returns that Close has ended, the result says so.
func TestRunWhenTheClientIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		done := make(chan error, 1)
		go func() {
			done <- run(t.Context(), cli, holding, func(ctx context.Context, _ *framework.Session) error {
				<-ctx.Done()
				return errors.New("torn off")
			})
		}()
		synctest.Wait()
		require.NoError(t, cli.Close())
		require.ErrorIs(t, <-done, framework.ErrClosed)
	})
}

func TestPanicPassesThrough(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		var work context.Context
		require.PanicsWithValue(t, "oh", func() {
			_ = run(t.Context(), cli, holding, func(ctx context.Context, _ *framework.Session) error {
				work = ctx
				panic("oh")
			})
		})
		require.Error(t, work.Err(), "what it has started ends")
		assert.Empty(t, cli.Recipes())
		require.NoError(t, cli.Close(), "which does not wait for it")
	})
}

func TestInvalidRecipes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := newClient(t, s)
		started := func(context.Context, *framework.Session) error { panic("started") }
		for text, p := range map[string]framework.Policy{
			"OnSuspended must be Hold or Cancel": {OnLost: framework.Stop},
			"not Rebuild":                        {OnSuspended: framework.Rebuild, OnLost: framework.Stop},
			"OnLost must be Rebuild or Stop":     {OnSuspended: framework.Hold},
			"not Hold":                           {OnSuspended: framework.Hold, OnLost: framework.Hold},
			"Grace must not be negative":         {OnSuspended: framework.Hold, OnLost: framework.Stop, Grace: -1},
			"Grace requires Hold":                {OnSuspended: framework.Cancel, OnLost: framework.Stop, Grace: 1},
		} {
			require.ErrorContains(t, run(t.Context(), cli, p, started), text)
			require.ErrorContains(t, p.Validate(), text)
		}
		require.ErrorContains(t, run(t.Context(), cli, holding, nil), "framework.Recipe.Run is nil")
	})
	for name, p := range policies {
		require.NoError(t, p.Validate(), name)
	}
	assert.Equal(t, "SUSPENDED: Hold, LOST: Stop, grace 1s", policies["grace, stop"].String())
	assert.Equal(t, "SUSPENDED: Cancel, LOST: Rebuild", policies["cancel, rebuild"].String())
	assert.Equal(t, "Reaction(9)", framework.Reaction(9).String())
}
