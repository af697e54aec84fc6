package node_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/retry"
)

// realTimeout is the session timeout on real servers: short, and long enough for a busy machine.
const realTimeout = 6 * time.Second

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

// sessionOf is the id of a client's session.
func sessionOf(t *testing.T, cli *framework.Client) int64 {
	t.Helper()
	s, err := cli.Session(soon(t))
	require.NoError(t, err)
	return s.ID()
}

// A blip within the session: the registration is not written, and nobody who watches it is told anything.
func TestRealBriefDisconnectionKeepsTheSession(t *testing.T) {
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
	next := follow(t, cli)
	for range 3 {
		proxy.Cut()
		next(framework.Suspended)
		next(framework.Reconnected)
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

// The registration comes back in a new session, and when it is deleted from outside.
func TestRealNewSession(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString(), 10*time.Second)
	k, err := node.Keep(soon(t), cli, path, []byte("one"))
	require.NoError(t, err)
	require.NoError(t, k.Set(soon(t), []byte("two")))
	first := k.Standing().Session
	next := follow(t, cli)
	require.NoError(t, space.ExpireSession(soon(t), first))
	next(framework.Lost)
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

// A new session begins while the servers still keep the old one: the client has lost it by the clock. It finds its ghosts: those of
// open Keepers are replaced in one transaction, so that whoever looks meanwhile sees the names at any time, and that of a
// Keeper that was closed during the outage goes.
func TestRealLeftoversAreReplaced(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	cli := realClient(t, proxy.Addr()+space.Root(), realTimeout)
	observer := realClient(t, space.ConnectString(), time.Minute)
	plain, err := node.Keep(soon(t), cli, path, []byte("payload"))
	require.NoError(t, err)
	numbered, err := node.Keep(soon(t), cli, "/queue/n-", nil, node.WithMode(framework.EphemeralSequential))
	require.NoError(t, err)
	closing, err := node.Keep(soon(t), cli, "/closed", nil)
	require.NoError(t, err)
	_, err = cli.Create(soon(t), "/witness", nil, framework.Ephemeral)
	require.NoError(t, err)
	ghost := sessionOf(t, cli)

	next := follow(t, cli)
	proxy.Refuse()
	proxy.Cut()
	require.NoError(t, space.HoldSession(soon(t), ghost))
	next(framework.Lost)
	require.Error(t, closing.Close(dead()))
	require.NoError(t, proxy.Heal())
	looks := 0
	for keepers := []*node.Keeper{plain, numbered}; len(keepers) > 0; looks++ {
		names, _, err := observer.Children(soon(t), dir)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, names, "after %d looks", looks)
		names, _, err = observer.Children(soon(t), "/queue")
		require.NoError(t, err)
		require.Len(t, names, 1)
		if s := keepers[0].Standing(); s.Stands && s.Session != ghost {
			keepers = keepers[1:]
		}
	}
	t.Logf("there at every one of %d looks", looks)
	assert.Equal(t, "/queue/n-0000000001", numbered.Path())
	require.NoError(t, closing.Close(soon(t)))
	witnessed(t, observer, "/witness", true) // the servers still had the session all the time
	witnessed(t, observer, "/closed", false)

	require.NoError(t, space.ExpireSession(soon(t), ghost))
	witnessed(t, observer, "/witness", false)
	for _, k := range []*node.Keeper{plain, numbered} {
		n, err := observer.Get(soon(t), k.Path())
		require.NoError(t, err, "the end of the old session does not take it along")
		assert.Equal(t, sessionOf(t, cli), n.Stat.EphemeralOwner)
		require.NoError(t, k.Close(soon(t)))
	}
}

// witnessed asserts that a node exists, or does not.
func witnessed(t *testing.T, cli *framework.Client, path string, want bool) {
	t.Helper()
	require.NoError(t, cli.Sync(soon(t), path))
	_, exists, err := cli.Exists(soon(t), path)
	require.NoError(t, err)
	assert.Equal(t, want, exists, path)
}

// A process is killed and started again while its old session lives: its registration stands after the end of the old session, as
// soon as that comes, and with Replace before it, and after it.
func TestRealRestartOfAProcess(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	old := realClient(t, proxy.Addr()+space.Root(), realTimeout)
	for _, p := range []string{path, "/waited/for"} {
		_, err := node.Keep(soon(t), old, p, []byte("old"))
		require.NoError(t, err)
	}
	ghost := sessionOf(t, old)
	proxy.Refuse()
	proxy.Cut()
	require.NoError(t, space.HoldSession(soon(t), ghost))

	cli := realClient(t, space.ConnectString(), 10*time.Second)
	replacing, err := node.Keep(soon(t), cli, path, []byte("new"), node.Replace())
	require.NoError(t, err)
	waiting := make(chan *node.Keeper, 1)
	go func() {
		k, err := node.Keep(soon(t), cli, "/waited/for", []byte("new"))
		assert.NoError(t, err)
		waiting <- k
	}()
	for ctx := soon(t); !taken(cli, "/waited/for"); {
		n, err := cli.Get(ctx, "/waited/for")
		require.NoError(t, err, "the old session lives")
		require.Equal(t, "old", string(n.Data))
	}
	require.NoError(t, space.ExpireSession(soon(t), ghost))
	for _, k := range []*node.Keeper{replacing, <-waiting} {
		n, err := cli.Get(soon(t), k.Path())
		require.NoError(t, err)
		assert.Equal(t, "new", string(n.Data))
		assert.Equal(t, sessionOf(t, cli), n.Stat.EphemeralOwner)
		require.NoError(t, k.Close(soon(t)))
	}
}

// taken reports whether a Keeper of the client has found somebody else's node at the path, and waits.
func taken(cli *framework.Client, path string) bool {
	for _, r := range cli.Recipes() {
		if r.Path == path && errors.Is(r.Status.Err, node.ErrTaken) {
			return true
		}
	}
	return false
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
	const life = 4 * time.Second // half of it is for stalls of the machine
	server := realzk.Standalone(t, realzk.Options{ContainerCheckInterval: 100 * time.Millisecond})
	observer := realClient(t, server.Addr(), time.Minute)
	proxy := realzk.NewProxy(t, server.Addr())
	cli := realClient(t, proxy.Addr(), time.Minute)
	k, err := node.Keep(soon(t), cli, path, []byte("payload"), node.WithTTL(life))
	require.NoError(t, err)
	touched, err := observer.Get(soon(t), touch)
	require.NoError(t, err)
	for renewals := 0; renewals < 3; {
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

// A thousand nodes come back; beside it, what a thousand creates of the bare client, all in flight, take on the same server: what
// could not be faster.
func TestRealThousandNodesAfterALostSession(t *testing.T) {
	t.Parallel()
	const n = 1000
	server := realzk.Standalone(t, realzk.Options{})
	cli := realClient(t, server.Addr(), 30*time.Second)
	for _, p := range []string{"/floor", "/kept"} {
		_, err := cli.Create(soon(t), p, nil)
		require.NoError(t, err)
	}
	keepers := keepMany(t, cli, "/kept", n)
	before, id := packets(t, server), sessionOf(t, cli)
	next := follow(t, cli)
	require.NoError(t, server.ExpireSession(soon(t), id))
	next(framework.Lost)
	session := sessionOf(t, cli)
	waitAll(soon(t), t, keepers, session)
	took, cost := time.Since(cli.State().Time), packets(t, server)-before
	before = packets(t, server)
	floor := createMany(t, cli, "/floor", n)
	t.Logf("%d nodes back %v after the new session, %d packets; %d bare creates took %v, %d packets",
		n, took, cost, n, floor, packets(t, server)-before)
	assert.Less(t, cost, 3*n+100, "a create and a look for each; and a try in the old session by who hears of the deletion first")
	names, _, err := cli.Children(soon(t), "/kept")
	require.NoError(t, err)
	assert.Len(t, names, n)
}

// packets is how many packets a server has received.
func packets(t *testing.T, server *realzk.Server) (n int) {
	t.Helper()
	answer, err := server.FourLetter(soon(t), "srvr")
	require.NoError(t, err)
	_, received, _ := strings.Cut(answer, "Received: ")
	_, err = fmt.Sscan(received, &n)
	require.NoError(t, err, answer)
	return n
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
