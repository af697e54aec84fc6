package framework_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// unreadyAfter lets time pass until the client is not ready, and returns how long that took: limit at most. It must run in a
// bubble.
func unreadyAfter(t *testing.T, cli *framework.Client, limit time.Duration) (time.Duration, framework.Health) {
	t.Helper()
	begun := time.Now()
	for {
		if h := cli.Health(); !h.Ready() {
			return time.Since(begun), h
		}
		require.Less(t, time.Since(begun), limit, "it still calls itself ready")
		time.Sleep(5 * time.Millisecond)
	}
}

// A network that swallows everything: not ready one session timeout after the last answered request, at whatever moment it
// breaks. A restart is never advised for that.
func TestHealthInABlackHole(t *testing.T) {
	for offset := time.Duration(0); offset < sessionTimeout/2; offset += 333 * time.Millisecond {
		t.Run(offset.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s)
				time.Sleep(offset)
				require.True(t, cli.Health().Ready())
				heal := s.Blackhole(zktest.AllConns(), zktest.Both)
				last := cli.Info().LastAnswer
				took, h := unreadyAfter(t, cli, sessionTimeout+time.Second)
				assert.LessOrEqual(t, took, sessionTimeout)
				assert.InDelta(t, sessionTimeout, time.Since(last), float64(6*time.Millisecond))
				require.Len(t, h.Reasons, 1)
				assert.Equal(t, last, h.Reasons[0].Since)
				assert.Contains(t, h.String(), "no server has answered for 4")
				time.Sleep(10 * time.Minute)
				assert.True(t, cli.Health().Live(), cli.Health().String())
				heal()
				awaitState(t, cli, framework.Connected)
				assert.True(t, cli.Health().Ready(), cli.Health().String())
			})
		})
	}
}

// Blips of up to two thirds of the timeout flip nothing, and neither do idle hours.
func TestHealthThroughDisconnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		go func() {
			_ = cli.Run(t.Context(), framework.Recipe{Name: "r", Policy: policies["cancel, rebuild"], Run: func(ctx context.Context, s *framework.Session) error {
				s.Report("fine", nil)
				<-ctx.Done()
				return context.Cause(ctx)
			}})
		}()
		for range 20 {
			s.Stop()
			for range 50 {
				time.Sleep(sessionTimeout * 5 / 8 / 50)
				require.True(t, cli.Health().Ready(), cli.Health().String())
			}
			require.NoError(t, s.StartEndpoint())
			for range 500 {
				time.Sleep(17 * time.Millisecond)
				require.True(t, cli.Health().Ready(), cli.Health().String())
			}
		}
		s.ExpireSession(sessionID(t, s))
		for range 1000 {
			time.Sleep(17 * time.Millisecond)
			require.True(t, cli.Health().Ready(), cli.Health().String())
		}
	})
}

func TestHealthOfAClientThatNeverConnects(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		s.Stop()
		cli := newClient(t, s)
		took, h := unreadyAfter(t, cli, time.Minute)
		assert.InDelta(t, sessionTimeout, took, float64(6*time.Millisecond))
		assert.Contains(t, h.String(), "there has been no connection in the 4")
		assert.Contains(t, h.String(), "connection refused")
		require.Error(t, h.Reasons[0].Err)
		assert.True(t, h.Live())
		require.NoError(t, cli.Close())
		assert.Equal(t, "the client is closed", cli.Health().String())
		assert.True(t, cli.Health().Live())
	})
	var none *framework.Client
	assert.False(t, none.Health().Ready())
	assert.True(t, none.Health().Live())
}

// A recipe that is not well is a reason after a session timeout, and one that outstays its claim is a reason to restart after
// four.
func TestHealthOfRecipes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		bad := errors.New("refused")
		held := sessionOf(t, cli).Track("lock", "/locks/a", policies["cancel, rebuild"], "holding")
		defer held.End()
		held.Report("not standing", bad)
		began := time.Now()
		took, h := unreadyAfter(t, cli, time.Minute)
		assert.InDelta(t, sessionTimeout, took, float64(6*time.Millisecond))
		require.Len(t, h.Reasons, 1)
		r := h.Reasons[0]
		assert.Equal(t, []any{"lock", "/locks/a", began, false, bad}, []any{r.Recipe, r.Path, r.Since, r.Restart, r.Err})
		assert.Regexp(t, `^lock /locks/a: not standing, not well for 4(\.\d+)?s: refused$`, r.Text)
		time.Sleep(time.Hour)
		assert.True(t, cli.Health().Live(), "a restart would not help")
		held.Report("not standing", nil)
		assert.True(t, cli.Health().Ready())

		held.Report("ended", framework.ErrOverstayed)
		time.Sleep(4*sessionTimeout - time.Millisecond)
		assert.False(t, cli.Health().Ready())
		assert.True(t, cli.Health().Live())
		time.Sleep(time.Millisecond)
		assert.False(t, cli.Health().Live())
		bounds := framework.HealthBounds{Unwell: time.Hour}
		assert.True(t, cli.HealthWithin(bounds).Ready())
		bounds = framework.HealthBounds{Stuck: time.Hour}
		assert.True(t, cli.HealthWithin(bounds).Live())
		assert.False(t, cli.HealthWithin(bounds).Ready())
		held.End()
		assert.True(t, cli.Health().Ready())
	})
}

// A recipe that breaks off and begins again, over and over, is not well all the time.
func TestHealthOfARecipeThatFlaps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		go func() {
			_ = cli.Run(t.Context(), framework.Recipe{Name: "r", Path: "/r", Policy: policies["cancel, rebuild"], Run: func(ctx context.Context, s *framework.Session) error {
				s.Report("broken", errors.New("it breaks"))
				<-ctx.Done()
				return context.Cause(ctx)
			}})
		}()
		synctest.Wait()
		for range 9 {
			time.Sleep(sessionTimeout / 10)
			s.Cut(zktest.AllConns())
			require.True(t, cli.Health().Ready())
		}
		time.Sleep(sessionTimeout / 10)
		assert.Contains(t, cli.Health().String(), "r /r: ")
	})
}

// T is what the server has granted, not what was asked for.
func TestHealthFollowsTheGrantedTimeout(t *testing.T) {
	for name, granted := range map[string]time.Duration{"less": sessionTimeout / 2, "more": 2 * sessionTimeout} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{MinSessionTimeout: granted, MaxSessionTimeout: granted})
				cli := connected(t, s)
				defer s.Blackhole(zktest.AllConns(), zktest.Both)()
				last := cli.Info().LastAnswer
				_, h := unreadyAfter(t, cli, granted+time.Second)
				assert.InDelta(t, granted, h.Time.Sub(last), float64(6*time.Millisecond))
			})
		})
	}
}

func TestHealthBounds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		short := framework.HealthBounds{Silence: time.Nanosecond}
		for range 1000 {
			time.Sleep(17 * time.Millisecond)
			require.True(t, cli.HealthWithin(short).Ready(), "taken as half of the timeout")
		}
		s.Stop()
		last := cli.Info().LastAnswer
		time.Sleep(time.Until(last.Add(sessionTimeout / 2)))
		assert.False(t, cli.HealthWithin(short).Ready())
		time.Sleep(10 * time.Minute)
		assert.True(t, cli.HealthWithin(framework.HealthBounds{Silence: 20 * time.Minute}).Ready())
		assert.False(t, cli.Health().Ready())
	})
}
