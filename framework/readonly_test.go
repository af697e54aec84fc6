package framework_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// readOnlyEnsemble runs f in a bubble, with an ensemble of three whose members serve reads when they have no leader. Members 0 and 1
// follow, 2 leads. There is a node /n with data "old".
func readOnlyEnsemble(t *testing.T, f func(t *testing.T, c *zktest.Cluster)) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		c, err := zktest.StartMemoryCluster(3, zktest.Config{ReadOnlyMode: true, Nodes: map[string]string{"/n": "old"}})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, c.Close()) })
		f(t, c)
	})
}

func readOnly(cfg *framework.Config) { cfg.ReadOnly = true }

// losesQuorum stops two members, so that only member 0 is left, and waits until it serves reads. It runs in a bubble.
func losesQuorum(t *testing.T, c *zktest.Cluster) {
	t.Helper()
	c.Stop(1, 2)
	time.Sleep(3 * time.Second)
	require.True(t, c.Member(0).ReadOnly)
}

func TestReadOnlyServerServesReadsAndWritesAreRefusedAtOnce(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		cli := connected(t, c.Server, readOnly)
		full := cli.State().SessionID
		states := record(t, cli)
		c.Stop(1, 2)
		ro := awaitState(t, cli, framework.ReadOnly)
		assert.NotEqual(t, full, ro.SessionID)
		assert.EqualValues(t, 2, ro.Epoch)
		assert.False(t, ro.State.Connected())
		assert.True(t, ro.State.CanRead())

		begun := time.Now()
		node, err := cli.Get(t.Context(), "/n")
		require.NoError(t, err)
		assert.Equal(t, "old", string(node.Data))
		_, there, err := cli.Exists(t.Context(), "/n")
		require.NoError(t, err)
		assert.True(t, there)
		_, _, err = cli.Children(t.Context(), "/")
		require.NoError(t, err)
		assert.Less(t, time.Since(begun), time.Second)

		begun = time.Now()
		for name, write := range map[string]func() error{
			"create": func() error { _, err := cli.Create(t.Context(), "/m", nil); return err },
			"set":    func() error { _, err := cli.Set(t.Context(), "/n", nil, framework.AnyVersion); return err },
			"delete": func() error { return cli.Delete(t.Context(), "/n", framework.AnyVersion) },
			"sync":   func() error { return cli.Sync(t.Context(), "/n") },
			"again":  func() error { return cli.Delete(t.Context(), "/n", framework.AnyVersion, framework.Idempotent) },
			"fast":   func() error { return cli.FailFast().Delete(t.Context(), "/n", framework.AnyVersion) },
		} {
			err := write()
			require.ErrorIs(t, err, framework.ErrNotReadOnly, name)
			assert.True(t, framework.SafeToRetry(err), name)
			var op *framework.OpError
			require.ErrorAs(t, err, &op, name)
			assert.Zero(t, op.Attempts, name)
			assert.Equal(t, framework.ReadOnly, op.State, name)
			assert.Contains(t, err.Error(), op.Path, name)
			assert.Contains(t, err.Error(), "repeat the write", name)
		}
		assert.Zero(t, time.Since(begun), "nothing was sent")

		require.NoError(t, c.StartEndpoint(1, 2))
		back := awaitState(t, cli, framework.Connected)
		assert.EqualValues(t, 3, back.Epoch)
		_, err = cli.Set(t.Context(), "/n", []byte("new"), framework.AnyVersion)
		require.NoError(t, err)
		assert.Equal(t, []framework.State{
			framework.Connected, framework.Suspended, framework.Lost, framework.ReadOnly,
			framework.Suspended, framework.Lost, framework.Connected,
		}, states.states())
	})
}

func TestClientThatStartsWithoutQuorumBeginsReadOnlyAndGoesToTheFirstFullServer(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		losesQuorum(t, c)
		cli := connected(t, c.Server, readOnly)
		require.Equal(t, framework.ReadOnly, cli.State().State)
		node, err := cli.Get(t.Context(), "/n")
		require.NoError(t, err)
		assert.Equal(t, "old", string(node.Data))

		require.NoError(t, c.StartEndpoint(1))
		awaitState(t, cli, framework.Connected)
		_, err = cli.Create(t.Context(), "/m", nil, framework.Ephemeral)
		require.NoError(t, err)
		assert.Equal(t, []int64{cli.State().SessionID}, sessionIDs(c), "what the search has started is closed")
	})
}

// sessionIDs are those of all sessions.
func sessionIDs(c *zktest.Cluster) (ids []int64) {
	for _, s := range c.Sessions() {
		ids = append(ids, s.ID)
	}
	return ids
}

func TestReadOnlyServerIsNotAcceptedUnlessConfigured(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		losesQuorum(t, c)
		cli := newClient(t, c.Server)
		require.ErrorIs(t, cli.WaitConnected(within(t, time.Minute)), framework.ErrNotConnected)
		assert.Equal(t, framework.Connecting, cli.State().State)
	})
}

func TestSessionIsKeptWhenTheQuorumIsBackInTime(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		cli := connected(t, c.Server, readOnly, func(cfg *framework.Config) { cfg.SessionTimeout = time.Minute })
		before := cli.State().SessionID
		states := record(t, cli)
		losesQuorum(t, c)
		time.Sleep(10 * time.Second)
		require.NoError(t, c.StartEndpoint(1, 2))
		assert.Equal(t, before, awaitState(t, cli, framework.Reconnected).SessionID)
		assert.Equal(t, []framework.State{framework.Connected, framework.Suspended, framework.Reconnected}, states.states(),
			"a session that has begun on a full server does not go on at a read-only one")
	})
}

// What is held ends with its session, before the next one can begin read-only. Nothing can be held in that one.
func TestNothingIsHeldInSessionOfReadOnlyServer(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		cli := connected(t, c.Server, readOnly)
		holding := framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}
		claim, release := sessionOf(t, cli).ClaimContext(t.Context(), holding)
		defer release(nil)
		var waits, serves atomic.Int32
		run := func(policy framework.Policy, f func(s *framework.Session)) {
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = cli.Run(ctx, framework.Recipe{Name: "test", Policy: policy, Run: func(ctx context.Context, s *framework.Session) error {
					f(s)
					<-ctx.Done()
					return context.Cause(ctx)
				}})
			}()
			t.Cleanup(func() {
				cancel()
				<-done
			})
		}
		run(holding, func(s *framework.Session) {
			waits.Add(1)
			assert.False(t, s.ReadOnly())
		})
		serving := holding
		serving.OnReadOnly = framework.Serve
		run(serving, func(s *framework.Session) {
			serves.Add(1)
			if !s.ReadOnly() {
				return
			}
			assert.Zero(t, s.TrustedUntil())
			claim, release := s.ClaimContext(context.Background(), holding)
			defer release(nil)
			assert.ErrorIs(t, context.Cause(claim), framework.ErrUntrusted)
			work, release := s.Context(context.Background(), holding)
			defer release(nil)
			assert.NoError(t, work.Err())
			_, err := s.Get(work, "/n")
			assert.NoError(t, err)
			_, err = s.Create(work, "/m", nil)
			assert.ErrorIs(t, err, framework.ErrNotReadOnly)
		})
		synctest.Wait()
		c.Stop(1, 2)
		awaitState(t, cli, framework.ReadOnly)
		assert.Error(t, claim.Err())
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Equal(t, []int32{1, 2}, []int32{waits.Load(), serves.Load()})
		require.NoError(t, c.StartEndpoint(1, 2))
		awaitState(t, cli, framework.Connected)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, []int32{2, 3}, []int32{waits.Load(), serves.Load()})
	})
}

func TestReadOnlyServerThatIsBehindWhatWasSeenIsNotAccepted(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		heal := c.CutOff(0)
		time.Sleep(time.Second) // the others go on without it
		cli := connected(t, c.Server, readOnly)
		_, err := cli.Set(t.Context(), "/n", []byte("new"), framework.AnyVersion)
		require.NoError(t, err)
		states := record(t, cli)
		c.Stop(1, 2)
		time.Sleep(time.Minute)
		assert.Equal(t, framework.Lost, cli.State().State, "what it has seen would be undone")
		heal()
		require.NoError(t, c.StartEndpoint(1))
		awaitState(t, cli, framework.Connected)
		assert.Zero(t, states.count(framework.ReadOnly))
	})
}

// A member that was cut off by itself serves reads, while the others serve everything.
func TestFullServerIsPreferredToReadOnlyOne(t *testing.T) {
	for seed := range byte(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
				defer c.CutOff(0)()
				time.Sleep(3 * time.Second)
				require.True(t, c.Member(0).ReadOnly)
				cli := newClient(t, c.Server, readOnly, func(cfg *framework.Config) { cfg.Random = seeded(seed) })
				assert.EqualValues(t, 1, awaitState(t, cli, framework.Connected, framework.ReadOnly).Epoch)
				assert.Equal(t, framework.Connected, cli.State().State)
			})
		})
	}
}

func TestEndOfConnectionToReadOnlyServerEndsItsSession(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		losesQuorum(t, c)
		cli := connected(t, c.Server, readOnly)
		first := cli.State()
		states := record(t, cli)
		require.Positive(t, c.Cut(zktest.ClientConns("test")))
		lost := awaitState(t, cli, framework.Lost)
		assert.ErrorIs(t, lost.Cause, framework.ErrSessionLost)
		next := awaitState(t, cli, framework.ReadOnly)
		assert.Equal(t, first.Epoch+1, next.Epoch)
		assert.Equal(t, []framework.State{framework.ReadOnly, framework.Suspended, framework.Lost, framework.ReadOnly}, states.states())
	})
}

func TestCloseWhileReadOnly(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		losesQuorum(t, c)
		cli := connected(t, c.Server, readOnly)
		begun := time.Now()
		require.NoError(t, cli.Close())
		assert.Less(t, time.Since(begun), time.Second, "the server answers the end of the session")
		assert.Empty(t, c.Conns())
	})
}

// Whether a write was applied that was sent before, only a full server can tell.
// A session that was lost because the majority was may live on when it is back. Close of the read-only session leaves it to the next process.
func TestCloseWhileReadOnlyKeepsTheSessionInTheFile(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		path := sessionFileIn(t)
		cli := connected(t, c.Server, readOnly, keptIn(path))
		full := cli.State().SessionID
		_, err := sessionOf(t, cli).Create(t.Context(), "/held", nil, framework.Ephemeral)
		require.NoError(t, err)
		c.Stop(1, 2)
		awaitState(t, cli, framework.ReadOnly)
		require.NoError(t, cli.Close())
		require.Equal(t, full, inFile(t, path))

		require.NoError(t, c.StartEndpoint(1, 2))
		next := connected(t, c.Server, keptIn(path))
		assert.False(t, c.Exists("/held"))
		require.NoError(t, next.Close())
		assert.Zero(t, inFile(t, path))
	})
}

// A connection that was found for the next session too late, because that has one, is closed.
func TestConnectionThatIsFoundTooLateIsClosed(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		defer c.CutOff(0)()
		c.Refuse(1, 2)
		time.Sleep(3 * time.Second)
		var probed, held atomic.Bool
		release := make(chan struct{})
		cli := newClient(t, c.Server, readOnly, func(cfg *framework.Config) {
			dial := cfg.Dialer
			cfg.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				if err == nil && probed.Load() && !held.Swap(true) {
					<-release
				}
				return conn, err
			}
		})
		awaitState(t, cli, framework.ReadOnly)
		defer c.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpCloseSession { // of the probe
				probed.Store(true)
			}
			return zktest.Pass
		})()
		require.NoError(t, c.Accept(1, 2))
		for !held.Load() {
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, framework.ReadOnly, cli.State().State)
		c.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Connected)
		close(release)
		synctest.Wait()
		for _, conn := range c.Conns() {
			assert.NotZero(t, conn.Session)
		}
	})
}

func TestWriteThatWasSentBeforeWaitsForAFullServer(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		cli := connected(t, c.Server, readOnly)
		c.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Op == zktest.OpSetData && f.Stage == zktest.Reply {
				return zktest.Drop
			}
			return zktest.Pass
		})
		done := make(chan error, 1)
		go func() {
			_, err := cli.Set(within(t, time.Hour), "/n", []byte("new"), framework.AnyVersion)
			done <- err
		}()
		time.Sleep(100 * time.Millisecond)
		c.Stop(1, 2)
		awaitState(t, cli, framework.ReadOnly)
		time.Sleep(time.Minute)
		require.Empty(t, done)
		require.NoError(t, c.StartEndpoint(1, 2))
		err := <-done
		assert.NotErrorIs(t, err, framework.ErrNotReadOnly)
		assert.ErrorIs(t, err, framework.ErrOutcomeUnknown)
	})
}

func TestHealthNoticesThatOnlyAReadOnlyServerIsThere(t *testing.T) {
	readOnlyEnsemble(t, func(t *testing.T, c *zktest.Cluster) {
		losesQuorum(t, c)
		cli := connected(t, c.Server, readOnly)
		assert.Empty(t, cli.Health().Reasons, "it has not lasted yet")
		go func() { _, _ = cli.Session(within(t, time.Hour)) }() // which waits
		time.Sleep(time.Minute)
		health := cli.Health()
		require.Len(t, health.Reasons, 1)
		assert.True(t, health.Reasons[0].Notice)
		assert.ErrorIs(t, health.Reasons[0].Err, framework.ErrNotReadOnly)
		assert.True(t, health.Ready(), "reads are served")
		assert.True(t, health.Live())
		require.NoError(t, c.StartEndpoint(1))
		awaitState(t, cli, framework.Connected)
		assert.Empty(t, cli.Health().Reasons)
	})
}

func TestPolicyOfReadOnlyServers(t *testing.T) {
	good := framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild, OnReadOnly: framework.Serve}
	require.NoError(t, good.Validate())
	assert.Equal(t, "SUSPENDED: Hold, LOST: Rebuild, READ-ONLY: Serve", good.String())
	for _, bad := range []framework.Policy{
		{OnSuspended: framework.Hold, OnLost: framework.Stop, OnReadOnly: framework.Serve},
		{OnSuspended: framework.Hold, OnLost: framework.Rebuild, OnReadOnly: framework.Hold},
		{OnSuspended: framework.Serve, OnLost: framework.Rebuild},
	} {
		assert.Error(t, bad.Validate(), "%v", bad)
	}
}
