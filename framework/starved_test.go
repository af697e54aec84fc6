package framework

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// starvedUntil cuts a client off and keeps its supervisor from running, from half of T after the last answer until part of T after it.
// So is everything that hangs on its timers, as in a process that was stopped. The result has it run on. It belongs into a bubble.
func starvedUntil(t *testing.T, part float64, behind int) (cli *Client, session *Session, run func()) {
	t.Helper()
	s, cli, session, m := memoryClient(t, nil)
	time.Sleep(10*T + T/10)
	s.Blackhole(zktest.AllConns(), zktest.Both)
	last := session.e.wire.LastAnswered()
	time.Sleep(time.Until(last.Add(T / 2)))
	run = m.starve(behind)
	time.Sleep(time.Until(last.Add(time.Duration(part * float64(T)))))
	return cli, session, run
}

// starveAtEach plays f with each of the two moments at which the supervisor reads the clocks when it wakes: before it acts, and before it
// sleeps again.
func starveAtEach(t *testing.T, name string, f func(t *testing.T, behind int)) {
	t.Helper()
	for moment, behind := range map[string]int{"before it acts": 0, "before it sleeps": 1} {
		t.Run(name+", starved "+moment, func(t *testing.T) { f(t, behind) })
	}
}

var holdClaim = Policy{OnSuspended: Hold, OnLost: Stop}

func TestStarvedSupervisorActsAtOnceWhenItRuns(t *testing.T) {
	for name, c := range map[string]struct {
		part  float64
		state State
		cause error
	}{
		"trust has passed, and the connection has ended": {0.76, Suspended, ErrUntrusted},
		"T has passed":                     {1.05, Lost, ErrUntrusted},
		"trust has passed long ago":        {0.99, Suspended, ErrUntrusted},
		"T has passed many times over":     {17, Lost, ErrUntrusted},
		"nothing has passed, not even 2/3": {0.6, Connected, nil},
	} {
		starveAtEach(t, name, func(t *testing.T, behind int) {
			synctest.Test(t, func(t *testing.T) {
				cli, session, run := starvedUntil(t, 0, behind)
				claim, cancel := session.e.bind(t.Context(), holdClaim, false) // nobody reads the clocks here
				defer cancel(nil)
				done := claim.(*looking).Context.Done()
				session.e.bindings.ordered()[0].claim = true
				time.Sleep(time.Until(session.e.wire.LastAnswered().Add(time.Duration(c.part * float64(T)))))
				run()
				synctest.Wait()
				assert.Equal(t, c.state, cli.State().State, "at the moment when it runs")
				assert.Equal(t, c.cause != nil, isClosed(done))
				if c.cause != nil {
					require.ErrorIs(t, context.Cause(claim), c.cause)
				}
			})
		})
	}
}

// looks are the ways to look at a context.
var looks = map[string]func(ctx context.Context) (ended bool){
	"Err":                     func(ctx context.Context) bool { return ctx.Err() != nil },
	"Cause":                   func(ctx context.Context) bool { return context.Cause(ctx) != nil },
	"a poll of Done":          func(ctx context.Context) bool { return isClosed(ctx.Done()) },
	"Err of one with a value": func(ctx context.Context) bool { return context.WithValue(ctx, "a", 1).Err() != nil }, //nolint:staticcheck // any key
	"a new derived one": func(ctx context.Context) bool {
		derived, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		return derived.Err() != nil
	},
}

func TestLooksAreNotBehindTheClocks(t *testing.T) {
	for name, look := range looks {
		for kind, c := range map[string]struct {
			part float64
			bind func(s *Session, ctx context.Context) (context.Context, context.CancelCauseFunc)
			want error
		}{
			"a claim, trust has passed": {0.751, func(s *Session, ctx context.Context) (context.Context, context.CancelCauseFunc) {
				return s.ClaimContext(ctx, holdClaim)
			}, ErrUntrusted},
			"a claim, T has passed": {1, func(s *Session, ctx context.Context) (context.Context, context.CancelCauseFunc) {
				return s.ClaimContext(ctx, holdClaim)
			}, ErrSessionLost},
			"what hangs on the session, T has passed": {1, func(s *Session, ctx context.Context) (context.Context, context.CancelCauseFunc) {
				return s.Context(ctx, holdOn)
			}, ErrSessionLost},
			"derived from a claim": {0.751, func(s *Session, ctx context.Context) (context.Context, context.CancelCauseFunc) {
				claim, cancel := s.ClaimContext(ctx, holdClaim)
				derived, _ := WithCancelCause(context.WithValue(claim, "key", 1)) //nolint:staticcheck // any key
				further, _ := WithCancelCause(derived)
				return further, cancel
			}, ErrUntrusted},
			"what hangs on the session within a claim": {0.751, func(s *Session, ctx context.Context) (context.Context, context.CancelCauseFunc) {
				claim, cancel := s.ClaimContext(ctx, holdClaim)
				within, _ := s.Context(claim, holdOn)
				return within, cancel
			}, ErrUntrusted},
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, session, run := starvedUntil(t, 0.55, 0)
					defer run()
					ctx, cancel := c.bind(session, t.Context())
					defer cancel(nil)
					require.False(t, look(ctx))
					time.Sleep(time.Until(session.e.wire.LastAnswered().Add(time.Duration(c.part * float64(T)))))
					require.True(t, look(ctx))
					require.ErrorIs(t, context.Cause(ctx), c.want)
				})
			})
		}
	}
}

func TestSessionIsOverWhenItIsLookedAtAfterT(t *testing.T) {
	for name, over := range map[string]func(s *Session) bool{
		"Err":  func(s *Session) bool { return s.Err() != nil },
		"Done": func(s *Session) bool { return isClosed(s.Done()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cli, session, run := starvedUntil(t, 0.99, 0)
				hold, cancel := session.Context(t.Context(), holdOn)
				defer cancel(nil)
				require.False(t, over(session))
				time.Sleep(T / 100)
				require.True(t, over(session))
				require.ErrorIs(t, session.Err(), ErrSessionLost)
				require.ErrorIs(t, context.Cause(hold), ErrSessionLost)
				run()
				synctest.Wait()
				assert.Equal(t, Lost, cli.State().State)
				require.ErrorContains(t, cli.State().Cause, "no answer for the session timeout of 4s")
			})
		})
	}
}

// Cause is right when it is the first look of all.
func TestFirstCauseIsTheRightOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, session, run := starvedUntil(t, 0.55, 0)
		defer run()
		claim, cancel := session.ClaimContext(t.Context(), holdClaim)
		defer cancel(nil)
		derived, end := WithCancelCause(claim)
		defer end(nil)
		time.Sleep(T / 4)
		require.ErrorIs(t, context.Cause(derived), ErrUntrusted)
	})
	synctest.Test(t, func(t *testing.T) {
		_, session, run := starvedUntil(t, 0.55, 0)
		defer run()
		claim, cancel := session.ClaimContext(t.Context(), holdClaim)
		defer cancel(nil)
		time.Sleep(T / 4)
		require.ErrorIs(t, context.Cause(claim), ErrUntrusted)
	})
}

// Until Go 1.25 context.Cause asks for a value, and not for Err.
func TestCauseIsALookWithoutErr(t *testing.T) {
	require.NotNil(t, causeKey)
	looked := 0
	ctx := &looking{context.Background(), func() { looked++ }}
	assert.Nil(t, ctx.Value("another key"))
	assert.Zero(t, looked)
	assert.Nil(t, ctx.Value(causeKey))
	assert.Equal(t, 1, looked)
}

// A deadline passes after the supervisor has looked at the clocks, and before it sleeps again, with nothing else to wake it.
func TestDeadlinePassesBeforeTheSupervisorSleeps(t *testing.T) {
	starveAtEach(t, "", func(t *testing.T, behind int) {
		synctest.Test(t, func(t *testing.T) {
			s, cli, session, m := memoryClient(t, func(c *Config) { c.TrustMargin = T / 2 })
			time.Sleep(10*T + T/10)
			s.Blackhole(zktest.AllConns(), zktest.Both)
			claim, cancel := session.ClaimContext(t.Context(), holdClaim)
			defer cancel(nil)
			done := claim.Done()
			last := session.e.wire.LastAnswered()
			time.Sleep(time.Until(last.Add(T * 3 / 10)))
			run := m.starve(behind)
			time.Sleep(time.Until(last.Add(T * 55 / 100)))
			run()
			synctest.Wait()
			assert.True(t, isClosed(done))
			assert.Equal(t, Suspended, cli.State().State)
		})
	})
}

// A grace that has passed is over, whoever looks, and even if the link is back before its timer has run.
func TestGraceThatHasPassedIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, session, _ := memoryClient(t, nil)
		p := Policy{OnSuspended: Hold, OnLost: Stop, Grace: T / 8}
		s.Refuse()
		s.Cut(zktest.AllConns())
		await(t, cli, Suspended)
		looked, cancel := session.Context(t.Context(), p)
		defer cancel(nil)
		resumed, cancel := session.Context(t.Context(), p)
		defer cancel(nil)
		done := resumed.Done()
		session.e.mu.Lock() // no timer has run
		for b := range session.e.bindings.m {
			b.stopGrace()
		}
		session.e.mu.Unlock()
		require.NoError(t, looked.Err())
		time.Sleep(p.Grace)
		require.ErrorIs(t, context.Cause(looked), ErrSuspended)
		require.False(t, isClosed(done))
		session.e.resumeBindings()
		require.True(t, isClosed(done))
		require.ErrorContains(t, context.Cause(resumed), "grace of 500ms")
	})
}

// To give up what has ended already does not hide why.
func TestCancelDoesNotHideThatTimeHadPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, session, run := starvedUntil(t, 0.55, 0)
		defer run()
		claim, cancel := session.ClaimContext(t.Context(), holdClaim)
		other, cancelOther := session.ClaimContext(t.Context(), holdClaim)
		derived, end := WithCancelCause(other)
		time.Sleep(T / 4)
		cancel(context.Canceled) // the first look of all
		require.ErrorIs(t, context.Cause(claim), ErrUntrusted)
		end(context.Canceled)
		cancelOther(context.Canceled)
		require.ErrorIs(t, context.Cause(derived), ErrUntrusted)
	})
}

// The signal that an answer has brought back comes with it: what is claimed afterwards ends with the new trust, not with the old one.
func TestEachAnswerIsATrustOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, session, _ := memoryClient(t, nil)
		for range 3 {
			heal := s.Blackhole(zktest.AllConns(), zktest.Both)
			until := session.TrustedUntil()
			claim, cancel := session.ClaimContext(t.Context(), holdClaim)
			assert.Equal(t, until, <-endOf(claim))
			cancel(nil)
			heal()
			await(t, cli, Reconnected)
		}
	})
}

func TestDerivedContextsCostNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, session, _ := memoryClient(t, nil)
		claim, cancel := session.ClaimContext(t.Context(), holdClaim)
		synctest.Wait()
		before := runtime.NumGoroutine()
		for range 100 {
			derived, _ := WithCancelCause(claim)
			context.AfterFunc(derived, func() {})
			_, end := context.WithTimeout(derived, time.Hour)
			t.Cleanup(end)
		}
		assert.Less(t, runtime.NumGoroutine(), before+20, "some may be the runtime's")
		cancel(nil)
	})
}
