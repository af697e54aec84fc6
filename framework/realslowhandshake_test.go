package framework_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/retry"
)

// globalSessions is how many sessions a server has.
func globalSessions(ctx context.Context, t *testing.T, srv *realzk.Server) int {
	t.Helper()
	answer, err := srv.FourLetter(ctx, "mntr")
	require.NoError(t, err)
	_, behind, found := strings.Cut(answer, "zk_global_sessions\t")
	require.True(t, found, "%s", answer)
	line, _, _ := strings.Cut(behind, "\n")
	count, err := strconv.Atoi(line)
	require.NoError(t, err)
	return count
}

// The way to the only server takes three quarters of T while the client shakes hands, first for a new session and then to resume it.
func TestRealHandshakeOfThreeQuartersOfTheTimeout(t *testing.T) {
	t.Parallel()
	const slow = 6 * time.Second // T, of which a quarter is for stalls of the machine
	srv := realzk.Standalone(t, realzk.Options{})
	proxy := realzk.NewProxy(t, srv.Addr())
	ctx := within(t, 2*patience)
	proxy.Delay(slow / 4) // to connect, to ask, to answer
	begun := time.Now()
	cli := realClient(t, proxy.Addr(), timeout(slow))
	took := time.Since(begun)
	require.NoError(t, proxy.Heal())
	t.Logf("connected after %.2f T, with %d connections", took.Seconds()/slow.Seconds(), proxy.Accepted())
	assert.GreaterOrEqual(t, took, slow*3/4)
	session := sessionOf(t, cli)
	_, err := session.Create(ctx, "/mine", nil, framework.Ephemeral)
	require.NoError(t, err)
	assert.True(t, session.TrustedUntil().After(time.Now()))
	awaitSessions(ctx, t, srv, 1)

	_, _, err = session.Exists(ctx, "/mine")
	require.NoError(t, err)
	next := follow(t, cli)
	proxy.Delay(slow / 4)
	proxy.Cut()
	next(framework.Suspended)
	again := next(framework.Reconnected)
	require.NoError(t, proxy.Heal())
	assert.Equal(t, session.ID(), again.SessionID)
	_, _, err = session.Exists(ctx, "/mine")
	require.NoError(t, err)
	assert.Equal(t, again, cli.State())
}

// The only server takes a part of T to shake hands, first for a new session and then to resume it. The client connects, resumes the session
// on the next connection, and leaves no session behind. With three servers it goes to another one.
func TestRealSlowHandshakes(t *testing.T) {
	t.Parallel()
	const slow = 6 * time.Second // T of the clients of the only server
	parts := []float64{0.1, 0.3}
	srv := realzk.Standalone(t, realzk.Options{})
	ctx := within(t, patience)
	ends := make(chan error, len(parts))
	for _, part := range parts {
		proxy := realzk.NewProxy(t, srv.Addr())
		proxy.Delay(time.Duration(part / 3 * float64(slow))) // to connect, to ask, to answer
		cli := clientOf(t, framework.Config{ConnectString: proxy.Addr(), SessionTimeout: slow})
		go func() { ends <- slowlyConnected(ctx, cli, proxy) }()
	}
	for range parts {
		assert.NoError(t, <-ends)
	}
	awaitSessions(ctx, t, srv, len(parts))

	var addrs []string
	var proxies []*realzk.Proxy
	for range 3 {
		proxies = append(proxies, realzk.NewProxy(t, srv.Addr()))
		addrs = append(addrs, proxies[len(proxies)-1].Addr())
	}
	proxies[0].Delay(slow * 3 / 10)
	for seed := byte(0); proxies[0].Accepted() == 0; seed++ {
		require.Less(t, seed, byte(50), "nobody has tried the slow server: the test tests nothing")
		cli := realClient(t, strings.Join(addrs, ","), timeout(slow), func(cfg *framework.Config) { cfg.Random = seeded(seed) })
		assert.NotEqual(t, proxies[0].Addr(), cli.State().Server)
		_, _, err := cli.Exists(ctx, "/")
		assert.NoError(t, err)
		awaitSessions(ctx, t, srv, len(parts)+int(seed)+1)
	}
}

// awaitSessions waits until a server has so many sessions, and not more.
func awaitSessions(ctx context.Context, t *testing.T, srv *realzk.Server, n int) {
	t.Helper()
	for got := -1; got != n; got = globalSessions(ctx, t, srv) {
		require.NoError(t, ctx.Err(), "%d sessions", got)
	}
}

// slowlyConnected waits for a session, breaks the connection, and waits until the session goes on.
func slowlyConnected(ctx context.Context, cli *framework.Client, proxy *realzk.Proxy) error {
	session, err := cli.Session(ctx)
	if err != nil {
		return err
	}
	if _, _, err := session.Exists(ctx, "/"); err != nil {
		return err
	}
	links := proxy.Accepted()
	proxy.Cut()
	if err := reconnected(ctx, cli, proxy, links); err != nil {
		return err
	}
	if _, _, err := session.Exists(ctx, "/"); err != nil {
		return err
	}
	if n := proxy.Accepted() - links; n != 1 {
		return fmt.Errorf("%d connections until the session went on", n)
	}
	return nil
}

// No answer comes back. Each try starts a session on the server, and closes it.
func TestRealHandshakesWithoutAnAnswerLeaveNoSessionsBehind(t *testing.T) {
	t.Parallel()
	const tries = 6
	const forever = 20 * patience // no session ends by its timeout
	srv := realzk.Standalone(t, realzk.Options{MaxSessionTimeout: forever})
	proxy := realzk.NewProxy(t, srv.Addr())
	ctx := within(t, 2*patience)
	proxy.Blackhole(realzk.ToClient)
	cli := clientOf(t, framework.Config{ConnectString: proxy.Addr(), SessionTimeout: forever,
		HandshakeTimeout: 300 * time.Millisecond, ReconnectPolicy: retry.Forever(50 * time.Millisecond)})
	most := 0
	for proxy.Accepted() < tries {
		most = max(most, globalSessions(ctx, t, srv))
	}
	assert.Positive(t, most)
	for globalSessions(ctx, t, srv) > 2 { // the one that is tried, and the one that is being closed
		require.NoError(t, ctx.Err())
	}
	require.NoError(t, proxy.Heal())
	require.NoError(t, cli.WaitConnected(ctx))
	for globalSessions(ctx, t, srv) != 1 {
		require.NoError(t, ctx.Err())
	}
	_, err := cli.Create(ctx, "/node", nil)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, sessionOf(t, cli).LastZxid()&0xffffffff, int64(2*(tries-1)+2), "transactions")
}
