package recipes_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// cluster is a stage whose server is an ensemble of three. Members 0 and 1 follow, 2 leads.
type cluster struct {
	*stage
	ensemble *zktest.Cluster
}

// onCluster runs f in a bubble, with the subject at member 0 and the other client at member 2. When they lose them they go to the other members too.
func onCluster(t *testing.T, f func(c *cluster)) {
	synctest.Test(t, func(t *testing.T) {
		ensemble, err := zktest.StartMemoryCluster(3, zktest.Config{SyncLimit: 10 * time.Second})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, ensemble.Close()) })
		watchdog := time.AfterFunc(24*time.Hour, func() { panic("a test has waited for a day of its own time") })
		t.Cleanup(func() { watchdog.Stop() })
		c := &cluster{&stage{T: t, server: ensemble.Server}, ensemble}
		c.cli, c.other = c.at("subject", 0), c.at("other", 2)
		f(c)
	})
}

// at makes a client that is at a member for now.
func (c *cluster) at(name string, member int) *framework.Client {
	var others []int
	for i := range 3 {
		if i != member {
			others = append(others, i)
		}
	}
	c.server.Refuse(others...)
	cli := c.client(name)
	require.NoError(c, c.server.Accept(others...))
	return cli
}

func TestCacheOnALaggingMemberIsSyncedOnlyWhenItHasCaughtUp(t *testing.T) {
	onCluster(t, func(c *cluster) {
		c.create("/tree")
		tree, err := cache.Open(c.Context(), c.cli, "/tree")
		require.NoError(c, err)
		defer tree.Close()
		defer c.ensemble.Lag(5*time.Second, 0)()
		for i := range 5 {
			path := fmt.Sprintf("/tree/n%d", i)
			_, err := c.other.Create(c.Context(), path, nil)
			require.NoError(c, err)
			_, there := tree.Get(path)
			require.False(c, there, "the member does not have it, and the cache cannot")
			require.NoError(c, tree.Sync(c.Context()))
			_, there = tree.Get(path)
			require.True(c, there)
		}
	})
}

func TestCacheIsFreshWithAnotherMemberAfterItsOwnWasCutOff(t *testing.T) {
	onCluster(t, func(c *cluster) {
		c.create("/tree")
		tree, err := cache.Open(c.Context(), c.cli, "/tree")
		require.NoError(c, err)
		defer tree.Close()
		session := c.cli.State().SessionID
		defer c.ensemble.CutOff(0)()
		_, err = c.other.Create(c.Context(), "/tree/n", nil)
		require.NoError(c, err)
		ctx, cancel := context.WithTimeout(c.Context(), time.Second)
		defer cancel()
		require.Error(c, tree.Sync(ctx), "nobody can say so in time")
		require.NoError(c, tree.Sync(c.Context()))
		_, there := tree.Get("/tree/n")
		require.True(c, there)
		require.NoError(c, tree.WaitFresh(c.Context()))
		require.Equal(c, session, c.cli.State().SessionID)
	})
}

func TestLockIsHeldByOneWhileItsMembersLag(t *testing.T) {
	onCluster(t, func(c *cluster) {
		defer c.ensemble.Lag(2*time.Second, 0)()
		var holders, most atomic.Int32
		done := make(chan error)
		for _, cli := range []*framework.Client{c.cli, c.other} {
			go func() {
				for range 10 {
					held, err := lock.New(cli, "/lock").Lock(c.Context())
					if err != nil {
						done <- err
						return
					}
					if n := holders.Add(1); n > 1 {
						most.Store(n)
					}
					time.Sleep(time.Second)
					holders.Add(-1)
					if err := held.Unlock(c.Context()); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range 2 {
			require.NoError(c, <-done)
		}
		require.Zero(c, most.Load(), "holders at a time")
	})
}

func TestLockSurvivesTheLossOfTheLeaderDuringItsCreate(t *testing.T) {
	for name, stage := range map[string]zktest.Stage{"uncommitted": zktest.Request, "committed": zktest.Reply} {
		t.Run(name, func(t *testing.T) {
			onCluster(t, func(c *cluster) {
				c.create("/lock")
				for round := range 4 { // at the leader and at followers
					leading := c.ensemble.Leader()
					stop := c.server.OnFrame(c.once(stage, leading))
					held, err := lock.New([]*framework.Client{c.cli, c.other}[round%2], "/lock").Lock(c.Context())
					require.NoError(c, err)
					stop()
					require.Equal(c, 1, c.contenders(), "no node is left from the first try")
					_, err = held.Multi(c.Context(), []framework.Op{framework.CreateOp(fmt.Sprintf("/by-%d", round), nil, framework.Persistent)})
					require.NoError(c, err)
					require.NoError(c, held.Unlock(c.Context()))
					require.NoError(c, c.server.StartEndpoint(leading))
					time.Sleep(5 * time.Second)
				}
			})
		})
	}
}

// once stops a member at the first create of a node with a number.
func (c *cluster) once(stage zktest.Stage, member int) func(zktest.Frame) zktest.Verdict {
	fired := false
	return func(f zktest.Frame) zktest.Verdict {
		if !fired && f.Stage == stage && f.Op == zktest.OpCreate || !fired && f.Stage == stage && f.Op == zktest.OpMulti {
			fired = true
			c.server.Stop(member)
			if f.Stage == zktest.Reply {
				return zktest.Drop // what the member had to say is lost with it
			}
		}
		return zktest.Pass
	}
}

func (c *cluster) contenders() int {
	names, err := c.server.Children("/lock")
	require.NoError(c, err)
	return len(names)
}

func TestHolderOnAMemberThatIsCutOffCannotWriteWhenItsLockHasMovedOn(t *testing.T) {
	onCluster(t, func(c *cluster) {
		held, err := lock.New(c.cli, "/lock").Lock(c.Context())
		require.NoError(c, err)
		c.create("/guarded")
		heal := c.ensemble.CutOff(0)
		require.True(c, c.server.ExpireSession(c.cli.State().SessionID))
		next, err := lock.New(c.other, "/lock").Lock(c.Context())
		require.NoError(c, err)
		_, err = held.Multi(c.Context(), []framework.Op{framework.SetOp("/guarded", []byte("stale"), framework.AnyVersion)})
		require.Error(c, err)
		heal()
		time.Sleep(time.Minute)
		require.Error(c, held.Context().Err())
		data, _, err := c.server.Get("/guarded")
		require.NoError(c, err)
		require.Empty(c, data)
		require.NoError(c, next.Unlock(c.Context()))
	})
}

func TestElectionOutlivesTheLeaderOfTheCluster(t *testing.T) {
	onCluster(t, func(c *cluster) {
		term, err := leader.New(c.cli, "/election", leader.Hold(time.Minute)).Campaign(c.Context())
		require.NoError(c, err)
		other := leader.New(c.other, "/election")
		for range 2 {
			leading := c.ensemble.Leader()
			c.server.Stop(leading)
			time.Sleep(15 * time.Second)
			require.NoError(c, term.Context().Err())
			p, err := other.Leader(c.Context())
			require.NoError(c, err)
			require.Equal(c, c.cli.State().SessionID, p.Session)
			require.NoError(c, c.server.StartEndpoint(leading))
			time.Sleep(5 * time.Second)
		}
		require.NoError(c, term.Resign(c.Context()))
		_, err = other.Campaign(c.Context())
		require.NoError(c, err)
	})
}

func TestInstanceIsFoundWhenALaggingMemberHasIt(t *testing.T) {
	onCluster(t, func(c *cluster) {
		defer c.ensemble.Lag(3*time.Second, 0)()
		near, far := discovery.New[string](c.cli, "/services"), discovery.New[string](c.other, "/services")
		view, err := near.Open(c.Context(), "web")
		require.NoError(c, err)
		defer view.Close()
		reg, err := far.Register(c.Context(), discovery.Instance[string]{Name: "web", ID: "1", Address: "10.0.0.1", Port: 80})
		require.NoError(c, err)
		_, err = view.Pick()
		require.ErrorIs(c, err, discovery.ErrNoInstances, "the member does not have it")
		time.Sleep(4 * time.Second)
		_, err = view.Pick()
		require.NoError(c, err)
		require.NoError(c, reg.Close(c.Context()))
		time.Sleep(4 * time.Second)
		_, err = view.Pick()
		require.ErrorIs(c, err, discovery.ErrNoInstances)
	})
}

func TestNodeIsSeenThroughAnotherMemberAfterSync(t *testing.T) {
	onCluster(t, func(c *cluster) {
		defer c.ensemble.Lag(3*time.Second, 0)()
		c.create("/n")
		_, there, err := c.cli.Exists(c.Context(), "/n")
		require.NoError(c, err)
		require.False(c, there)
		require.NoError(c, c.cli.Sync(c.Context(), "/n"))
		_, there, err = c.cli.Exists(c.Context(), "/n")
		require.NoError(c, err)
		require.True(c, there)
	})
}

func TestSessionGoesToAMemberThatHasWhatItsClientHasSeen(t *testing.T) {
	onCluster(t, func(c *cluster) {
		held, err := lock.New(c.other, "/lock", lock.Hold(time.Minute)).Lock(c.Context())
		require.NoError(c, err)
		defer c.ensemble.Lag(time.Hour, 0)()
		c.create("/n")
		session := c.other.State().SessionID
		c.server.Refuse(1, 2)
		c.server.Cut(zktest.ClientConns("other"))
		time.Sleep(2 * time.Second)
		require.Equal(c, framework.Suspended, c.other.State().State, "member 0 has not seen what the client has")
		require.NoError(c, c.server.Accept(1))
		_, err = c.other.Get(c.Context(), "/n")
		require.NoError(c, err)
		require.Equal(c, session, c.other.State().SessionID)
		require.NoError(c, held.Unlock(c.Context()))
	})
}

// create makes a node through the other client.
func (c *cluster) create(path string) {
	c.Helper()
	_, err := c.other.Create(c.Context(), path, nil)
	require.NoError(c, err)
}
