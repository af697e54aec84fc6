package framework_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// requireOrder checks what must hold of every history of states.
func requireOrder(t *testing.T, changes []framework.StateChange) {
	t.Helper()
	for i, ch := range changes[1:] {
		before := changes[i]
		require.Equal(t, before.State, ch.Previous, "change %d", i+1)
		require.False(t, ch.Time.Before(before.Time), "change %d", i+1)
		require.GreaterOrEqual(t, ch.Epoch, before.Epoch, "change %d", i+1)
		require.Contains(t, followers[before.State], ch.State, "change %d", i+1)
		switch ch.State {
		case framework.Connected:
			require.Greater(t, ch.Epoch, before.Epoch)
			require.NoError(t, ch.Cause)
		case framework.Reconnected:
			require.Equal(t, before.SessionID, ch.SessionID)
			require.NoError(t, ch.Cause)
		default:
			require.Error(t, ch.Cause)
		}
	}
}

// followers is the picture in the package documentation.
var followers = map[framework.State][]framework.State{
	framework.Connecting:  {framework.Connected, framework.Closed},
	framework.Connected:   {framework.Suspended, framework.Closed},
	framework.Suspended:   {framework.Reconnected, framework.Lost, framework.Closed},
	framework.Reconnected: {framework.Suspended, framework.Closed},
	framework.Lost:        {framework.Connected, framework.Closed},
}

func TestStatesOfALife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := newClient(t, s)
		assert.Equal(t, framework.Connecting, cli.State().State)
		r := record(t, cli)
		require.NoError(t, cli.WaitConnected(t.Context()))
		first := cli.State()
		assert.Equal(t, sessionID(t, s), first.SessionID)
		assert.Equal(t, s.Addrs()[0], first.Server)
		assert.Equal(t, sessionTimeout, first.Timeout)
		assert.EqualValues(t, 1, first.Epoch)

		time.Sleep(time.Second)
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Reconnected)
		s.ExpireSession(first.SessionID)
		awaitState(t, cli, framework.Lost)
		require.NoError(t, cli.WaitConnected(t.Context()))
		require.NoError(t, cli.Close())
		synctest.Wait()

		changes := r.all()
		requireOrder(t, changes)
		assert.Equal(t, []framework.State{
			framework.Connecting, framework.Connected, framework.Suspended, framework.Reconnected,
			framework.Suspended, framework.Lost, framework.Connected, framework.Closed,
		}, r.states())
		lost, next := changes[5], changes[6]
		require.ErrorIs(t, lost.Cause, framework.ErrSessionLost)
		assert.Equal(t, first.SessionID, lost.SessionID)
		assert.EqualValues(t, 1, lost.Epoch)
		assert.EqualValues(t, 2, next.Epoch)
		assert.NotEqual(t, first.SessionID, next.SessionID)
		require.ErrorIs(t, changes[7].Cause, framework.ErrClosed)
		for _, ch := range changes[1:7] {
			assert.Equal(t, s.Addrs()[0], ch.Server, "%v", ch.State)
		}
	})
}

func TestReconnectInTimeGivesNoLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3})
		cli := connected(t, s)
		r := record(t, cli)
		s.Stop()
		time.Sleep(sessionTimeout / 2)
		require.NoError(t, s.StartEndpoint())
		awaitState(t, cli, framework.Reconnected)
		time.Sleep(3 * sessionTimeout)
		requireOrder(t, r.all())
		assert.Equal(t, []framework.State{framework.Connected, framework.Suspended, framework.Reconnected}, r.states())
	})
}

// With nothing but silence from the servers, both clocks run from the last answered request, whatever else happens.
func TestLostByTheClock(t *testing.T) {
	for name, silence := range map[string]func(*zktest.Server){
		"black hole":         func(s *zktest.Server) { s.Blackhole(zktest.AllConns(), zktest.Both) },
		"no answers":         func(s *zktest.Server) { s.Blackhole(zktest.AllConns(), zktest.ToClient) },
		"servers are paused": func(s *zktest.Server) { s.Pause() },
		"servers are gone":   func(s *zktest.Server) { s.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 3})
				cli := connected(t, s)
				session := sessionOf(t, cli)
				r := record(t, cli)
				time.Sleep(5*sessionTimeout + 123*time.Millisecond)
				silence(s)
				lost := awaitState(t, cli, framework.Lost)
				answered := session.TrustedUntil().Add(sessionTimeout/4 - sessionTimeout)
				assert.Equal(t, answered.Add(sessionTimeout), lost.Time)
				require.ErrorIs(t, lost.Cause, framework.ErrSessionLost)
				require.ErrorIs(t, session.Err(), framework.ErrSessionLost)
				suspended := r.all()[1]
				assert.Equal(t, framework.Suspended, suspended.State)
				assert.LessOrEqual(t, suspended.Time.Sub(answered), 3*sessionTimeout/4, "published when trust ends at the latest")
				time.Sleep(10 * sessionTimeout)
				requireOrder(t, r.all())
				assert.Equal(t, 1, r.count(framework.Lost))
			})
		})
	}
}

// The client asks for ten times what the server grants: its clocks use what was granted.
func TestGrantedTimeoutCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{MaxSessionTimeout: 4 * time.Second})
		cli := connected(t, s, func(c *framework.Config) { c.SessionTimeout = 40 * time.Second })
		session := sessionOf(t, cli)
		assert.Equal(t, 4*time.Second, session.Timeout())
		assert.Equal(t, 4*time.Second, cli.State().Timeout)
		time.Sleep(time.Minute)
		assert.Equal(t, framework.Connected, cli.State().State, "pings go out in time for it, too")
		s.Blackhole(zktest.AllConns(), zktest.Both)
		start := time.Now()
		lost := awaitState(t, cli, framework.Lost)
		assert.Equal(t, session.TrustedUntil().Add(time.Second), lost.Time)
		assert.LessOrEqual(t, lost.Time.Sub(start), 4*time.Second)
	})
}

// One that never reads delays nobody, and finds everything when it reads after all.
func TestSubscriberThatNeverReads(t *testing.T) {
	const flaps = 300
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		idle := cli.States(ctx)
		r := record(t, cli)
		for i := range flaps {
			time.Sleep(time.Second)
			s.Cut(zktest.AllConns())
			awaitState(t, cli, framework.Suspended)
			awaitState(t, cli, framework.Reconnected)
			synctest.Wait()
			require.Len(t, r.all(), 1+2*(i+1), "the others are on time")
		}
		for _, want := range r.all() {
			require.Equal(t, want, <-idle)
		}
		cancel()
		for range idle { // until it is closed
		}
	})
}

func TestStatesBeginWithThePresentAndEndWithClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		changes := cli.States(t.Context())
		assert.Equal(t, cli.State(), <-changes)
		require.NoError(t, cli.Close())
		assert.Equal(t, framework.Closed, (<-changes).State)
		_, open := <-changes
		assert.False(t, open)

		late := cli.States(t.Context())
		assert.Equal(t, framework.Closed, (<-late).State)
		_, open = <-late
		assert.False(t, open)
	})
}

func TestStatesEndWithTheirContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		changes := cli.States(ctx)
		<-changes
		cancel()
		_, open := <-changes
		assert.False(t, open)
	})
}

func TestStateNames(t *testing.T) {
	names := map[framework.State]string{
		framework.Connecting: "Connecting", framework.Connected: "Connected", framework.Suspended: "Suspended",
		framework.Reconnected: "Reconnected", framework.Lost: "Lost", framework.Closed: "Closed",
		framework.ReadOnly: "ReadOnly", framework.State(-1): "State(?)", framework.State(7): "State(?)",
	}
	for s, name := range names {
		assert.Equal(t, name, s.String())
		assert.Equal(t, name == "Connected" || name == "Reconnected", s.Connected())
		assert.Equal(t, s.Connected() || name == "ReadOnly", s.CanRead())
	}
}
