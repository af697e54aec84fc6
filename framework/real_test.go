package framework_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// The tests in this file hold the framework to its word on real ZooKeeper servers.

// patience is for waiting; far longer than anything should take.
const patience = time.Minute

// realClient makes a client with a session of the default timeout, which outlives any stall of the machine.
func realClient(t *testing.T, connect string, changes ...configure) *framework.Client {
	t.Helper()
	cfg := framework.Config{ConnectString: connect}
	for _, change := range changes {
		change(&cfg)
	}
	cli := clientOf(t, cfg)
	require.NoError(t, cli.WaitConnected(within(t, patience)))
	return cli
}

// timeout changes the session timeout.
func timeout(d time.Duration) configure {
	return func(c *framework.Config) { c.SessionTimeout = d }
}

// await waits for a state that lasts. The client may be in it already.
func await(t *testing.T, cli *framework.Client, want framework.State) framework.StateChange {
	t.Helper()
	return follow(t, cli)(want)
}

// follow returns a function that waits for the next change to a state. It misses no change from now on: call follow before
// the fault, because the client may be past the state when the test looks.
func follow(t *testing.T, cli *framework.Client) (next func(want framework.State) framework.StateChange) {
	t.Helper()
	changes := cli.States(within(t, 2*patience))
	return func(want framework.State) framework.StateChange {
		t.Helper()
		for ch := range changes {
			if ch.State == want {
				return ch
			}
		}
		require.FailNow(t, "the state does not come", "waited for %v; it is %v", want, cli.State().State)
		panic("unreachable")
	}
}

func TestRealModesAndStats(t *testing.T) {
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString(), as("me", "s3cr3t"))
	ctx := within(t, patience)
	for name, m := range modes {
		dir := "/" + strings.ReplaceAll(name, " ", "-")
		opts := append([]framework.CreateOption{m.mode, framework.Parents, framework.WithACL(framework.CreatorACL())}, m.opts...)
		node, err := cli.Create(ctx, dir+"/n", []byte("data"), opts...)
		require.NoError(t, err, name)
		assert.Equal(t, dir+"/n"+m.suffix, node.Path)
		got, err := cli.Get(ctx, node.Path)
		require.NoError(t, err)
		assert.Equal(t, got, node, name)
		acl, _, err := cli.ACL(ctx, node.Path)
		require.NoError(t, err)
		assert.Equal(t, framework.DigestACL(31, "me", "s3cr3t"), acl)
	}
	session := sessionOf(t, cli)
	node, names, err := recipekit.CreateInQueue(ctx, session, "/q", "n-", nil)
	require.NoError(t, err)
	_, own := framework.Split(node.Path)
	assert.Equal(t, []string{own}, names)
	assert.Equal(t, session.ID(), node.Stat.EphemeralOwner)
	_, err = cli.Multi(ctx, []framework.Op{framework.CreateOp("/m", nil, 0), framework.CheckOp("/q", 77)})
	var refused *framework.MultiError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, 1, refused.Index)
	require.ErrorIs(t, err, framework.ErrBadVersion)
}

func TestRealWrongScheme(t *testing.T) {
	space := realzk.Shared(t)
	cli := clientOf(t, framework.Config{ConnectString: space.ConnectString(), SessionTimeout: sessionTimeout,
		Auth: []framework.Auth{{Scheme: "nonsense", Credentials: []byte("top:s3cr3t")}}})
	require.Eventually(t, func() bool { return cli.Info().Err != nil }, patience, time.Millisecond)
	_, err := cli.Get(within(t, 100*time.Millisecond), "/")
	require.ErrorIs(t, err, framework.ErrAuthFailed)
}

// The create is committed, its answer lost, and the server away for a while: the one node is returned.
func TestRealCreateWithALostReply(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	observer := realClient(t, space.ConnectString())
	for i, outage := range []time.Duration{0, 300 * time.Millisecond, 2500 * time.Millisecond} {
		t.Run(outage.String(), func(t *testing.T) {
			proxy := realzk.NewProxy(t, space.Addr())
			cli := realClient(t, proxy.Addr()+space.Root(), timeout(5*sessionTimeout)) // far more than an outage
			ctx := within(t, patience)
			dir := fmt.Sprintf("/dir%d", i)
			_, err := cli.Create(ctx, dir, nil)
			require.NoError(t, err)
			_, _, created, err := observer.WatchChildren(ctx, dir)
			require.NoError(t, err)

			proxy.Blackhole(realzk.ToClient)
			done := make(chan error, 1)
			var node framework.Node
			go func() {
				var err error
				node, err = cli.Create(ctx, dir+"/n-", []byte("data"), framework.EphemeralSequential, framework.Protected)
				done <- err
			}()
			<-created.C
			proxy.Refuse()
			proxy.Cut()
			time.AfterFunc(outage, func() { assert.NoError(t, proxy.Heal()) })
			require.NoError(t, <-done)
			names, _, err := observer.Children(ctx, dir)
			require.NoError(t, err)
			_, own := framework.Split(node.Path)
			assert.Equal(t, []string{own}, names)
			got, err := observer.Get(ctx, node.Path)
			require.NoError(t, err)
			assert.Equal(t, got, node)
		})
	}
}

// history reads a client's state changes one by one.
type history struct {
	t       *testing.T
	changes <-chan framework.StateChange
	seen    []framework.StateChange
}

// next requires the next changes, of which it returns the last.
func (h *history) next(want ...framework.State) framework.StateChange {
	h.t.Helper()
	for _, state := range want {
		ch, ok := <-h.changes
		require.True(h.t, ok)
		h.seen = append(h.seen, ch)
		require.Equal(h.t, state, ch.State, "after %v", h.seen)
	}
	return h.seen[len(h.seen)-1]
}

// SUSPENDED, LOST, RECONNECTED once each and in order; LOST at T after the last answered request, or when the machine gets
// round to it.
func TestRealStates(t *testing.T) {
	t.Parallel()
	const asked = 4 * time.Second
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	cli := realClient(t, proxy.Addr()+space.Root(), timeout(asked))
	session := sessionOf(t, cli)
	h := &history{t: t, changes: cli.States(within(t, patience))}
	h.next(framework.Connected)

	proxy.Cut()
	again := h.next(framework.Suspended, framework.Reconnected)
	assert.Equal(t, session.ID(), again.SessionID)

	proxy.Blackhole(realzk.Both)
	proxy.Cut()
	lost := h.next(framework.Suspended, framework.Lost)
	answered := session.TrustedUntil().Add(asked/4 - asked)
	assert.Greater(t, lost.Time.Sub(answered), asked-100*time.Millisecond)
	require.NoError(t, proxy.Heal())
	next := h.next(framework.Connected)
	assert.NotEqual(t, session.ID(), next.SessionID)

	require.NoError(t, space.ExpireSession(within(t, patience), next.SessionID))
	h.next(framework.Suspended, framework.Lost, framework.Connected)
	requireOrder(t, h.seen)
}

func TestRealGrantedTimeoutCounts(t *testing.T) {
	server := realzk.Standalone(t, realzk.Options{MaxSessionTimeout: time.Second})
	cli := realClient(t, server.Addr(), timeout(20*patience), func(c *framework.Config) { c.ConnectTimeout = time.Second })
	assert.Equal(t, time.Second, cli.State().Timeout)
	require.NoError(t, server.Pause())
	await(t, cli, framework.Lost) // which would not wait for the timeout that was asked for
	require.NoError(t, server.Resume())
	await(t, cli, framework.Connected)
}

// Servers are restarted one after the other: the session and its ephemeral nodes live. Then a majority is gone for longer
// than the session may live, and comes back.
func TestRealRollingRestart(t *testing.T) {
	t.Parallel()
	cluster := realzk.Ensemble(t, 3, realzk.Options{})
	cli := realClient(t, cluster.ConnectString(), timeout(30*time.Second), func(c *framework.Config) { c.OperationTimeout = patience })
	ctx := within(t, 2*patience)
	session := sessionOf(t, cli)
	node, err := session.Create(ctx, "/mine", nil, framework.Ephemeral)
	require.NoError(t, err)
	_, _, watch, err := session.WatchChildren(ctx, "/")
	require.NoError(t, err)
	changes := cli.States(ctx)
	for _, server := range cluster.Servers() {
		require.NoError(t, server.Stop())
		_, err := cluster.LeaderOtherThan(ctx, server)
		require.NoError(t, err)
		require.NoError(t, server.Start())
		require.NoError(t, server.WaitReady(ctx))
		require.NoError(t, cli.WaitConnected(ctx))
	}
	got, err := session.Get(ctx, "/mine")
	require.NoError(t, err)
	assert.Equal(t, node.Stat, got.Stat)
	assert.Empty(t, watch.C)
	_, err = cli.Create(ctx, "/another", nil)
	require.NoError(t, err)
	assert.Equal(t, framework.EventChildrenChanged, (<-watch.C).Type)

	require.NoError(t, cli.Close())
	count := countStates(t, changes)
	assert.Positive(t, count[framework.Reconnected], "its own server was among those that were restarted")
	assert.Zero(t, count[framework.Lost])
	losesItsMajority(t, cluster)
}

// losesItsMajority has two of three servers gone for longer than a session may live.
func losesItsMajority(t *testing.T, cluster *realzk.Cluster) {
	t.Helper()
	cli := realClient(t, cluster.ConnectString(), timeout(6*time.Second))
	ctx := within(t, 2*patience)
	changes := cli.States(ctx)
	servers := cluster.Servers()
	require.NoError(t, servers[0].Kill())
	require.NoError(t, servers[1].Kill())
	await(t, cli, framework.Lost)
	require.NoError(t, servers[0].Start())
	require.NoError(t, servers[1].Start())
	require.NoError(t, cluster.WaitReady(ctx))
	await(t, cli, framework.Connected)
	_, err := cli.Get(ctx, "/another")
	require.NoError(t, err)
	require.NoError(t, cli.Close())
	assert.Equal(t, 1, countStates(t, changes)[framework.Lost])
}

// countStates counts the changes of a client that was closed. They must follow from each other.
func countStates(t *testing.T, changes <-chan framework.StateChange) map[framework.State]int {
	t.Helper()
	var seen []framework.StateChange
	count := make(map[framework.State]int)
	for ch := range changes {
		seen = append(seen, ch)
		count[ch.State]++
	}
	requireOrder(t, seen)
	return count
}

// A hundred callers on one session and three addresses, and the session is killed: nothing that was meant for it is
// executed in the next one.
func TestRealNothingCrossesSessions(t *testing.T) {
	const callers, kills = 100, 5
	space := realzk.Shared(t)
	var addrs []string
	for range 3 {
		addrs = append(addrs, realzk.NewProxy(t, space.Addr()).Addr())
	}
	cli := realClient(t, strings.Join(addrs, ",")+space.Root(), func(c *framework.Config) { c.OperationTimeout = patience })
	ctx := within(t, 2*patience)
	_, err := cli.Create(ctx, "/mark", nil)
	require.NoError(t, err)
	for range kills {
		session := sessionOf(t, cli)
		require.Equal(t, session.ID(), cli.State().SessionID)
		enough := make(chan struct{}, callers*1000)
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() { assert.NoError(t, useUntilLost(ctx, session, enough)) })
		}
		for range 5 * callers {
			<-enough
		}
		require.NoError(t, space.ExpireSession(ctx, session.ID()))
		wg.Wait()
		require.NoError(t, cli.WaitConnected(ctx))
		require.NoError(t, cli.Sync(ctx, "/"))
		names, _, err := cli.Children(ctx, "/mark")
		require.NoError(t, err)
		assert.Empty(t, names, "an ephemeral node of a dead session's caller lives in another session")
	}
}

// useUntilLost creates ephemeral nodes in a session until it is lost.
func useUntilLost(ctx context.Context, session *framework.Session, made chan<- struct{}) error {
	for {
		_, err := session.Create(ctx, "/mark/n-", nil, framework.EphemeralSequential)
		switch {
		case err == nil:
			made <- struct{}{}
		case errors.Is(err, framework.ErrSessionLost):
			return nil
		case !errors.Is(err, framework.ErrOutcomeUnknown):
			return err
		}
	}
}

// Changes that happen while the client is away reach its watches, however many there are.
func TestRealWatchesSurviveAReconnect(t *testing.T) {
	const watches = 600
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	cli, other := realClient(t, proxy.Addr()+space.Root()), realClient(t, space.ConnectString())
	ctx := within(t, patience)
	var all []*framework.Watch
	for i := range watches {
		path := fmt.Sprintf("/%s-%d", strings.Repeat("x", 300), i)
		_, err := other.Create(ctx, path, nil)
		require.NoError(t, err)
		_, w, err := cli.WatchData(ctx, path)
		require.NoError(t, err)
		all = append(all, w)
	}
	for _, changedWhileAway := range []int{0, watches / 2} {
		proxy.Refuse()
		proxy.Cut()
		await(t, cli, framework.Suspended)
		for i := changedWhileAway; i < changedWhileAway+watches/4; i++ {
			_, err := other.Set(ctx, fmt.Sprintf("/%s-%d", strings.Repeat("x", 300), i), nil, framework.AnyVersion)
			require.NoError(t, err)
		}
		require.NoError(t, proxy.Heal())
		for i := changedWhileAway; i < changedWhileAway+watches/4; i++ {
			assert.Equal(t, framework.EventDataChanged, (<-all[i].C).Type)
		}
	}
	assert.Empty(t, all[watches/4].C)
	_, err := other.Set(ctx, fmt.Sprintf("/%s-%d", strings.Repeat("x", 300), watches/4), nil, framework.AnyVersion)
	require.NoError(t, err)
	assert.Equal(t, framework.EventDataChanged, (<-all[watches/4].C).Type)
}
