package framework_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/retry"
	"github.com/docent-zk/docent/zktest"
)

// granting is a client that asks for one session timeout and is granted another one, or the same.
type granting struct{ asked, granted time.Duration }

var grantings = []granting{
	{100 * time.Millisecond, 100 * time.Millisecond}, {time.Second, 4 * time.Second}, {2 * time.Minute, 40 * time.Second},
	{24 * time.Hour, 40 * time.Second}, {24 * time.Hour, 4 * time.Second}, {90 * time.Second, 90 * time.Second},
	{6 * time.Hour, 6 * time.Hour},
}

func (g granting) String() string { return fmt.Sprintf("asked %v, granted %v", g.asked, g.granted) }

// inBubble plays f with each of them on a server, in a bubble.
func inBubble(t *testing.T, f func(t *testing.T, g granting, s *zktest.Server)) {
	t.Helper()
	inBubbleOf(t, 1, f)
}

// inBubbleOf is inBubble with so many servers.
func inBubbleOf(t *testing.T, servers int, f func(t *testing.T, g granting, s *zktest.Server)) {
	t.Helper()
	for _, g := range grantings {
		t.Run(g.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f(t, g, startServer(t, zktest.Config{Endpoints: servers, TickTime: 10 * time.Millisecond, MinSessionTimeout: g.granted, MaxSessionTimeout: g.granted}))
			})
		})
	}
}

func (g granting) client(t *testing.T, s *zktest.Server, changes ...configure) *framework.Client {
	t.Helper()
	return connected(t, s, append(changes, func(c *framework.Config) { c.SessionTimeout = g.asked })...)
}

// seen are the dials so far.
func (d *dials) seen() []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.begun)
}

const longAttempt = 15 * time.Second // as Config says of its defaults

// The only server has half of what is left of the session.
func TestDialsFollowTheGrantedTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, g granting, s *zktest.Server) {
		var limits []time.Duration
		g.client(t, s, func(c *framework.Config) {
			dial := c.Dialer
			c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				deadline, _ := ctx.Deadline()
				limits = append(limits, time.Until(deadline))
				return dial(ctx, network, address)
			}
		})
		s.Cut(zktest.AllConns())
		time.Sleep(g.granted / 2)
		synctest.Wait()
		require.Len(t, limits, 2)
		assert.Equal(t, min(g.asked/2, longAttempt), limits[0], "nothing was granted yet")
		assert.InDelta(t, min(g.granted/2, longAttempt), limits[1], float64(max(2*time.Millisecond, g.granted/100)))
	})
}

// While another server has not been tried, and when all have failed and there is no session left.
func TestHandshakesFollowTheGrantedTimeout(t *testing.T) {
	inBubbleOf(t, 2, func(t *testing.T, g granting, s *zktest.Server) {
		var d dials
		const pause = 40 * time.Millisecond
		g.client(t, s, d.watch, func(c *framework.Config) { c.ReconnectPolicy = retry.Forever(pause) })
		usual, patient := min(g.granted/6, longAttempt), min(g.granted, 2*time.Minute)
		time.Sleep(g.granted)
		s.Pause()
		before := len(d.seen())
		s.Cut(zktest.AllConns())
		time.Sleep(2 * usual)
		synctest.Wait()
		seen := d.seen()[before:]
		assert.GreaterOrEqual(t, seen[1].Sub(seen[0]), usual)
		assert.LessOrEqual(t, seen[1].Sub(seen[0]), usual+min(g.granted, 40*time.Second)/200+time.Millisecond)
		time.Sleep(g.granted + 3*(patient+pause))
		synctest.Wait()
		seen = d.seen()
		last := seen[len(seen)-2:]
		assert.InDelta(t, patient+pause, last[1].Sub(last[0]), float64(2*time.Millisecond))
		s.Resume()
	})
}

func TestPausesFollowTheGrantedTimeoutUpToFiveSeconds(t *testing.T) {
	inBubble(t, func(t *testing.T, g granting, s *zktest.Server) {
		var d dials
		g.client(t, s, d.watch)
		time.Sleep(time.Second)
		s.Refuse()
		s.Cut(zktest.AllConns())
		outage := min(g.granted/2, 10*time.Minute)
		time.Sleep(outage)
		synctest.Wait()
		longest := min(g.granted/8, 5*time.Second)
		seen := d.seen()
		require.Greater(t, len(seen), 3)
		for i := 1; i < len(seen)-1; i++ {
			assert.LessOrEqual(t, seen[i+1].Sub(seen[i]), longest+time.Millisecond, "with its jitter")
		}
		require.NoError(t, s.Accept())
		time.Sleep(longest + 10*time.Millisecond)
		synctest.Wait()
		assert.Len(t, s.Conns(), 1, "back")
	})
}

func TestPausesOfOnesOwnAreNotShortened(t *testing.T) {
	const own = 7 * time.Minute
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{MaxSessionTimeout: 24 * time.Hour})
		var d dials
		connected(t, s, d.watch, func(c *framework.Config) { c.SessionTimeout, c.ReconnectPolicy = 24*time.Hour, retry.Forever(own) })
		time.Sleep(time.Hour)
		s.Refuse()
		s.Cut(zktest.AllConns())
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		seen := d.seen()
		require.Greater(t, len(seen), 10)
		for i := 2; i < len(seen)-1; i++ {
			assert.InDelta(t, own, seen[i+1].Sub(seen[i]), float64(time.Millisecond))
		}
	})
}

func TestShortPausesOfOnesOwnAreNotMadeLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{MaxSessionTimeout: 24 * time.Hour})
		var d dials
		connected(t, s, d.watch, func(c *framework.Config) {
			c.SessionTimeout, c.ReconnectPolicy = 24*time.Hour, retry.Forever(time.Second)
		})
		time.Sleep(time.Hour)
		s.Refuse()
		s.Cut(zktest.AllConns())
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.InDelta(t, 60, len(d.seen()), 5)
	})
}

func TestOperationsFollowTheGrantedTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, g granting, s *zktest.Server) {
		cli := g.client(t, s)
		s.Stop()
		begun := time.Now()
		_, err := cli.Get(t.Context(), "/")
		require.ErrorContains(t, err, "OperationTimeout has passed")
		assert.Equal(t, 2*g.granted, time.Since(begun))
	})
}

func TestCloseFollowsTheGrantedTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, g granting, s *zktest.Server) {
		cfg := configFor(s)
		cfg.SessionTimeout = g.asked
		cli, err := framework.New(cfg)
		require.NoError(t, err)
		require.NoError(t, cli.WaitConnected(t.Context()))
		release := make(chan struct{})
		defer close(release)
		go func() { _ = cli.Run(t.Context(), stubborn("one", release)) }()
		synctest.Wait()
		begun := time.Now()
		require.ErrorContains(t, cli.Close(), "recipes still run")
		assert.InDelta(t, g.granted.Seconds(), time.Since(begun).Seconds(), 0.01)
	})
}

func TestClocksFollowTheGrantedTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, g granting, s *zktest.Server) {
		cli := g.client(t, s)
		info := cli.Info()
		assert.Equal(t, g.granted, info.Timeout)
		assert.Equal(t, info.LastAnswer.Add(g.granted*3/4), info.TrustedUntil)
		s.Blackhole(zktest.AllConns(), zktest.Both)
		var lost framework.StateChange
		for ch := range cli.States(within(t, 2*g.granted)) {
			if lost = ch; ch.State == framework.Lost {
				break
			}
		}
		assert.Equal(t, framework.Lost, lost.State)
		assert.Equal(t, info.LastAnswer.Add(g.granted), lost.Time)
	})
}

// Servers are away for a while that the session survives, and are hung before they are back: the client does not lose it.
func TestOutagesThatTheSessionSurvives(t *testing.T) {
	inBubble(t, func(t *testing.T, g granting, s *zktest.Server) {
		cli := g.client(t, s)
		time.Sleep(g.granted)
		s.Refuse()
		s.Cut(zktest.AllConns())
		time.Sleep(min(g.granted/4, 3*time.Second))
		require.NoError(t, s.Accept())
		begun := time.Now()
		for ch := range cli.States(within(t, 2*g.granted)) {
			require.NotEqual(t, framework.Lost, ch.State)
			if ch.State == framework.Reconnected {
				break
			}
		}
		assert.LessOrEqual(t, time.Since(begun), min(g.granted/8, 5*time.Second)+10*time.Millisecond)
	})
}
