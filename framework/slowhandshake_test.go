package framework_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// slowHandshakes delays the handshakes of a server.
type slowHandshakes struct {
	delay atomic.Int64
	most  atomic.Int64 // sessions that the server had at a time
}

// where says on which way a handshake is slow.
var where = map[string]zktest.Stage{"request": zktest.Request, "answer": zktest.Reply}

// slowDown makes handshakes on the endpoints slow, at the stage.
func slowDown(s *zktest.Server, stage zktest.Stage, delay time.Duration, endpoints ...int) *slowHandshakes {
	slow := &slowHandshakes{}
	slow.delay.Store(int64(delay))
	on := zktest.EndpointConns(endpoints...)
	s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Op == zktest.OpConnect && f.Stage == zktest.Reply {
			slow.most.Store(max(slow.most.Load(), int64(len(s.Sessions()))))
		}
		if f.Op == zktest.OpConnect && f.Stage == stage && on(f.Conn) {
			return zktest.DelayBy(time.Duration(slow.delay.Load()))
		}
		return zktest.Pass
	})
	return slow
}

// handshakes are the delays of handshakes, as parts of the session timeout.
var handshakes = []float64{0.1, 0.2, 0.3, 0.5, 0.9}

// ofT is so much of the session timeout.
func ofT(part float64) time.Duration { return time.Duration(part * float64(sessionTimeout)) }

// forHandshakes runs f for each delay on each way, in a bubble.
func forHandshakes(t *testing.T, f func(t *testing.T, stage zktest.Stage, delay time.Duration)) {
	t.Helper()
	for way, stage := range where {
		for _, part := range handshakes {
			t.Run(fmt.Sprintf("%s late by %v T", way, part), func(t *testing.T) {
				bubble(t, func(t *testing.T) { f(t, stage, ofT(part)) })
			})
		}
	}
}

// stays checks, in a bubble, that the client keeps its session for ten timeouts, and can use it.
func stays(t *testing.T, s *zktest.Server, cli *framework.Client) {
	t.Helper()
	before := cli.State()
	require.True(t, before.State.Connected(), "%v", before.State)
	time.Sleep(10 * sessionTimeout)
	assert.Equal(t, before, cli.State())
	_, err := cli.Create(t.Context(), "/alive", nil, framework.Ephemeral)
	require.NoError(t, err)
	assert.Equal(t, before.SessionID, sessionID(t, s), "the only session that is left")
}

// cut breaks the connection right after an answer, and returns how the session has gone on, and how long that took.
func cut(t *testing.T, s *zktest.Server, cli *framework.Client) (framework.State, time.Duration) {
	t.Helper()
	_, _, err := cli.Exists(t.Context(), "/")
	require.NoError(t, err)
	begun := time.Now()
	s.Cut(zktest.AllConns())
	awaitState(t, cli, framework.Suspended)
	return awaitState(t, cli, framework.Reconnected, framework.Lost).State, time.Since(begun)
}

func TestSlowHandshakeOfTheOnlyServerConnects(t *testing.T) {
	forHandshakes(t, func(t *testing.T, stage zktest.Stage, delay time.Duration) {
		s := startServer(t, zktest.Config{})
		slow := slowDown(s, stage, delay, 0)
		begun := time.Now()
		cli := connected(t, s)
		t.Logf("connected after %v of a session timeout, %d sessions started", time.Since(begun).Seconds()/sessionTimeout.Seconds(), s.Counts().Sessions)
		tries := 1 + int64(math.Ceil(max(0, math.Log2(delay.Seconds()/(sessionTimeout/6).Seconds()))))
		assert.LessOrEqual(t, time.Since(begun), 5*sessionTimeout/2)
		assert.LessOrEqual(t, s.Counts().Sessions, tries, "one for each try, each of which has twice the time")
		assert.LessOrEqual(t, slow.most.Load(), tries)
		time.Sleep(2 * sessionTimeout)
		assert.Len(t, s.Sessions(), 1, "the others are closed")
		stays(t, s, cli)
	})
}

func TestSlowHandshakeOfTheOnlyServerResumesTheSession(t *testing.T) {
	forHandshakes(t, func(t *testing.T, stage zktest.Stage, delay time.Duration) {
		s := startServer(t, zktest.Config{})
		slow := slowDown(s, stage, 0, 0)
		cli := connected(t, s)
		session := sessionOf(t, cli)
		r := record(t, cli)
		time.Sleep(10 * sessionTimeout)
		_, err := session.Create(t.Context(), "/mine", nil, framework.Ephemeral)
		require.NoError(t, err)
		slow.delay.Store(int64(delay))
		cut(t, s, cli)
		stays(t, s, cli)
		assert.Equal(t, []framework.State{framework.Connected, framework.Suspended, framework.Reconnected}, r.states())
		assert.EqualValues(t, 1, s.Counts().Sessions)
		assert.True(t, s.Exists("/mine"))
	})
}

// The others answer at once: they are asked within the usual bound.
func TestSlowHandshakeOfOneOfThreeIsLeft(t *testing.T) {
	forHandshakes(t, func(t *testing.T, stage zktest.Stage, delay time.Duration) {
		for endpoint := range 3 { // whichever is asked first
			s := startServer(t, zktest.Config{Endpoints: 3})
			slow := slowDown(s, stage, delay, endpoint)
			begun := time.Now()
			cli := connected(t, s)
			assert.Less(t, time.Since(begun), sessionTimeout/5)
			time.Sleep(2 * sessionTimeout)
			assert.Len(t, s.Sessions(), 1)
			id := sessionOf(t, cli).ID()
			state, took := cut(t, s, cli)
			assert.Equal(t, framework.Reconnected, state)
			assert.Less(t, took, sessionTimeout/5)
			time.Sleep(sessionTimeout) // a resume that was given up may move the session once more, when it is served
			stays(t, s, cli)
			assert.Equal(t, id, sessionOf(t, cli).ID())
			assert.LessOrEqual(t, slow.most.Load(), int64(4), "one for each try")
			assert.NoError(t, cli.Close())
		}
	})
}

// The others refuse connections, and so there is nobody better to ask.
func TestSlowHandshakeOfTheOnlyOneOfThreeThatIsThere(t *testing.T) {
	forHandshakes(t, func(t *testing.T, stage zktest.Stage, delay time.Duration) {
		for endpoint := range 3 { // whichever is asked first
			s := startServer(t, zktest.Config{Endpoints: 3})
			s.Refuse((endpoint+1)%3, (endpoint+2)%3)
			slow := slowDown(s, stage, delay, endpoint)
			begun := time.Now()
			cli := connected(t, s)
			assert.Less(t, time.Since(begun), 4*sessionTimeout)
			assert.LessOrEqual(t, slow.most.Load(), int64(4), "one for each try")
			time.Sleep(2 * sessionTimeout)
			id := sessionOf(t, cli).ID()
			cut(t, s, cli)
			if delay < ofT(0.8) { // time for another handshake, T/6, is kept back
				assert.Equal(t, id, sessionOf(t, cli).ID())
			}
			require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
			time.Sleep(sessionTimeout)
			stays(t, s, cli)
			assert.NoError(t, cli.Close())
		}
	})
}

// A server that hangs among three is left within the usual bound, however often it was asked before.
func TestHungHandshakeOfOneOfThreeIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3})
		slowDown(s, zktest.Request, time.Hour, 1)
		cli := connected(t, s)
		r := record(t, cli)
		for range 20 {
			time.Sleep(sessionTimeout)
			state, took := cut(t, s, cli)
			require.Equal(t, framework.Reconnected, state)
			assert.Less(t, took, sessionTimeout/5)
		}
		assert.Zero(t, r.count(framework.Lost))
		stays(t, s, cli)
	})
}

// A server that has just come up leaves the first connection without an answer for ever, as ZooKeeper 3.8 may. The session survives it.
func TestHungHandshakeOfAServerThatHasJustComeUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		before := cli.State().SessionID
		s.Stop()
		awaitState(t, cli, framework.Suspended)
		time.Sleep(sessionTimeout / 4)
		hung := 0
		s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Op == zktest.OpConnect && hung == 0 {
				hung++
				return zktest.Drop
			}
			return zktest.Pass
		})
		require.NoError(t, s.StartEndpoint())
		require.Equal(t, framework.Reconnected, awaitState(t, cli, framework.Reconnected, framework.Lost).State)
		assert.Equal(t, 1, hung)
		assert.Equal(t, before, cli.State().SessionID)
		stays(t, s, cli)
	})
}

// The handshake is answered later than its try lasts. Each try leaves at most one session behind, and closes it.
func TestHandshakeSlowerThanAnyTryLeavesNoSessionBehind(t *testing.T) {
	for way, stage := range where {
		t.Run(way, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				slow := slowDown(s, stage, ofT(1.5), 0)
				cli := newClient(t, s)
				time.Sleep(20 * sessionTimeout)
				t.Logf("%d sessions started, at most %d at a time", s.Counts().Sessions, slow.most.Load())
				assert.Equal(t, framework.Connecting, cli.State().State)
				assert.LessOrEqual(t, slow.most.Load(), int64(1))
				slow.delay.Store(0)
				require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
				time.Sleep(2 * sessionTimeout)
				stays(t, s, cli)
			})
		})
	}
}

// openedLate is connected by a handshake that took 0.9 T. The exists that it sends at once is answered after delay.
func openedLate(t *testing.T, delay time.Duration, changes ...configure) (*zktest.Server, *framework.Client) {
	t.Helper()
	s := startServer(t, zktest.Config{})
	slowDown(s, zktest.Request, ofT(0.9), 0)
	s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Op == zktest.OpExists && f.Stage == zktest.Reply {
			return zktest.DelayBy(delay)
		}
		return zktest.Pass
	})
	return s, connected(t, s, changes...)
}

// A claim needs trust, also on a connection that is up. The client asks for it at once.
func TestConnectedWithoutTrustUntilTheFirstAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, cli := openedLate(t, ofT(0.3))
		session := sessionOf(t, cli)
		hold := framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop}
		for range 2 {
			synctest.Wait()
			assert.Equal(t, framework.Connected, cli.State().State)
			assert.True(t, cli.Info().TrustedUntil.Before(time.Now()))
			claim, cancel := session.ClaimContext(t.Context(), hold)
			assert.ErrorIs(t, context.Cause(claim), framework.ErrUntrusted)
			cancel(nil)
			time.Sleep(ofT(0.14))
		}
		assert.EqualValues(t, 1, s.Counts().Requests[zktest.OpExists])
		time.Sleep(ofT(0.03))
		claim, cancel := session.ClaimContext(t.Context(), hold)
		defer cancel(nil)
		assert.NoError(t, claim.Err())
		assert.Equal(t, cli.State().Time.Add(ofT(0.75)), session.TrustedUntil(), "from when the exists was sent")
	})
}

func TestConnectionThatHasOpenedLateIsKeptUntilAnAnswer(t *testing.T) {
	for _, part := range []float64{0.05, 0.2, 0.4, 0.6} {
		t.Run(fmt.Sprintf("after %v T", part), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				_, cli := openedLate(t, ofT(part))
				up := cli.State()
				for range 10 {
					time.Sleep(ofT(0.5))
					require.Equal(t, up, cli.State())
				}
			})
		})
	}
}

// A connection ends that is silent for two thirds of T. Until then it is kept, and so is the session.
func TestSessionThatHasOpenedLateAndStaysSilentIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, cli := openedLate(t, time.Hour)
		r := record(t, cli)
		up := cli.State()
		lost := awaitState(t, cli, framework.Lost)
		assert.Equal(t, framework.Suspended, lost.Previous)
		assert.GreaterOrEqual(t, lost.Time.Sub(up.Time), ofT(0.6))
		assert.LessOrEqual(t, lost.Time.Sub(up.Time), ofT(1))
		requireOrder(t, r.all())
	})
}

// A reply of 1.2 T. Claims end by trust; the connection is not broken.
func TestConnectionThatReceivesALongReplyIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const size = 600_000
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		session := sessionOf(t, cli)
		mustCreate(t, s, "/long", strings.Repeat("x", size))
		up := cli.State()
		claim, cancel := session.ClaimContext(t.Context(), framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop})
		defer cancel(nil)
		defer s.Throttle(zktest.AllConns(), int(size/ofT(1.2).Seconds()))()
		begun := time.Now()
		node, err := session.Get(within(t, 3*sessionTimeout), "/long")
		require.NoError(t, err)
		assert.Len(t, node.Data, size)
		assert.Greater(t, time.Since(begun), ofT(1.1))
		assert.ErrorIs(t, context.Cause(claim), framework.ErrUntrusted)
		assert.Equal(t, up, cli.State())
	})
}

// The servers grant a tenth of what the client asks for, and answer after twice what they grant.
func TestSlowHandshakeThatGrantsLessThanItHasTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{MaxSessionTimeout: sessionTimeout})
		slow := slowDown(s, zktest.Request, 2*sessionTimeout, 0)
		cli := connected(t, s, func(c *framework.Config) { c.SessionTimeout = 10 * sessionTimeout })
		slow.delay.Store(0)
		assert.LessOrEqual(t, s.Counts().Sessions, int64(2), "the second try has time enough")
		stays(t, s, cli)
	})
}

// The client asks for less than the servers grant, and its first handshake takes longer than a sixth of that.
func TestFirstConnectionWhenLessIsAskedThanGranted(t *testing.T) {
	for _, roundTrip := range []time.Duration{200 * time.Millisecond, 400 * time.Millisecond} {
		t.Run(roundTrip.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{MinSessionTimeout: 4 * time.Second, MaxSessionTimeout: 4 * time.Second})
				s.Delay(zktest.AllConns(), roundTrip/2)
				begun := time.Now()
				cli := connected(t, s, func(c *framework.Config) { c.SessionTimeout = time.Second })
				assert.Less(t, time.Since(begun), 4*roundTrip)
				assert.Equal(t, 4*time.Second, cli.State().Timeout)
				stays(t, s, cli)
			})
		})
	}
}

// The first answer that comes too late says what the servers grant, so the next try has more time.
func TestLateReplyStillGrantsTheTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{MinSessionTimeout: 4 * time.Second, MaxSessionTimeout: 4 * time.Second})
		slowDown(s, zktest.Reply, 1500*time.Millisecond, 0)
		cli := newClient(t, s, func(c *framework.Config) { c.SessionTimeout = time.Second })
		require.NoError(t, cli.WaitConnected(within(t, 10*time.Second)))
		time.Sleep(2 * sessionTimeout)
		stays(t, s, cli)
	})
}

// A try that is under way when the client is closed leaves no session behind either.
func TestCloseDuringAHandshakeLeavesNoSessionBehind(t *testing.T) {
	for way, stage := range where {
		t.Run(way, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				slowDown(s, stage, ofT(0.9), 0)
				cli := newClient(t, s)
				time.Sleep(sessionTimeout / 10)
				begun := time.Now()
				require.NoError(t, cli.Close())
				assert.LessOrEqual(t, time.Since(begun), time.Second+50*time.Millisecond)
				time.Sleep(sessionTimeout - time.Millisecond)
				synctest.Wait()
				assert.Empty(t, s.Sessions())
			})
		})
	}
}
