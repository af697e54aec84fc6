package framework_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/retry"
	"github.com/docent-zk/docent/zktest"
)

// operations are all ways to wait for a server, in a bubble. Paths and data do not matter: none is answered in time.
var operations = map[string]func(ctx context.Context, cli *framework.Client) error{
	"get": func(ctx context.Context, cli *framework.Client) error { _, err := cli.Get(ctx, "/node"); return err },
	"exists": func(ctx context.Context, cli *framework.Client) error {
		_, _, err := cli.Exists(ctx, "/node")
		return err
	},
	"children": func(ctx context.Context, cli *framework.Client) error {
		_, _, err := cli.Children(ctx, "/node")
		return err
	},
	"sync":   func(ctx context.Context, cli *framework.Client) error { return cli.Sync(ctx, "/node") },
	"getACL": func(ctx context.Context, cli *framework.Client) error { _, _, err := cli.ACL(ctx, "/node"); return err },
	"watchData": func(ctx context.Context, cli *framework.Client) error {
		_, _, err := cli.WatchData(ctx, "/node")
		return err
	},
	"watchExists": func(ctx context.Context, cli *framework.Client) error {
		_, _, _, err := cli.WatchExists(ctx, "/n")
		return err
	},
	"watchChildren": func(ctx context.Context, cli *framework.Client) error {
		_, _, _, err := cli.WatchChildren(ctx, "/node")
		return err
	},
	"create": func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Create(ctx, "/new", nil)
		return err
	},
	"protected create": func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Create(ctx, "/dir/new", nil, framework.EphemeralSequential, framework.Protected, framework.Parents)
		return err
	},
	"large create": func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Create(ctx, "/new", make([]byte, 500_000))
		return err
	},
	"set": func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Set(ctx, "/node", nil, framework.AnyVersion)
		return err
	},
	"setACL": func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.SetACL(ctx, "/node", framework.OpenACL(), framework.AnyVersion)
		return err
	},
	"delete": func(ctx context.Context, cli *framework.Client) error {
		return cli.Delete(ctx, "/node", framework.AnyVersion, framework.Guaranteed)
	},
	"multi": func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Multi(ctx, []framework.Op{framework.CheckOp("/node", framework.AnyVersion)})
		return err
	},
	"create in queue": func(ctx context.Context, cli *framework.Client) error {
		session, err := cli.Session(ctx)
		if err != nil {
			return err
		}
		_, _, err = recipekit.CreateInQueue(ctx, session, "/queue", "n-", nil)
		return err
	},
	"wait for a connection": func(ctx context.Context, cli *framework.Client) error {
		for {
			if err := cli.WaitConnected(ctx); err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	},
	"recipe": func(ctx context.Context, cli *framework.Client) error {
		return cli.Run(ctx, framework.Recipe{Name: "wait", Policy: holding, Run: func(ctx context.Context, _ *framework.Session) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}})
	},
}

var holding = framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}

// conditions are what a client in a bubble can be in when an operation waits.
var conditions = map[string]func(t *testing.T, s *zktest.Server, cli *framework.Client){
	"connecting": func(_ *testing.T, s *zktest.Server, _ *framework.Client) { s.Stop() },
	"hung in the handshake": func(_ *testing.T, s *zktest.Server, _ *framework.Client) {
		s.Pause()
	},
	"connected to a slow server": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		require.NoError(t, cli.WaitConnected(t.Context()))
		s.Delay(zktest.AllConns(), 200*time.Millisecond)
	},
	"black hole": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		require.NoError(t, cli.WaitConnected(t.Context()))
		s.Blackhole(zktest.AllConns(), zktest.Both)
	},
	"suspended": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		require.NoError(t, cli.WaitConnected(t.Context()))
		s.Stop()
		awaitState(t, cli, framework.Suspended)
	},
	"suspended, dialling a black hole": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		require.NoError(t, cli.WaitConnected(t.Context()))
		s.Blackhole(zktest.AllConns(), zktest.Both)
		awaitState(t, cli, framework.Suspended)
		time.Sleep(sessionTimeout / 20)
	},
	"lost": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		require.NoError(t, cli.WaitConnected(t.Context()))
		s.Stop()
		awaitState(t, cli, framework.Lost)
	},
}

// Close in the middle of anything: every call returns, once, and soon, and nothing is left of the client. (What is left
// would keep the bubble from ending.)
func TestCloseDuringAnyOperation(t *testing.T) {
	for condition, arrange := range conditions {
		t.Run(condition, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 3})
				mustCreate(t, s, "/node", "")
				cli := newClient(t, s)
				arrange(t, s, cli)
				var returned atomic.Int32
				for name, op := range operations {
					go func() {
						err := op(context.Background(), cli)
						returned.Add(1)
						// What was sent can be answered yet, by a server where two create the same node and one deletes another.
						answered := err == nil || errors.Is(err, framework.ErrNoNode) || errors.Is(err, framework.ErrNodeExists)
						assert.True(t, answered || errors.Is(err, framework.ErrClosed), "%s: %v", name, err)
					}()
				}
				time.Sleep(10 * time.Millisecond)
				assert.Zero(t, returned.Load())
				start := time.Now()
				require.NoError(t, cli.Close())
				assert.LessOrEqual(t, time.Since(start), time.Second)
				synctest.Wait()
				assert.EqualValues(t, len(operations), returned.Load())
				assert.Equal(t, framework.Closed, cli.State().State)
			})
		})
	}
}

// A call that pauses between two tries returns as well, and one of a session when that is lost.
func TestPausesEndWithTheClientAndWithTheSession(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, s *zktest.Server, cli *framework.Client){
		"closed": func(t *testing.T, _ *zktest.Server, cli *framework.Client) { require.NoError(t, cli.Close()) },
		"lost": func(t *testing.T, s *zktest.Server, cli *framework.Client) {
			s.ExpireSession(cli.State().SessionID)
			awaitState(t, cli, framework.Lost)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s, func(c *framework.Config) { c.RetryPolicy, c.OperationTimeout = retry.Forever(time.Minute), -1 })
				session := sessionOf(t, cli)
				cutRequests(s, zktest.OpGetData)
				done := make(chan error, 1)
				go func() {
					if name == "lost" {
						_, err := session.Get(context.Background(), "/")
						done <- err
						return
					}
					_, err := cli.Get(context.Background(), "/")
					done <- err
				}()
				time.Sleep(10 * time.Second)
				end(t, s, cli)
				synctest.Wait()
				require.Len(t, done, 1)
				require.Error(t, <-done)
			})
		})
	}
}

// A session that can be closed is: its ephemeral nodes go at once.
func TestCloseEndsTheSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		_, err := cli.Create(t.Context(), "/node", nil, framework.Ephemeral)
		require.NoError(t, err)
		session := sessionOf(t, cli)
		_, _, watch, err := session.WatchExists(t.Context(), "/node")
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, cli.Close())
		assert.Less(t, time.Since(start), 10*time.Millisecond)
		assert.False(t, s.Exists("/node"))
		assert.Empty(t, s.Sessions())
		require.ErrorIs(t, session.Err(), framework.ErrClosed)
		<-session.Done()
		ev := <-watch.C
		assert.Contains(t, []framework.EventType{framework.EventSessionOver, framework.EventDeleted}, ev.Type)
		_, _, late, err := session.WatchExists(t.Context(), "/node")
		require.ErrorIs(t, err, framework.ErrClosed)
		assert.Nil(t, late)
	})
}

func TestCloseAgainAndFromAnywhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		ns, err := cli.Namespace("ns")
		require.NoError(t, err)
		done := make(chan error, 10)
		for range 10 {
			go func() { done <- ns.Close() }()
		}
		for range 10 {
			require.NoError(t, <-done)
		}
		require.NoError(t, cli.Close())
		require.NoError(t, cli.Shutdown(t.Context()))
		_, err = cli.Get(t.Context(), "/")
		require.ErrorIs(t, err, framework.ErrClosed)
		_, err = cli.Session(t.Context())
		require.ErrorIs(t, err, framework.ErrClosed)
		require.ErrorIs(t, cli.WaitConnected(t.Context()), framework.ErrClosed)
		require.ErrorIs(t, cli.Run(t.Context(), stubborn("late", nil)), framework.ErrClosed)
	})
}

// stubborn is a recipe that does not return before it is told to.
func stubborn(name string, release <-chan struct{}) framework.Recipe {
	return framework.Recipe{Name: name, Path: "/" + name, Policy: holding,
		Run: func(context.Context, *framework.Session) error { <-release; return nil }}
}

func TestCloseWaitsForRecipes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		over := false
		go func() {
			_ = cli.Run(t.Context(), framework.Recipe{Name: "slow", Policy: holding, Run: func(ctx context.Context, s *framework.Session) error {
				<-ctx.Done()
				assert.ErrorIs(t, context.Cause(ctx), framework.ErrClosed)
				time.Sleep(time.Second)
				_, err := s.Create(context.WithoutCancel(ctx), "/last", nil)
				assert.NoError(t, err, "the session is still there for what has to be tidied up")
				over = true
				return nil
			}})
		}()
		synctest.Wait()
		require.Len(t, cli.Recipes(), 1)
		require.NoError(t, cli.Close())
		assert.True(t, over)
		assert.True(t, s.Exists("/last"))
		assert.Empty(t, cli.Recipes())
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	for name, limit := range map[string]time.Duration{"CloseTimeout": 0, "ctx of Shutdown": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cfg := configFor(s)
				cfg.CloseTimeout = 2 * time.Second
				cli, err := framework.New(cfg)
				require.NoError(t, err)
				require.NoError(t, cli.WaitConnected(t.Context()))
				release := make(chan struct{})
				defer close(release)
				for _, name := range []string{"one", "two"} {
					go func() { _ = cli.Run(t.Context(), stubborn(name, release)) }()
					synctest.Wait()
				}
				time.Sleep(time.Minute)
				start := time.Now()
				if limit == 0 {
					limit, err = cfg.CloseTimeout, cli.Close()
				} else {
					err = cli.Shutdown(within(t, limit))
				}
				assert.InDelta(t, limit.Seconds(), time.Since(start).Seconds(), 0.01)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				waited := time.Minute + limit
				require.EqualError(t, err, fmt.Sprintf(
					"zookeeper: the session is closed although recipes still run: one /one (for %v), two /two (for %v): context deadline exceeded",
					waited, waited))
				require.Equal(t, err, cli.Close(), "and again")
			})
		})
	}
}

// Shutdown with a ctx that has ended closes at once, and has nothing to complain about when no recipe runs.
func TestShutdownNow(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			cli := connected(t, s)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.NoError(t, cli.Shutdown(ctx))
			assert.Empty(t, s.Sessions())
		})
	}
}

// No condition of the connection, no log handler and no recipe keeps Shutdown much longer than its ctx allows. The rest goes on
// without it: the session is closed if the server can still hear, and no goroutine is left in the end.
func TestShutdownReturnsWithItsContext(t *testing.T) {
	arrangements := maps.Clone(conditions)
	arrangements["a server that is heard no more"] = func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		require.NoError(t, cli.WaitConnected(t.Context()))
		s.Blackhole(zktest.AllConns(), zktest.ToClient)
	}
	for name, arrange := range arrangements {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cfg := configFor(s)
				cfg.Logger = blocked(t, slog.LevelInfo)
				cli, err := framework.New(cfg)
				require.NoError(t, err)
				arrange(t, s, cli)
				release := make(chan struct{})
				go func() { _ = cli.Run(t.Context(), stubborn("r", release)) }()
				synctest.Wait()
				for range 3 {
					begun := time.Now()
					err = cli.Shutdown(within(t, 10*time.Millisecond))
					assert.LessOrEqual(t, time.Since(begun), 100*time.Millisecond)
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				close(release)
				if name == "a server that is heard no more" {
					synctest.Wait()
					assert.Empty(t, s.Sessions(), "the request that closes the session was sent")
				}
				begun := time.Now()
				_ = cli.Close()
				assert.LessOrEqual(t, time.Since(begun), 2*time.Second)
				assert.Equal(t, framework.Closed, cli.State().State)
			})
		})
	}
}

// A recipe that waits for a connection is not waited for.
func TestCloseWithRecipesThatWaitForAConnection(t *testing.T) {
	for name, arrange := range conditions {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 3})
				cli := newClient(t, s)
				arrange(t, s, cli)
				done := make(chan error, 2)
				for _, p := range []framework.Policy{holding, {OnSuspended: framework.Cancel, OnLost: framework.Stop}} {
					go func() {
						done <- cli.Run(t.Context(), framework.Recipe{Name: "r", Policy: p, Run: func(ctx context.Context, _ *framework.Session) error {
							<-ctx.Done()
							return context.Cause(ctx)
						}})
					}()
				}
				synctest.Wait()
				start := time.Now()
				require.NoError(t, cli.Close())
				assert.LessOrEqual(t, time.Since(start), time.Second)
				require.ErrorIs(t, <-done, framework.ErrClosed)
				require.ErrorIs(t, <-done, framework.ErrClosed)
			})
		})
	}
}
