package discovery_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/retry"
)

// realClient connects to a real server.
func realClient(t *testing.T, connect string, timeout time.Duration) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{
		ConnectString: connect, SessionTimeout: timeout, ReconnectPolicy: retry.Exponential(10*time.Millisecond, 100*time.Millisecond),
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(soon(t)))
	return cli
}

// soon is a context for what must happen, and far longer than it should take.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// follow returns a function that waits for the next change to a state. It misses no change from now on: call follow before
// the fault, because the client may be past the state when the test looks.
func follow(t *testing.T, cli *framework.Client) (next func(want framework.State)) {
	t.Helper()
	changes := cli.States(soon(t))
	return func(want framework.State) {
		t.Helper()
		for ch := range changes {
			if ch.State == want {
				return
			}
		}
		t.Fatalf("the state %v does not come; it is %v", want, cli.State().State)
	}
}

// realOpen opens a view that is closed with the test, and its changes.
func realOpen(t *testing.T, cli *framework.Client) (*discovery.Service[meta], <-chan discovery.Change[meta]) {
	t.Helper()
	svc, err := discovery.New[meta](cli, base).Open(soon(t), "orders")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, svc.Close()) })
	changes := svc.Changes(soon(t))
	<-changes
	return svc, changes
}

// Scenario: a blip within the session costs no write and no watch event.
func TestRealBriefDisconnection(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	cli := realClient(t, proxy.Addr()+space.Root(), 10*time.Second)
	observer := realClient(t, space.ConnectString(), 10*time.Second)
	r, err := discovery.New[meta](cli, base).Register(soon(t), instance("one"))
	require.NoError(t, err)
	_, changes := realOpen(t, observer)
	before, data, err := observer.WatchData(soon(t), r.Path())
	require.NoError(t, err)
	_, _, children, err := observer.WatchChildren(soon(t), dir)
	require.NoError(t, err)
	next := follow(t, cli)
	for range 3 {
		proxy.Cut()
		next(framework.Suspended)
		next(framework.Reconnected)
		_, err = cli.Get(soon(t), r.Path()) // what was behind the reconnect has been answered when this is
		require.NoError(t, err)
	}
	after, err := observer.Get(soon(t), r.Path())
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Empty(t, data.C)
	assert.Empty(t, children.C)
	select {
	case c := <-changes:
		assert.Fail(t, "nothing has changed", "%+v", c)
	default:
	}
	require.NoError(t, r.Close(soon(t)))
	assert.Equal(t, []string{"one"}, keys((<-changes).Removed))
}

// Scenario: the client counts its session as lost, and the server, which was restarted meanwhile, gives that session its whole
// time again. The instance is replaced in one transaction: nobody who reads in between sees it absent, and the end of the old
// session does not touch it.
func TestRealNewSessionLeavesNoGap(t *testing.T) {
	t.Parallel()
	const life = 8 * time.Second // far more than the new session needs
	server := realzk.Standalone(t, realzk.Options{})
	cli := realClient(t, server.Addr(), life)
	r, err := discovery.New[meta](cli, base).Register(soon(t), instance("one"))
	require.NoError(t, err)
	_, err = cli.Create(soon(t), "/end", nil, framework.Ephemeral) // goes with the old session
	require.NoError(t, err)
	first := r.Standing().Session
	next := follow(t, cli)
	require.NoError(t, server.Kill())
	next(framework.Lost)
	require.NoError(t, server.Start())
	observer := realClient(t, server.Addr(), 30*time.Second)
	_, ended, err := observer.WatchData(soon(t), "/end")
	require.NoError(t, err, "the old session lives")
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for ctx := soon(t); len(ended.C) == 0 || r.Standing().Session == first || !r.Standing().Stands; <-look.C {
		_, err := observer.Get(ctx, r.Path())
		require.NoError(t, err, "it is there at any time")
	}
	n, err := observer.Get(soon(t), r.Path())
	require.NoError(t, err)
	assert.Equal(t, r.Standing().Session, n.Stat.EphemeralOwner)
	require.NoError(t, r.Close(soon(t)))
}

// Scenario: a process is restarted with the id that it had while its old session lives.
func TestRealRestartWhileTheOldSessionLives(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	old, err := framework.New(framework.Config{ConnectString: proxy.Addr() + space.Root(), SessionTimeout: 2 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, old.Close()) })
	_, err = discovery.New[meta](old, base).Register(soon(t), instance("one"))
	require.NoError(t, err)
	_, err = old.Create(soon(t), "/end", nil, framework.Ephemeral) // goes with the old session
	require.NoError(t, err)
	proxy.Blackhole(realzk.Both)

	observer := realClient(t, space.ConnectString(), 30*time.Second)
	svc, _ := realOpen(t, observer)
	cli := realClient(t, space.ConnectString(), 30*time.Second)
	in := instance("one")
	in.Port = 9090
	r, err := discovery.New[meta](cli, base).Register(soon(t), in)
	require.NoError(t, err)
	_, ended, err := observer.WatchData(soon(t), "/end")
	if err == nil {
		<-ended.C
	} else {
		require.ErrorIs(t, err, framework.ErrNoNode)
	}
	n, err := observer.Get(soon(t), r.Path())
	require.NoError(t, err)
	assert.Equal(t, r.Standing().Session, n.Stat.EphemeralOwner)
	require.NoError(t, svc.WaitFresh(soon(t)))
	e, err := svc.Pick()
	require.NoError(t, err)
	assert.Equal(t, "one", e.Key())
	require.NoError(t, r.Close(soon(t)))
}

// Closed while the server is away: nothing is left when it is back.
func TestRealCloseInAnOutage(t *testing.T) {
	t.Parallel()
	server := realzk.Standalone(t, realzk.Options{})
	cli := realClient(t, server.Addr(), 10*time.Second)
	reg := discovery.New[meta](cli, base)
	dynamic, err := reg.Register(soon(t), instance("dynamic"))
	require.NoError(t, err)
	in := instance("static")
	in.Type = discovery.Static
	static, err := reg.Register(soon(t), in)
	require.NoError(t, err)
	svc, changes := realOpen(t, cli)
	next := follow(t, cli)
	require.NoError(t, server.Kill())
	next(framework.Suspended)
	given, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, dynamic.Close(given))
	require.Error(t, static.Close(given))
	assert.Len(t, shown(svc), 2)
	assert.NotZero(t, svc.StaleSince())
	require.NoError(t, server.Start())
	require.NoError(t, dynamic.Close(soon(t)))
	require.NoError(t, static.Close(soon(t)))
	for c := range changes {
		if c.Len() == 0 {
			break
		}
	}
	names, _, err := cli.Children(soon(t), dir)
	require.NoError(t, err)
	assert.Empty(t, names)
}
