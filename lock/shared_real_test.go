package lock_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
)

// The exact names on a real server, the token, and that nothing but the pair is ever to be seen.
func TestRealSharedNames(t *testing.T) {
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString())
	names := func() []string {
		list, _, err := cli.Children(within(t), path)
		require.NoError(t, err)
		return list
	}
	for i, kind := range []struct {
		lock func(ctx context.Context) (*lock.Held, error)
		want []string
	}{
		{lock.New(cli, path, lock.Shared()).Lock, []string{`lock-0000000000`, `__lock__0000000001`}},
		{lock.NewRW(cli, path, lock.Shared()).Lock, []string{`__WRIT__0000000003`, `__lock__0000000004`}},
		{lock.NewRW(cli, path, lock.Shared()).RLock, []string{`__READ__0000000006`, `__rlock__0000000007`}},
	} {
		held, err := kind.lock(within(t))
		require.NoError(t, err, "%d", i)
		wantNames(t, names(), kind.want...)
		guids := map[string]bool{}
		for _, check := range held.Checks() {
			node, err := cli.Get(within(t), check.Path())
			require.NoError(t, err)
			assert.Equal(t, held.Token(), node.Stat.Czxid<<8, "one change, whose number gives the token")
			assert.Equal(t, node.Stat.Czxid, node.Stat.Mzxid)
			assert.Empty(t, node.Data)
			guids[check.Path()[len(path)+1:][:len("_c_")+36]] = true
		}
		assert.Len(t, guids, 1)
		_, err = held.Multi(within(t), []framework.Op{framework.CreateOp("/written-"+strconv.Itoa(i), nil, framework.Persistent)})
		require.NoError(t, err)
		require.NoError(t, held.Unlock(within(t)))
		assert.Empty(t, names())
	}
}

func TestRealSharedDowngrade(t *testing.T) {
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString())
	m := lock.NewRW(cli, path, lock.Shared())
	writing, err := m.Lock(within(t))
	require.NoError(t, err)
	reading, err := writing.Downgrade(within(t))
	require.NoError(t, err)
	list, _, err := cli.Children(within(t), path)
	require.NoError(t, err)
	wantNames(t, list, `__READ__0000000000`, `__rlock__0000000001`)
	shared, err := lock.NewRW(realClient(t, space.ConnectString()), path, lock.Shared()).TryRLock(within(t))
	require.NoError(t, err)
	unlock(t, reading, shared)
}

// zk.Lock, the plain Mutex and the shared one want the same, and none of them ever beside another.
func TestRealSharedExcludesZkLock(t *testing.T) {
	space := realzk.Shared(t)
	conn, _, err := zk.Connect([]string{space.Addr()}, 30*time.Second, zk.WithLogger(silent{}))
	require.NoError(t, err)
	defer conn.Close()
	cli := realClient(t, space.ConnectString())
	counter, err := cli.Create(within(t), "/counter", []byte("0"))
	require.NoError(t, err)
	add := func() {
		node, err := cli.Get(within(t), counter.Path)
		assert.NoError(t, err)
		n, _ := strconv.Atoi(string(node.Data))
		_, err = cli.Set(within(t), counter.Path, []byte(strconv.Itoa(n+1)), node.Stat.Version)
		assert.NoError(t, err)
	}
	const rounds = 15
	var all sync.WaitGroup
	for _, opts := range [][]lock.Option{{lock.Shared()}, nil, {lock.Shared(), lock.LocalHandover(3)}} {
		m := lock.New(realClient(t, space.ConnectString()), path, opts...)
		for range 2 {
			all.Go(func() {
				for range rounds {
					assert.NoError(t, lock.Do(within(t), m, func(context.Context, *lock.Held) error { add(); return nil }))
				}
			})
		}
	}
	all.Go(func() {
		theirs := zk.NewLock(conn, space.Root()+path, zk.WorldACL(zk.PermAll))
		for range rounds {
			if !assert.NoError(t, theirs.Lock()) {
				return
			}
			add()
			assert.NoError(t, theirs.Unlock())
		}
	})
	all.Wait()
	node, err := cli.Get(within(t), counter.Path)
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(7*rounds), string(node.Data))
}

// A reply of the servers is lost: the pair that exists is the one that is held.
func TestRealSharedLockIsCutOff(t *testing.T) {
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	cli := realClient(t, proxy.Addr()+space.Root())
	m := lock.New(cli, path, lock.Shared(), lock.Hold(0))
	held := locked(t, m)
	require.NoError(t, held.Unlock(within(t)))
	proxy.Blackhole(realzk.ToClient)
	got := make(chan result, 1)
	go func() {
		held, err := m.Lock(within(t))
		got <- result{held, err, time.Now()}
	}()
	eye := realClient(t, space.ConnectString())
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for names := []string(nil); len(names) < 2; <-poll.C {
		var err error
		names, _, err = eye.Children(within(t), path)
		require.NoError(t, err)
	}
	proxy.Cut()
	require.NoError(t, proxy.Heal())
	r := <-got
	require.NoError(t, r.err)
	names, _, err := eye.Children(within(t), path)
	require.NoError(t, err)
	wantNames(t, names, `lock-0000000003`, `__lock__0000000004`)
	assert.True(t, strings.HasSuffix(r.held.Path(), "3"), r.held.Path())
	require.NoError(t, r.held.Unlock(within(t)))
}

// Whoever is cut off between its lease and the grant leaves none behind, and who waits behind it is not kept.
func TestRealNoLeaseStays(t *testing.T) {
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	one, err := lock.NewSemaphore(realClient(t, space.ConnectString()), pool, 2).Acquire(within(t), 1)
	require.NoError(t, err)
	cause := errors.New("changed its mind")
	ctx, cancel := context.WithCancelCause(within(t))
	waiting := make(chan taken, 1)
	go func() {
		held, err := lock.NewSemaphore(realClient(t, proxy.Addr()+space.Root(), brief), pool, 2).Acquire(ctx, 2)
		waiting <- taken{held, err, time.Now()}
	}()
	other := lock.NewSemaphore(realClient(t, space.ConnectString()), pool, 2)
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for list, err := other.Contenders(within(t)); len(list) < 3; list, err = other.Contenders(within(t)) {
		require.NoError(t, err)
		<-poll.C
	}
	proxy.Blackhole(realzk.Both)
	cancel(cause)
	require.ErrorIs(t, (<-waiting).err, cause)
	behind, err := other.Acquire(within(t), 1)
	require.NoError(t, err, "its session ends, and its leases with it")
	list, err := other.Contenders(within(t))
	require.NoError(t, err)
	assert.Len(t, list, 2)
	require.NoError(t, proxy.Heal())
	giveBack(t, one, behind)
}
