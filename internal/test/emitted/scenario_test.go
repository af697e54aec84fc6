package emitted

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// everything has everything happen, in a bubble, that there is to tell. look is called while the client is still there.
func everything(t *testing.T, c *collector, look func()) {
	s := startServer(t)
	cli := c.client(t, s, "a")
	operate(t, s, cli)
	compete(t, s, cli)
	lead(t, s, cli)
	mirror(t, s, cli)
	reject(t, s, cli)
	synctest.Wait()
	look()
	require.NoError(t, cli.Close())
}

// operate does each operation, and has one of each fate.
func operate(t *testing.T, s *zktest.Server, cli *framework.Client) {
	ctx := t.Context()
	session, err := cli.Session(ctx)
	require.NoError(t, err)
	_, err = cli.Create(ctx, "/a", nil)
	require.NoError(t, err)
	_, err = session.WatchTree(ctx, "/a")
	require.NoError(t, err)
	for _, f := range []func() error{
		func() error { _, err := cli.Set(ctx, "/a", nil, framework.AnyVersion); return err },
		func() error { _, _, err := cli.Exists(ctx, "/a"); return err },
		func() error { _, _, err := cli.Children(ctx, "/a"); return err },
		func() error { return cli.Sync(ctx, "/a") },
		func() error {
			_, err := cli.Multi(ctx, []framework.Op{framework.CheckOp("/a", framework.AnyVersion)})
			return err
		},
		func() error { _, _, err := cli.ACL(ctx, "/a"); return err },
		func() error { _, err := cli.SetACL(ctx, "/a", framework.OpenACL(), framework.AnyVersion); return err },
		func() error { _, _, err := cli.WatchData(ctx, "/a"); return err },
		func() error { _, _, _, err := cli.WatchExists(ctx, "/a"); return err },
		func() error { _, _, _, err := cli.WatchChildren(ctx, "/a"); return err },
	} {
		require.NoError(t, f())
	}
	require.ErrorIs(t, cli.Delete(ctx, "/none", framework.AnyVersion), framework.ErrNoNode)
	s.LoseReply(zktest.OpGetData, 1)
	_, err = cli.Get(ctx, "/a")
	require.NoError(t, err)
	s.Refuse()
	s.Cut(zktest.AllConns())
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = cli.Get(short, "/a")
	require.ErrorIs(t, err, framework.ErrNotConnected)
	require.NoError(t, s.Accept())
	require.NoError(t, cli.WaitConnected(ctx))
	synctest.Wait() // what happens is told a moment later
}

// compete waits for a lock over a blip and a lost session, holds it, loses it, and gives up waiting for it.
func compete(t *testing.T, s *zktest.Server, cli *framework.Client) {
	rival := collect().client(t, s, "rival")
	m := lock.New(cli, "/l", lock.WaitLimit(time.Minute))
	first, err := lock.New(rival, "/l", lock.Hold(0)).Lock(t.Context())
	require.NoError(t, err)
	go func() {
		time.Sleep(time.Second)
		blip(t, s)
		s.ExpireSession(cli.State().SessionID)
		time.Sleep(time.Second)
		assert.NoError(t, first.Unlock(context.Background()))
	}()
	held, err := m.Lock(t.Context())
	require.NoError(t, err)
	_, err = m.Lock(t.Context())
	require.ErrorIs(t, err, lock.ErrWaitLimit)
	s.Cut(zktest.AllConns())
	<-held.Context().Done()
	require.Error(t, held.Unlock(t.Context()))
	require.NoError(t, cli.WaitConnected(t.Context()))
	synctest.Wait() // what happens is told a moment later
}

// lead loses a term, and the wish for another one.
func lead(t *testing.T, s *zktest.Server, cli *framework.Client) {
	e := leader.New(cli, "/e")
	term, err := e.Campaign(t.Context())
	require.NoError(t, err)
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = e.Campaign(short)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.Cut(zktest.AllConns())
	<-term.Context().Done()
	require.Error(t, term.Resign(t.Context()))
	require.NoError(t, cli.WaitConnected(t.Context()))
	synctest.Wait() // what happens is told a moment later
}

// mirror opens a cache and a view of a service, in a session that ends meanwhile, and registers an instance, or does not.
func mirror(t *testing.T, s *zktest.Server, cli *framework.Client) {
	_, err := s.Create("/services", nil, zktest.Persistent)
	require.NoError(t, err)
	for i := range 9 { // so many are read in one request
		_, err := s.Create(fmt.Sprintf("/services/other-%d", i), nil, zktest.Persistent)
		require.NoError(t, err)
	}
	heal := s.Delay(zktest.AllConns(), 400*time.Millisecond)
	tree, err := cache.Open(t.Context(), cli, "/services", cache.NoWait())
	require.NoError(t, err)
	time.Sleep(time.Millisecond)
	s.ExpireSession(cli.State().SessionID)
	heal()
	require.NoError(t, tree.WaitFresh(t.Context()))
	registry := discovery.New[string](cli, "/services")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = registry.Register(gone, discovery.Instance[string]{Name: "orders", Address: "a", Port: 1})
	require.ErrorIs(t, err, context.Canceled)
	_, err = registry.Register(t.Context(), discovery.Instance[string]{Name: "orders", Address: "a", Port: 1})
	require.NoError(t, err)
	_, err = registry.Open(t.Context(), "orders")
	require.NoError(t, err)
}

// reject has a configuration that cannot be used.
func reject(t *testing.T, s *zktest.Server, cli *framework.Client) {
	_, err := s.Create("/config", []byte("good"), zktest.Persistent)
	require.NoError(t, err)
	_, err = cache.OpenValue(t.Context(), cli, "/config", func(data []byte) (string, error) {
		if string(data) != "good" {
			panic("not good")
		}
		return "", nil
	})
	require.NoError(t, err)
	require.NoError(t, s.Set("/config", []byte("bad")))
	time.Sleep(time.Second)
}
