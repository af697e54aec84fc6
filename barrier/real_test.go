package barrier_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// realClient starts a client of a real server. Its session outlives any stall of the machine.
func realClient(t *testing.T, connect string) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: connect})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(within(t)))
	return cli
}

// within is a context for what must happen, and far longer than it should take.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// nodes waits until a directory has as many nodes as that.
func nodes(t *testing.T, cli *framework.Client, path string, n int) {
	t.Helper()
	ctx := within(t)
	for {
		names, _, watch, err := cli.WatchChildren(ctx, path)
		require.NoError(t, err)
		if len(names) == n {
			watch.Stop()
			return
		}
		select {
		case <-watch.C:
		case <-ctx.Done():
			require.FailNow(t, "they do not come", "%d nodes, there are %v", n, names)
		}
	}
}

// finish waits for a call that runs on a real server.
func (c *call) finish() error {
	c.t.Helper()
	select {
	case <-c.done:
		return c.err
	case <-time.After(2 * time.Minute):
		c.t.Fatal("the call does not return")
		return nil
	}
}

func TestRealBarrier(t *testing.T) {
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString())
	b := barrier.New(cli, path)
	require.NoError(t, b.Set(within(t)))
	a := wait(within(t), t, barrier.New(realClient(t, space.ConnectString()), path))
	ended := realClient(t, space.ConnectString())
	c := wait(within(t), t, barrier.New(ended, path))
	s, err := ended.Session(within(t))
	require.NoError(t, err)
	require.NoError(t, space.ExpireSession(within(t), s.ID()))
	<-s.Done()
	require.NoError(t, ended.WaitConnected(within(t)))
	require.NoError(t, b.Remove(within(t)))
	require.NoError(t, a.finish())
	require.NoError(t, c.finish())
}

func TestRealRounds(t *testing.T) {
	space := realzk.Shared(t)
	const members = 4
	rounds := make([]round, 25)
	var all sync.WaitGroup
	var cli *framework.Client
	for range members {
		cli = realClient(t, space.ConnectString())
		d := barrier.NewDouble(cli, path, members)
		all.Go(func() { play(t, d, rounds, members) })
	}
	all.Wait()
	names, _, err := cli.Children(within(t), path)
	require.NoError(t, err)
	assert.Empty(t, names)
}

func TestRealMemberDies(t *testing.T) {
	space := realzk.Shared(t)
	a, b := realClient(t, space.ConnectString()), realClient(t, space.ConnectString())
	members := []*barrier.Double{barrier.NewDouble(a, path, 2), barrier.NewDouble(b, path, 2)}
	var in [2]*barrier.Entered
	for i, c := range []*call{enter(within(t), t, members[0]), enter(within(t), t, members[1])} {
		require.NoError(t, c.finish())
		in[i] = c.in
	}
	leaving := leave(within(t), t, in[1])
	s, err := a.Session(within(t))
	require.NoError(t, err)
	require.NoError(t, space.ExpireSession(within(t), s.ID()))
	require.NoError(t, leaving.finish())
	<-in[0].Context().Done()
	assert.ErrorIs(t, context.Cause(in[0].Context()), framework.ErrSessionLost)
	assert.ErrorIs(t, in[0].Leave(within(t)), framework.ErrSessionLost)

	// If the member that died was the lowest, the sign of its round is left behind. The next round replaces it and removes its own.
	again := []*call{enter(within(t), t, members[0]), enter(within(t), t, members[1])}
	for i, c := range again {
		require.NoError(t, c.finish())
		in[i] = c.in
	}
	for _, c := range []*call{leave(within(t), t, in[0]), leave(within(t), t, in[1])} {
		require.NoError(t, c.finish())
	}
	nodes(t, b, path, 0)
}
