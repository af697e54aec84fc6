package lock_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
)

// realTimeout is the session timeout on real servers where a session is to expire by itself: short, and long enough for a
// busy machine. Elsewhere it is as long as usual.
const realTimeout = 3 * time.Second

// realClient starts a client of a real server.
func realClient(t *testing.T, connect string, tune ...func(*framework.Config)) *framework.Client {
	t.Helper()
	cfg := framework.Config{ConnectString: connect}
	for _, f := range tune {
		f(&cfg)
	}
	cli, err := framework.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(within(t)))
	return cli
}

// brief makes a client's session one that soon expires.
func brief(c *framework.Config) { c.SessionTimeout = realTimeout }

// within is a context for what must happen, and far longer than it should take.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// realQueue locks beside the test and returns when there are n nodes in the queue.
func realQueue(t *testing.T, m *lock.Mutex, n int) <-chan result {
	t.Helper()
	c := make(chan result, 1)
	go func() {
		held, err := m.Lock(within(t))
		c <- result{held, err, time.Now()}
	}()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for ctx := within(t); ; {
		list, err := m.Contenders(ctx)
		require.NoError(t, err)
		if len(list) == n {
			return c
		}
		<-poll.C
	}
}

func TestRealLockExcludes(t *testing.T) {
	space := realzk.Shared(t)
	const clients, rounds = 4, 25
	counter, err := realClient(t, space.ConnectString()).Create(within(t), "/counter", []byte("0"))
	require.NoError(t, err)
	var all sync.WaitGroup
	for range clients {
		cli := realClient(t, space.ConnectString())
		m := lock.New(cli, "/locks/counter")
		all.Go(func() {
			for range rounds {
				held, err := m.Lock(within(t))
				if !assert.NoError(t, err) {
					return
				}
				node, err := cli.Get(within(t), counter.Path)
				assert.NoError(t, err)
				n, _ := strconv.Atoi(string(node.Data))
				_, err = held.Set(within(t), counter.Path, []byte(strconv.Itoa(n+1)), framework.AnyVersion)
				assert.NoError(t, err)
				assert.NoError(t, held.Unlock(within(t)))
			}
		})
	}
	all.Wait()
	cli := realClient(t, space.ConnectString())
	node, err := cli.Get(within(t), counter.Path)
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(clients*rounds), string(node.Data))
	assert.EqualValues(t, clients*rounds, node.Stat.Version)
	names, _, err := cli.Children(within(t), "/locks/counter")
	require.NoError(t, err)
	assert.Empty(t, names)
}

func TestRealSilenceEndsTheHolderFirst(t *testing.T) {
	for name, c := range map[string]struct {
		opts []lock.Option
		way  realzk.Direction
	}{
		"cancel/both":    {nil, realzk.Both},
		"hold/both":      {[]lock.Option{lock.Hold(0)}, realzk.Both},
		"hold/to server": {[]lock.Option{lock.Hold(0)}, realzk.ToServer},
		"hold/to client": {[]lock.Option{lock.Hold(0)}, realzk.ToClient},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			space := realzk.Shared(t)
			proxy := realzk.NewProxy(t, space.Addr())
			held := locked(t, lock.New(realClient(t, proxy.Addr()+space.Root(), brief), path, c.opts...))
			waiting := realQueue(t, lock.New(realClient(t, space.ConnectString()), path), 2)
			over := make(chan time.Time, 1)
			context.AfterFunc(held.Context(), func() { over <- time.Now() })
			silent := time.Now()
			proxy.Blackhole(c.way)
			next := <-waiting
			require.NoError(t, next.err)
			require.Error(t, held.Context().Err(), "two hold")
			end := <-over
			assert.True(t, next.at.After(held.TrustedUntil()), "the next one held while the first one was trusted")
			assert.Greater(t, next.held.Token(), held.Token())
			t.Logf("T = %v: over %v after the packets vanished (%v), the next one held %v later",
				realTimeout, end.Sub(silent), context.Cause(held.Context()), next.at.Sub(end))
			require.NoError(t, proxy.Heal())
		})
	}
}

func TestRealKilledSession(t *testing.T) {
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString())
	m := lock.New(cli, path)
	held := locked(t, m)
	waiting := realQueue(t, lock.New(realClient(t, space.ConnectString()), path), 2)
	session, err := cli.Session(within(t))
	require.NoError(t, err)
	require.NoError(t, space.ExpireSession(within(t), session.ID()))
	<-held.Context().Done()
	next := <-waiting
	require.NoError(t, next.err)
	assert.Error(t, held.Unlock(within(t)))
	again := realQueue(t, m, 2)
	assert.NoError(t, context.Cause(next.held.Context()))
	require.NoError(t, next.held.Unlock(within(t)))
	r := <-again
	require.NoError(t, r.err)
	assert.Greater(t, r.held.Token(), next.held.Token())
	require.NoError(t, r.held.Unlock(within(t)))
}
