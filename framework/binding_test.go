package framework

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

var (
	holdOn   = Policy{OnSuspended: Hold, OnLost: Rebuild}
	cancelIt = Policy{OnSuspended: Cancel, OnLost: Rebuild}
)

func TestBindingsGoWithTheirCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, session, _ := memoryClient(t, nil)
		reason := errors.New("done")
		for range 1000 {
			ctx, cancel := session.Context(t.Context(), Policy{OnSuspended: Hold, OnLost: Stop, Grace: time.Hour})
			claim, release := session.ClaimContext(t.Context(), cancelIt)
			cancel(reason)
			release(nil)
			require.Equal(t, reason, context.Cause(ctx))
			require.Equal(t, context.Canceled, context.Cause(claim))
			cancel(errors.New("again, which does nothing"))
			require.Equal(t, reason, context.Cause(ctx))
		}
		assert.Empty(t, session.e.bindings.m)
	})
}

// Run leaves none behind, however often it starts.
func TestBindingsOfRecipesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, session, _ := memoryClient(t, nil)
		starts := 0
		require.NoError(t, cli.Run(t.Context(), Recipe{Policy: cancelIt, Run: func(ctx context.Context, _ *Session) error {
			if starts++; starts == 10 {
				return nil
			}
			s.Cut(zktest.AllConns())
			<-ctx.Done()
			return ctx.Err()
		}}))
		assert.Empty(t, session.e.bindings.m)
	})
}

func TestContextCarriesTheValuesAndEndOfItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, session, _ := memoryClient(t, nil)
		type key struct{}
		reason := errors.New("enough")
		parent, stop := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		ctx, cancel := session.Context(parent, holdOn)
		defer cancel(nil)
		assert.Equal(t, "value", ctx.Value(key{}))
		stop(reason)
		assert.Equal(t, reason, context.Cause(ctx))
	})
}

// Grace counts from SUSPENDED, also for what is bound after it, and starts anew with the next one.
func TestGrace(t *testing.T) {
	const grace = time.Second
	synctest.Test(t, func(t *testing.T) {
		s, cli, session, _ := memoryClient(t, nil)
		p := Policy{OnSuspended: Hold, OnLost: Stop, Grace: grace}
		bind := func() context.Context {
			ctx, cancel := session.Context(t.Context(), p)
			t.Cleanup(func() { cancel(nil) })
			return ctx
		}
		early := bind()
		for range 3 { // blips shorter than the grace, and longer than it in sum
			s.Stop()
			await(t, cli, Suspended)
			time.Sleep(grace / 2)
			require.NoError(t, s.StartEndpoint())
			await(t, cli, Reconnected)
			time.Sleep(grace)
		}
		require.NoError(t, early.Err())

		s.Stop()
		began := await(t, cli, Suspended).Time
		time.Sleep(grace / 2)
		late := bind()
		require.NoError(t, late.Err())
		for _, ctx := range []context.Context{early, late} {
			assert.Equal(t, began.Add(grace), <-endOf(ctx))
			require.ErrorIs(t, context.Cause(ctx), ErrSuspended)
			require.ErrorContains(t, context.Cause(ctx), "grace of 1s")
		}
		require.ErrorIs(t, context.Cause(bind()), ErrSuspended, "over at once")
	})
}

func TestBindingWhileSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, session, _ := memoryClient(t, nil)
		s.Stop()
		await(t, cli, Suspended)
		c := bindAll(t, session)
		require.ErrorIs(t, context.Cause(c.cancel), ErrSuspended)
		require.ErrorIs(t, context.Cause(c.cautious), ErrSuspended)
		require.NoError(t, c.hold.Err())
		require.NoError(t, c.claim.Err())
		require.NoError(t, s.StartEndpoint())
		await(t, cli, Reconnected)
		c = bindAll(t, session)
		for _, ctx := range []context.Context{c.cancel, c.cautious, c.hold, c.claim, c.grace} {
			require.NoError(t, ctx.Err())
		}
	})
}

func TestBindingAfterTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(s *zktest.Server, cli *Client)
		want error
	}{
		"lost":   {func(s *zktest.Server, cli *Client) { s.ExpireSession(cli.State().SessionID); await(t, cli, Lost) }, ErrSessionLost},
		"closed": {func(_ *zktest.Server, cli *Client) { _ = cli.Close() }, ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, cli, session, _ := memoryClient(t, nil)
				before := bindAll(t, session)
				c.end(s, cli)
				after := bindAll(t, session)
				for _, ctx := range []context.Context{before.hold, after.hold, after.cancel, after.claim, after.cautious, after.grace} {
					require.ErrorIs(t, context.Cause(ctx), c.want)
				}
				require.ErrorIs(t, session.Err(), c.want)
				<-session.Done()
				for range session.e.bindings.m {
					require.Equal(t, 5, len(session.e.bindings.m), "those of before, until they are cancelled")
				}
			})
		})
	}
}

// A session that is lost out of the blue, as when the process was stopped for longer than it may live, ends everything with
// that for a cause, and not with the SUSPENDED that is published on the way.
func TestLostOutOfTheBlue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cli, session, _ := memoryClient(t, nil)
		c := bindAll(t, session)
		changes := cli.States(t.Context())
		assert.Equal(t, Connected, (<-changes).State)
		session.e.expire(fmt.Errorf("just so: %w", ErrSessionLost))
		assert.Equal(t, Suspended, (<-changes).State)
		assert.Equal(t, Lost, (<-changes).State)
		for _, ctx := range []context.Context{c.claim, c.cautious, c.hold, c.cancel, c.grace} {
			require.ErrorIs(t, context.Cause(ctx), ErrSessionLost)
		}
	})
}

// What hangs on a session ends in the order in which it was bound, for simulations that must replay.
func TestBindingsEndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, session, _ := memoryClient(t, nil)
		for range 100 {
			_, cancel := session.Context(t.Context(), holdOn)
			defer cancel(nil)
		}
		session.e.mu.Lock()
		defer session.e.mu.Unlock()
		for i, b := range session.e.bindings.ordered() {
			assert.EqualValues(t, i+1, b.n)
		}
	})
}

// Contexts end before the state is published, and operations are refused before that: whoever hears of LOST first can rely
// on it.
func TestWhoHearsOfLostCanRelyOnIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, session, _ := memoryClient(t, nil)
		c := bindAll(t, session)
		changes := cli.States(t.Context())
		s.ExpireSession(session.ID())
		for ch := range changes {
			if ch.State == Suspended {
				require.Error(t, c.cancel.Err())
			}
			if ch.State == Lost {
				require.Error(t, c.hold.Err())
				require.Error(t, session.Err())
				_, err := session.Get(context.Background(), "/")
				require.ErrorIs(t, err, ErrSessionLost)
				break
			}
		}
	})
}

// Between the end of a session and its publication nobody is given it any more.
func TestDeadEpochIsNotHandedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cli, session, _ := memoryClient(t, nil)
		session.e.fence(ErrSessionLost) // the supervisor has not heard of it
		require.Equal(t, Connected, cli.State().State)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := cli.Session(ctx)
		require.ErrorIs(t, err, ErrNotConnected)
		err = cli.Run(ctx, Recipe{Policy: holdOn, Run: func(context.Context, *Session) error { panic("started") }})
		require.ErrorIs(t, err, ErrNotConnected)
		session.e.expire(ErrSessionLost)
		again, err := cli.Session(t.Context())
		require.NoError(t, err)
		assert.EqualValues(t, 2, again.Epoch())
	})
}

// A task waits for the call that was left behind before it looks.
func TestCleanUpWaitsForWhatWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cli, _, _ := memoryClient(t, nil)
		left, ran := make(chan struct{}), make(chan struct{})
		cli.core.janitor.add(task{name: "test", at: []string{"/n"}, after: left, run: func(context.Context, *epoch) error {
			close(ran)
			return nil
		}})
		time.Sleep(time.Minute)
		select {
		case <-ran:
			require.Fail(t, "too early")
		default:
		}
		close(left)
		<-ran
	})
}
