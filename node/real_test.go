package node_test

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/realzk"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/retry"
)

// realTimeout is the session timeout on real servers: short, and long enough for a busy machine.
const realTimeout = 2 * time.Second

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
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// realAwait waits for a state of a client's connection.
func realAwait(t *testing.T, cli *framework.Client, want framework.State) {
	t.Helper()
	for ch := range cli.States(soon(t)) {
		if ch.State == want {
			return
		}
	}
	t.Fatalf("the state %v does not come; it is %v", want, cli.State().State)
}

// sessionOf is the id of a client's session.
func sessionOf(t *testing.T, cli *framework.Client) int64 {
	t.Helper()
	s, err := cli.Session(soon(t))
	require.NoError(t, err)
	return s.ID()
}

func TestRealBlipWithinTheSession(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	cli := realClient(t, proxy.Addr()+space.Root(), 10*time.Second)
	observer := realClient(t, space.ConnectString(), 10*time.Second)
	k, err := node.Keep(soon(t), cli, path, []byte("payload"))
	require.NoError(t, err)
	before, data, err := observer.WatchData(soon(t), path)
	require.NoError(t, err)
	_, _, children, err := observer.WatchChildren(soon(t), dir)
	require.NoError(t, err)
	for range 3 {
		proxy.Cut()
		realAwait(t, cli, framework.Suspended)
		realAwait(t, cli, framework.Reconnected)
		_, err = cli.Get(soon(t), path) // what was behind the reconnect has been answered when this is
		require.NoError(t, err)
	}
	after, err := observer.Get(soon(t), path)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Empty(t, data.C)
	assert.Empty(t, children.C)
	require.NoError(t, k.Close(soon(t)))
	_, exists, err := observer.Exists(soon(t), path)
	require.NoError(t, err)
	assert.False(t, exists)
}

func TestRealNewSession(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString(), 10*time.Second)
	k, err := node.Keep(soon(t), cli, path, []byte("one"))
	require.NoError(t, err)
	require.NoError(t, k.Set(soon(t), []byte("two")))
	first := k.Standing().Session
	require.NoError(t, space.ExpireSession(soon(t), first))
	realAwait(t, cli, framework.Lost)
	for k.Standing().Session == first {
		require.NoError(t, k.WaitStanding(soon(t)))
	}
	n, err := cli.Get(soon(t), path)
	require.NoError(t, err)
	assert.Equal(t, "two", string(n.Data))
	assert.Equal(t, sessionOf(t, cli), n.Stat.EphemeralOwner)

	require.NoError(t, cli.Delete(soon(t), path, framework.AnyVersion))
	for ctx := soon(t); ; {
		again, err := cli.Get(ctx, path)
		if err == nil && again.Stat.Czxid != n.Stat.Czxid {
			break
		}
		require.NoError(t, ctx.Err(), "deleted by somebody, and not restored")
	}
	require.NoError(t, k.Close(soon(t)))
}

// A process that was killed is started again: with Replace its registration stands at once, and after the end of the old session.
func TestRealRestartOfAProcess(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	old, err := framework.New(framework.Config{ConnectString: proxy.Addr() + space.Root(), SessionTimeout: realTimeout})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, old.Close()) })
	_, err = node.Keep(soon(t), old, path, []byte("old"))
	require.NoError(t, err)
	_, err = node.Keep(soon(t), old, "/waited/for", []byte("old"))
	require.NoError(t, err)
	proxy.Blackhole(realzk.Both)

	cli := realClient(t, space.ConnectString(), 10*time.Second)
	replacing, err := node.Keep(soon(t), cli, path, []byte("new"), node.Replace())
	require.NoError(t, err)
	n, err := cli.Get(soon(t), "/waited/for")
	require.NoError(t, err, "the old session lives")
	assert.Equal(t, "old", string(n.Data))
	waiting, err := node.Keep(soon(t), cli, "/waited/for", []byte("new")) // returns after the end of the old session
	require.NoError(t, err)
	for _, k := range []*node.Keeper{replacing, waiting} {
		n, err := cli.Get(soon(t), k.Path())
		require.NoError(t, err)
		assert.Equal(t, "new", string(n.Data))
		assert.Equal(t, sessionOf(t, cli), n.Stat.EphemeralOwner)
		require.NoError(t, k.Close(soon(t)))
	}
}

func TestRealModes(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString(), 10*time.Second)
	for name, c := range map[string]struct {
		opts []node.Option
		name string
	}{
		"sequential":           {[]node.Option{node.WithMode(framework.EphemeralSequential)}, `a\d{10}`},
		"persistent":           {[]node.Option{node.WithMode(framework.Persistent)}, "a"},
		"container":            {[]node.Option{node.WithMode(framework.Container)}, "a"},
		"persistent numbered":  {[]node.Option{node.WithMode(framework.PersistentSequential)}, `a\d{10}`},
		"protected sequential": {[]node.Option{node.WithMode(framework.EphemeralSequential), node.Protected()}, "_c_" + guid + `-a\d{10}`},
	} {
		k, err := node.Keep(soon(t), cli, path, []byte("payload"), c.opts...)
		require.NoError(t, err, name)
		_, own := framework.Split(k.Path())
		assert.Regexp(t, regexp.MustCompile("^"+c.name+"$"), own, name)
		require.NoError(t, k.Set(soon(t), []byte("new")), name)
		n, err := cli.Get(soon(t), k.Path())
		require.NoError(t, err, name)
		assert.Equal(t, "new", string(n.Data), name)
		require.NoError(t, k.Close(soon(t)), name)
		names, _, err := cli.Children(soon(t), dir)
		require.NoError(t, err, name)
		assert.Empty(t, names, name)
	}
}

// The servers remove the container when nobody renews it, and not before.
func TestRealTTL(t *testing.T) {
	t.Parallel()
	const life = 800 * time.Millisecond
	server := realzk.Standalone(t, realzk.Options{ContainerCheckInterval: 100 * time.Millisecond})
	observer := realClient(t, server.Addr(), time.Minute)
	proxy := realzk.NewProxy(t, server.Addr())
	cli := realClient(t, proxy.Addr(), time.Minute)
	k, err := node.Keep(soon(t), cli, path, []byte("payload"), node.WithTTL(life))
	require.NoError(t, err)
	touched, err := observer.Get(soon(t), touch)
	require.NoError(t, err)
	for renewals := 0; renewals < 4; {
		n, w, err := observer.WatchData(soon(t), touch)
		require.NoError(t, err, "it is there at any time")
		require.Equal(t, touched.Stat.Czxid, n.Stat.Czxid)
		<-w.C
		renewals++
	}
	proxy.Blackhole(realzk.Both)
	for {
		_, exists, w, err := observer.WatchExists(soon(t), path)
		require.NoError(t, err)
		if !exists {
			w.Stop()
			break
		}
		<-w.C
	}
	require.NoError(t, proxy.Heal())
	for {
		_, exists, w, err := observer.WatchExists(soon(t), touch)
		require.NoError(t, err)
		if exists {
			w.Stop()
			break
		}
		<-w.C
	}
	n, err := observer.Get(soon(t), path)
	require.NoError(t, err)
	assert.Equal(t, "payload", string(n.Data))
	require.NoError(t, k.Close(soon(t)))
}

// A server without extended types cannot have TTL nodes; nothing is left of the attempt.
func TestRealTTLWithoutExtendedTypes(t *testing.T) {
	t.Parallel()
	server := realzk.Standalone(t, realzk.Options{Properties: map[string]string{"zookeeper.extendedTypesEnabled": "false"}})
	cli := realClient(t, server.Addr(), 10*time.Second)
	_, err := node.Keep(soon(t), cli, path, nil, node.WithTTL(ttl))
	require.Error(t, err)
	t.Log(err)
	_, exists, err := cli.Exists(soon(t), path)
	require.NoError(t, err)
	assert.False(t, exists)
}

// A thousand nodes come back; beside it, what a thousand creates of the bare client take on the same server.
func TestRealThousandNodesAfterALostSession(t *testing.T) {
	t.Parallel()
	const n = 1000
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString(), 30*time.Second)
	for _, p := range []string{"/floor", "/kept"} {
		_, err := cli.Create(soon(t), p, nil)
		require.NoError(t, err)
	}
	keepers := keepMany(t, cli, "/kept", n)
	id := sessionOf(t, cli)
	require.NoError(t, space.ExpireSession(soon(t), id))
	realAwait(t, cli, framework.Lost)
	session := sessionOf(t, cli)
	began := time.Now()
	waitAll(soon(t), t, keepers, session)
	took := time.Since(began)
	floor := createMany(t, cli, "/floor", n)
	t.Logf("%d nodes back %v after the new session; %d bare creates took %v", n, took, n, floor)
	names, _, err := cli.Children(soon(t), "/kept")
	require.NoError(t, err)
	assert.Len(t, names, n)
}

func TestRealMembers(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	a := realClient(t, space.ConnectString(), 10*time.Second)
	b := realClient(t, proxy.Addr()+space.Root(), 10*time.Second)
	news := node.WatchMembers(soon(t), b, group)
	expect := func(want string) {
		t.Helper()
		for got := ""; got != want; {
			g, open := <-news
			require.True(t, open, "the last was %s and not %s", got, want)
			require.NoError(t, g.Err)
			got = describe(g.Members)
		}
	}
	var all []*node.Keeper
	want := ""
	for i := range 3 {
		k, err := node.Join(soon(t), a, group, fmt.Sprint(i), []byte("x"))
		require.NoError(t, err)
		all = append(all, k)
		want += fmt.Sprintf(" %d=x", i)
		expect(want[1:])
	}
	require.NoError(t, all[1].Set(soon(t), []byte("y")))
	expect("0=x 1=y 2=x")
	proxy.Blackhole(realzk.Both)
	require.NoError(t, all[0].Close(soon(t)))
	require.NoError(t, all[1].Set(soon(t), []byte("z")))
	proxy.Cut()
	require.NoError(t, proxy.Heal())
	expect("1=z 2=x")
	require.NoError(t, space.ExpireSession(soon(t), sessionOf(t, b)))
	require.NoError(t, all[2].Close(soon(t)))
	expect("1=z")
	members, err := node.Members(soon(t), b, group)
	require.NoError(t, err)
	assert.Equal(t, "1=z", describe(members))
}
