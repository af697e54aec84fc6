package framework_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// cautious ends what is held on SUSPENDED.
var cautious = framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Stop}

// hold returns a claim of the client's session with an ephemeral node.
func hold(t *testing.T, cli *framework.Client, node string) context.Context {
	t.Helper()
	session := sessionOf(t, cli)
	_, err := session.Create(within(t, time.Minute), node, nil, framework.Ephemeral)
	require.NoError(t, err)
	claim, cancel := session.ClaimContext(t.Context(), cautious)
	t.Cleanup(func() { cancel(nil) })
	return claim
}

// A session moves to another server without SUSPENDED. Nothing that is held ends, and no operation fails.
func TestReconnectEndsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3})
		cli := connected(t, s)
		r := record(t, cli)
		claim := hold(t, cli, "/held")
		before := cli.Info()
		for i := range 5 {
			begun := time.Now()
			require.NoError(t, cli.Reconnect(within(t, time.Minute)))
			assert.Less(t, time.Since(begun), sessionTimeout/8)
			info := cli.Info()
			assert.Equal(t, framework.Reconnected, info.State)
			assert.NotEqual(t, before.Server, info.Server, "move %d", i)
			assert.Equal(t, before.SessionID, info.SessionID)
			assert.True(t, info.Time.After(before.Time))
			require.NoError(t, claim.Err())
			before = info
		}
		require.Len(t, s.Sessions(), 1)
		require.True(t, s.Exists("/held"))
		time.Sleep(3 * sessionTimeout)
		require.NoError(t, claim.Err())
		assert.Zero(t, r.count(framework.Suspended))
		assert.Equal(t, 5, r.count(framework.Reconnected))
		assert.True(t, cli.Health().Ready())

		s.Cut(zktest.AllConns())
		<-claim.Done()
		require.ErrorIs(t, context.Cause(claim), framework.ErrSuspended, "a break is a break, also after a move")
	})
}

// While a session moves again and again, every operation of many callers succeeds at its first try, and is applied once.
func TestReconnectUnderLoad(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3, Latency: 3 * time.Millisecond})
		cli := connected(t, s, func(c *framework.Config) { c.RetryPolicy = never })
		_, err := cli.Create(t.Context(), "/dir", nil)
		require.NoError(t, err)
		stop := make(chan struct{})
		var workers sync.WaitGroup
		var created, read atomic.Int64
		work := func(do func() error, count *atomic.Int64) {
			workers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if !assert.NoError(t, do()) {
						return
					}
					count.Add(1)
				}
			})
		}
		for range 8 {
			work(func() error {
				_, err := cli.Create(t.Context(), "/dir/n-", nil, framework.PersistentSequential)
				return err
			}, &created)
			work(func() error { _, err := cli.Get(t.Context(), "/dir"); return err }, &read)
		}
		for range 25 {
			require.NoError(t, cli.Reconnect(within(t, time.Minute)))
			time.Sleep(20 * time.Millisecond)
		}
		close(stop)
		workers.Wait()
		names, _, err := cli.Children(t.Context(), "/dir")
		require.NoError(t, err)
		assert.EqualValues(t, created.Load(), len(names))
		assert.Greater(t, created.Load(), int64(500))
		assert.Greater(t, read.Load(), int64(500))
	})
}

// What changes while the session moves reaches watches: one-shot watches fire, and recursive ones are reset.
func TestWatchesMoveAlong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		mustCreate(t, s, "/tree/node", "")
		var change atomic.Bool
		cli := connected(t, s)
		session := sessionOf(t, cli)
		_, watch, err := session.WatchData(t.Context(), "/tree/node")
		require.NoError(t, err)
		tree, err := session.WatchTree(t.Context(), "/tree")
		require.NoError(t, err)
		defer tree.Stop()
		stop := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpConnect && change.CompareAndSwap(true, false) {
				go func() { _ = s.Set("/tree/node", []byte("new")) }()
				return zktest.DelayBy(20 * time.Millisecond)
			}
			return zktest.Pass
		})
		defer stop()
		change.Store(true)
		require.NoError(t, cli.Reconnect(within(t, time.Minute)))
		require.False(t, change.Load())
		ev := <-watch.C
		assert.Equal(t, framework.EventDataChanged, ev.Type)
		for ev.Type != framework.EventReset { // what the one-shot watch is told comes ahead of it
			ev, err = tree.Next(within(t, time.Minute))
			require.NoError(t, err)
		}
	})
}

// A handshake that fails in a move ends nothing while another server takes the session in time.
func TestReconnectOverAServerThatDoesNotServe(t *testing.T) {
	for name, fault := range map[string]zktest.Verdict{"broken": zktest.Cut, "hangs": zktest.Drop} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 2})
				cli := connected(t, s)
				r := record(t, cli)
				claim := hold(t, cli, "/held")
				var once atomic.Bool
				stop := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Request && f.Op == zktest.OpConnect && !once.Swap(true) {
						return fault
					}
					return zktest.Pass
				})
				defer stop()
				require.NoError(t, cli.Reconnect(within(t, time.Minute)))
				require.True(t, once.Load())
				require.NoError(t, claim.Err())
				all := r.all()
				require.Len(t, all, 2)
				assert.Equal(t, framework.Reconnected, all[1].State)
				assert.Equal(t, all[0].SessionID, all[1].SessionID)
			})
		})
	}
}

// If no server takes the session in time, that is a break like any other.
func TestReconnectThatFails(t *testing.T) {
	for name, fault := range map[string]zktest.Verdict{"broken": zktest.Cut, "hangs": zktest.Drop} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 2})
				cli := connected(t, s)
				r := record(t, cli)
				claim := hold(t, cli, "/held")
				begun := time.Now()
				stop := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Request && f.Op == zktest.OpConnect && time.Since(begun) < sessionTimeout/5 {
						return fault
					}
					return zktest.Pass
				})
				defer stop()
				require.NoError(t, cli.Reconnect(within(t, time.Minute)), "there is a new connection in the end")
				require.ErrorIs(t, context.Cause(claim), framework.ErrSuspended)
				all := r.all()
				require.Len(t, all, 3)
				assert.Equal(t, framework.Suspended, all[1].State)
				assert.InDelta(t, sessionTimeout/6, all[1].Time.Sub(begun), float64(20*time.Millisecond))
				assert.Equal(t, framework.Reconnected, all[2].State)
				assert.Equal(t, all[0].SessionID, all[2].SessionID)
				_, _, err := cli.Exists(t.Context(), "/held")
				require.NoError(t, err)
			})
		})
	}
}

// As long as no new connection can be opened, the old one serves on.
func TestReconnectWithoutAServerToGoTo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		away := errors.New("no way")
		var refuse atomic.Bool
		cli := connected(t, s, func(c *framework.Config) {
			dial := c.Dialer
			c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				if refuse.Load() {
					return nil, away
				}
				return dial(ctx, network, address)
			}
		})
		r := record(t, cli)
		claim := hold(t, cli, "/held")
		refuse.Store(true)
		err := cli.Reconnect(within(t, 5*time.Second))
		require.ErrorIs(t, err, away)
		require.NoError(t, claim.Err())
		_, _, err = cli.Exists(t.Context(), "/")
		require.NoError(t, err)
		assert.Equal(t, []framework.State{framework.Connected}, r.states())

		done := make(chan error, 1)
		go func() { done <- cli.Reconnect(within(t, time.Hour)) }()
		time.Sleep(time.Minute)
		refuse.Store(false)
		require.NoError(t, <-done)
		require.NoError(t, claim.Err())
		assert.Equal(t, []framework.State{framework.Connected, framework.Reconnected}, r.states())
	})
}

// Without a connection Reconnect waits for one. After Close it returns.
func TestReconnectWithoutAConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		s.Stop()
		cli := newClient(t, s)
		require.ErrorIs(t, cli.Reconnect(within(t, time.Second)), framework.ErrNotConnected)
		done := make(chan error, 1)
		go func() { done <- cli.Reconnect(context.Background()) }()
		time.Sleep(time.Second)
		require.NoError(t, s.StartEndpoint())
		require.NoError(t, <-done)
		assert.Equal(t, framework.Connected, cli.State().State, "the first connection is new enough")
		require.NoError(t, cli.Close())
		require.ErrorIs(t, cli.Reconnect(context.Background()), framework.ErrClosed)
	})
}

// A client can be closed at any moment of a move. It leaves no session behind, and no goroutine, which the bubble checks.
func TestCloseDuringAMove(t *testing.T) {
	for wait := time.Duration(0); wait < 6*time.Millisecond; wait += 250 * time.Microsecond {
		t.Run(wait.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 2, Latency: time.Millisecond})
				cli := connected(t, s)
				done := make(chan error, 1)
				go func() { done <- cli.Reconnect(context.Background()) }()
				time.Sleep(wait)
				require.NoError(t, cli.Close())
				if err := <-done; err != nil {
					require.ErrorIs(t, err, framework.ErrClosed)
				}
				assert.Empty(t, s.Sessions(), "the session is closed on the new connection, or on the old one")
			})
		})
	}
}

// A client that is closed in a move to a server that hangs waits for the other server to take the session, and closes it there.
func TestCloseDuringAMoveToAServerThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		cli := connected(t, s)
		var once atomic.Bool
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpConnect && !once.Swap(true) {
				return zktest.Drop
			}
			return zktest.Pass
		})()
		go func() { _ = cli.Reconnect(context.Background()) }()
		for !once.Load() {
			time.Sleep(time.Millisecond)
		}
		begun := time.Now()
		require.NoError(t, cli.Close())
		assert.LessOrEqual(t, time.Since(begun), sessionTimeout/6)
		assert.Empty(t, s.Sessions())
	})
}

// A session can also leave a server whose replies take longer than T/6.
func TestReconnectLeavesASlowServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		cli := connected(t, s, func(c *framework.Config) { c.RetryPolicy = never })
		r := record(t, cli)
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpExists {
				return zktest.DelayBy(sessionTimeout / 5)
			}
			return zktest.Pass
		})()
		begun := time.Now()
		require.NoError(t, cli.Reconnect(within(t, time.Hour)))
		assert.Less(t, time.Since(begun), 2*sessionTimeout)
		assert.Equal(t, []framework.State{framework.Connected, framework.Reconnected}, r.states())
	})
}

// Breaks, expiries and moves at the same time leave a client that works, and no claim that outlives its session.
func TestMovesAmongFaults(t *testing.T) {
	for seed := range byte(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 3, Seed: uint64(seed), Latency: time.Millisecond})
				cli := connected(t, s, func(c *framework.Config) { c.Random = seeded(seed) })
				r := record(t, cli)
				stop := make(chan struct{})
				var busy sync.WaitGroup
				for range 3 {
					busy.Go(func() {
						for !isOver(stop) {
							_ = cli.Reconnect(within(t, time.Second))
							time.Sleep(3 * time.Millisecond)
						}
					})
					busy.Go(func() {
						for !isOver(stop) {
							_, _, _ = cli.Exists(within(t, time.Second), "/")
						}
					})
				}
				random := seeded(seed + 100)
				pause := make([]byte, 1)
				for i := range 60 {
					_, _ = random.Read(pause)
					time.Sleep(time.Duration(pause[0]) * 300 * time.Microsecond)
					if i%20 == 19 {
						for _, session := range s.Sessions() {
							s.ExpireSession(session.ID)
						}
						continue
					}
					s.Cut(zktest.AllConns())
				}
				close(stop)
				busy.Wait()
				require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
				_, _, err := cli.Exists(within(t, time.Minute), "/")
				require.NoError(t, err)
				synctest.Wait()
				requireOrderWithMoves(t, r.all())
			})
		})
	}
}

func isOver(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// requireOrderWithMoves is requireOrder without the changes that are planned moves.
func requireOrderWithMoves(t *testing.T, all []framework.StateChange) {
	t.Helper()
	var rest []framework.StateChange
	for _, ch := range all {
		if ch.State == framework.Reconnected && ch.Previous.Connected() {
			continue
		}
		if len(rest) > 0 {
			ch.Previous = rest[len(rest)-1].State
		}
		rest = append(rest, ch)
	}
	requireOrder(t, rest)
}

// The log says why a session moves, in one line for each move.
func TestLogOfAMove(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		var lines bytes.Buffer
		cli := connected(t, s, func(c *framework.Config) { c.Logger = slog.New(slog.NewTextHandler(&lines, nil)) })
		require.NoError(t, cli.Reconnect(within(t, time.Minute)))
		require.NoError(t, cli.Close())
		assert.Equal(t, 1, bytes.Count(lines.Bytes(), []byte("the session moves to another connection")), lines.String())
		assert.NotContains(t, lines.String(), "level=WARN")
	})
}
