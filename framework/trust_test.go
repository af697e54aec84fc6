package framework

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// T is the session timeout of the tests in this file.
const T = 4 * time.Second

// machine can sleep: its monotonic clock stands still then, and no timer runs. And its supervisor can be starved.
type machine struct {
	slept   atomic.Int64
	readers atomic.Int64 // that go on, before one is starved
	starved atomic.Pointer[chan struct{}]
}

func (m *machine) sleep(d time.Duration) { m.slept.Add(int64(d)) }

// starve stops a reader of the clocks until the result is called: the next one, or the one behind so many. That is the supervisor
// unless the test reads them.
func (m *machine) starve(behind int) (feed func()) {
	stop := make(chan struct{})
	m.readers.Store(int64(behind))
	m.starved.Store(&stop)
	return func() { close(stop) }
}

func (m *machine) asleep() time.Duration {
	if m.starved.Load() != nil && m.readers.Add(-1) < 0 {
		if stop := m.starved.Swap(nil); stop != nil {
			<-*stop
		}
	}
	return time.Duration(m.slept.Load())
}

// memoryClient is a server in memory, a client of it with a session, and the client's machine.
func memoryClient(t *testing.T, change func(*Config)) (*zktest.Server, *Client, *Session, *machine) {
	t.Helper()
	m := &machine{}
	s, cli, session := startClient(t, m.asleep, change)
	return s, cli, session, m
}

// startClient is memoryClient on a machine that has been asleep for so long.
func startClient(t *testing.T, asleep func() time.Duration, change func(*Config)) (*zktest.Server, *Client, *Session) {
	t.Helper()
	s, err := zktest.StartMemory(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	cfg := Config{ConnectString: s.ConnectString(), Dialer: s.Client("test").Dial, SessionTimeout: T}
	if change != nil {
		change(&cfg)
	}
	require.NoError(t, cfg.Validate())
	cli, err := start(cfg, asleep)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	session, err := cli.Session(t.Context())
	require.NoError(t, err)
	return s, cli, session
}

// await waits for a state.
func await(t *testing.T, cli *Client, want State) StateChange {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for ch := range cli.States(ctx) {
		if ch.State == want {
			return ch
		}
	}
	require.FailNow(t, "the state does not come", "%v", want)
	panic("unreachable")
}

func TestTrustCountsFromTheSendingOfTheLastAnsweredRequest(t *testing.T) {
	const delay = 300 * time.Millisecond
	for name, op := range map[string]zktest.Op{"ping": zktest.OpPing, "operation": zktest.OpExists, "handshake": zktest.OpConnect} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, cli, session, _ := memoryClient(t, nil)
				s.Delay(zktest.AllConns(), delay)
				arrived := make(chan time.Time, 1)
				s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Op == op && f.Stage == zktest.Request && len(arrived) == 0 {
						arrived <- time.Now()
					}
					return zktest.Pass
				})
				before := session.TrustedUntil()
				switch op {
				case zktest.OpExists:
					go func() { _, _, _ = cli.Exists(t.Context(), "/") }()
				case zktest.OpConnect:
					s.Cut(zktest.AllConns())
					before = session.TrustedUntil()
				}
				sent := (<-arrived).Add(-delay)
				synctest.Wait()
				assert.Equal(t, before, session.TrustedUntil(), "not yet answered")
				time.Sleep(delay + 10*time.Millisecond)
				assert.WithinDuration(t, sent.Add(T-T/4), session.TrustedUntil(), time.Millisecond)
			})
		})
	}
}

// contexts are one of each kind that can hang on a session.
type contexts struct{ claim, cautious, hold, cancel, grace context.Context }

func bindAll(t *testing.T, s *Session) contexts {
	t.Helper()
	bind := func(f func(context.Context, Policy) (context.Context, context.CancelCauseFunc), p Policy) context.Context {
		ctx, cancel := f(t.Context(), p)
		t.Cleanup(func() { cancel(nil) })
		return ctx
	}
	hold, cancel := Policy{OnSuspended: Hold, OnLost: Rebuild}, Policy{OnSuspended: Cancel, OnLost: Rebuild}
	return contexts{
		claim:    bind(s.ClaimContext, hold),
		cautious: bind(s.ClaimContext, cancel),
		hold:     bind(s.Context, hold),
		cancel:   bind(s.Context, cancel),
		grace:    bind(s.Context, Policy{OnSuspended: Hold, OnLost: Rebuild, Grace: 100 * time.Millisecond}),
	}
}

// endOf says when a context ended.
func endOf(ctx context.Context) <-chan time.Time {
	end := make(chan time.Time, 1)
	context.AfterFunc(ctx, func() { end <- time.Now() })
	return end
}

// Replies stop. What is held ends exactly when trust does, which is before the session counts as lost; what only hangs on
// the session ends with it.
func TestContextsWhenRepliesStop(t *testing.T) {
	for margin, want := range map[time.Duration]time.Duration{0: T / 4, T / 2: T / 2, 100 * time.Millisecond: 100 * time.Millisecond} {
		t.Run(fmt.Sprintf("margin %v", margin), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, cli, session, _ := memoryClient(t, func(c *Config) { c.TrustMargin = margin })
				time.Sleep(10*T + 100*time.Millisecond)
				c := bindAll(t, session)
				s.Blackhole(zktest.AllConns(), zktest.ToClient)
				claim, cautious, hold, cancel, grace := endOf(c.claim), endOf(c.cautious), endOf(c.hold), endOf(c.cancel), endOf(c.grace)
				suspended := await(t, cli, Suspended).Time
				lost := await(t, cli, Lost).Time
				assert.Equal(t, session.TrustedUntil(), <-claim)
				assert.Equal(t, want, lost.Sub(session.TrustedUntil()))
				assert.Equal(t, suspended, <-cautious)
				assert.Equal(t, suspended, <-cancel)
				assert.Equal(t, lost, <-hold)
				assert.Equal(t, suspended.Add(100*time.Millisecond), <-grace)
				require.ErrorIs(t, context.Cause(c.claim), ErrUntrusted)
				require.ErrorIs(t, context.Cause(c.hold), ErrSessionLost)
				require.ErrorIs(t, context.Cause(c.cancel), ErrSuspended)
				require.ErrorIs(t, context.Cause(c.grace), ErrSuspended)
				assert.False(t, suspended.After(session.TrustedUntil()))
			})
		})
	}
}

// Events keep coming, so that the connection is not silent, but no request is answered: trust ends all the same, the link is
// given up, and the next one brings trust back.
func TestTrustEndsAlthoughEventsArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, session, _ := memoryClient(t, nil)
		const events = 60
		for i := range events {
			path := fmt.Sprintf("/n%d", i)
			_, err := s.Create(path, nil, zktest.Persistent)
			require.NoError(t, err)
			_, _, err = session.WatchData(t.Context(), path)
			require.NoError(t, err)
		}
		claim, cancel := session.ClaimContext(t.Context(), Policy{OnSuspended: Hold, OnLost: Stop})
		defer cancel(nil)
		unanswered := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Op == zktest.OpPing && f.Stage == zktest.Reply {
				return zktest.Drop
			}
			return zktest.Pass
		})
		go func() {
			for i := range events {
				time.Sleep(T / 40)
				_ = s.Set(fmt.Sprintf("/n%d", i), nil)
			}
		}()
		until := session.TrustedUntil()
		suspended := await(t, cli, Suspended)
		assert.Equal(t, until, suspended.Time)
		require.ErrorIs(t, suspended.Cause, ErrUntrusted)
		require.ErrorIs(t, context.Cause(claim), ErrUntrusted)
		unanswered()
		await(t, cli, Reconnected)
		assert.Equal(t, session.ID(), cli.State().SessionID)
		assert.True(t, time.Now().Before(session.TrustedUntil()))
		time.Sleep(3 * T)
		assert.Equal(t, Reconnected, cli.State().State)
	})
}

// The machine was asleep: no timer has run, and the servers may have let the session expire long ago.
func TestTrustIsVoidAfterTheMachineSlept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cli, session, machine := memoryClient(t, nil)
		time.Sleep(10 * T)
		c := bindAll(t, session)
		before := session.TrustedUntil()
		machine.sleep(T/4 - time.Millisecond)
		assert.Equal(t, before, session.TrustedUntil(), "a nap within the margin does no harm")
		time.Sleep(T)
		require.NoError(t, c.claim.Err())

		machine.sleep(time.Hour)
		assert.False(t, time.Now().Before(session.TrustedUntil()), "void at once")
		asleep := time.Now()
		fresh, cancel := session.ClaimContext(t.Context(), Policy{OnSuspended: Hold, OnLost: Stop})
		defer cancel(nil)
		require.ErrorIs(t, context.Cause(fresh), ErrUntrusted, "nothing new is held either")
		suspended := await(t, cli, Suspended)
		assert.Equal(t, asleep, suspended.Time, "the first to see it says so")
		require.ErrorIs(t, suspended.Cause, ErrUntrusted)
		require.ErrorIs(t, context.Cause(c.claim), ErrUntrusted)
		require.NoError(t, c.hold.Err())
		await(t, cli, Reconnected)
		assert.True(t, time.Now().Before(session.TrustedUntil()), "an answer brings it back")
		again, cancel := session.ClaimContext(t.Context(), Policy{OnSuspended: Hold, OnLost: Stop})
		defer cancel(nil)
		require.NoError(t, again.Err())
	})
}

func TestSleepIsNoticedWithoutAnybodyAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cli, session, machine := memoryClient(t, nil)
		claim, cancel := session.ClaimContext(t.Context(), Policy{OnSuspended: Hold, OnLost: Stop})
		defer cancel(nil)
		time.Sleep(10*T + T/6) // right behind a ping
		machine.sleep(time.Hour)
		woke := time.Now()
		suspended := await(t, cli, Suspended)
		assert.LessOrEqual(t, suspended.Time.Sub(woke), T/8)
		require.ErrorIs(t, context.Cause(claim), ErrUntrusted)
	})
}

// A recipe whose claim ends before its connection does is not started in a tight loop.
func TestRecipePausesWhileTrustIsVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cli, _, machine := memoryClient(t, nil)
		starts := 0
		err := cli.Run(t.Context(), Recipe{Name: "claimant", Policy: Policy{OnSuspended: Hold, OnLost: Rebuild},
			Run: func(ctx context.Context, s *Session) error {
				if starts++; starts == 1 {
					machine.sleep(time.Hour)
				}
				claim, cancel := s.ClaimContext(ctx, Policy{OnSuspended: Hold, OnLost: Stop})
				defer cancel(nil)
				return context.Cause(claim)
			}})
		require.NoError(t, err)
		assert.LessOrEqual(t, starts, 4)
	})
}

func TestWallClockThatGoesBackDoesNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cli, session, machine := memoryClient(t, nil)
		machine.sleep(-24 * time.Hour)
		time.Sleep(10 * T)
		assert.Equal(t, Connected, cli.State().State)
		assert.True(t, time.Now().Before(session.TrustedUntil()))
	})
}

func TestMarginFollowsTheGrantedTimeout(t *testing.T) {
	for _, c := range []struct{ asked, margin, granted, want time.Duration }{
		{4 * time.Second, 0, 4 * time.Second, time.Second},
		{40 * time.Second, 0, 4 * time.Second, time.Second},
		{4 * time.Second, time.Second, 4 * time.Second, time.Second},
		{40 * time.Second, 20 * time.Second, 4 * time.Second, 2 * time.Second},
		{4 * time.Second, 2 * time.Second, 40 * time.Second, 2 * time.Second},
	} {
		cfg := Config{SessionTimeout: c.asked, TrustMargin: c.margin}
		assert.Equal(t, c.want, cfg.margin(c.granted), "%+v", c)
	}
}
