package etcd

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/docent-zk/docent/internal/test/realzk"
)

// The connection breaks and comes back: nothing is lost, nothing is written, and nobody hears of it.
func TestBlip(t *testing.T) {
	t.Parallel()
	path, ctx := "/"+t.Name(), within(t)
	holder, proxy := behind(t)
	session := holder.session(60)
	mutex := concurrency.NewMutex(session, path)
	require.NoError(t, mutex.Lock(ctx))
	watcher := connect(t, endpoint)
	before, err := watcher.Get(ctx, mutex.Key())
	require.NoError(t, err)
	changes := watcher.Watch(ctx, path, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	come(t, changes, "watch")
	for range 3 {
		accepted := proxy.Accepted()
		proxy.Cut()
		for proxy.Accepted() == accepted { // the first call may fail, with the connection that broke
			_, _ = holder.Get(ctx, path)
		}
	}
	answer, err := holder.Txn(ctx).If(mutex.IsOwner()).Then(clientv3.OpPut(path+"-end", "")).Commit()
	require.NoError(t, err)
	assert.True(t, answer.Succeeded, "it holds the lock")
	require.NoError(t, session.Ctx().Err())
	change := come(t, changes, "what was written last")
	require.Len(t, change.Events, 1)
	assert.Equal(t, path+"-end", string(change.Events[0].Kv.Key), "the first that anybody hears")
	after, err := watcher.Get(ctx, mutex.Key())
	require.NoError(t, err)
	assert.Equal(t, before.Kvs[0].ModRevision, after.Kvs[0].ModRevision)
}

// The key is written, and the reply is lost with the connection: Lock fails, and the key stays as long as the session lives.
// Another Lock of the same session finds it.
func TestReplyIsLost(t *testing.T) {
	t.Parallel()
	path, ctx := "/"+t.Name(), within(t)
	p, proxy := behind(t)
	mutex, eye := concurrency.NewMutex(p.session(60), path), connect(t, endpoint)
	proxy.Blackhole(realzk.ToClient)
	failed := make(chan error, 1)
	go func() { failed <- mutex.Lock(ctx) }()
	eye.untilThereAre(path, 1)
	proxy.Cut()
	require.NoError(t, proxy.Heal())
	require.Error(t, come(t, failed, "the end of Lock"))
	_, err := p.Get(ctx, "/")
	require.NoError(t, err, "it is connected again")
	assert.EqualValues(t, 1, eye.keys(path), "nobody thinks that he holds it, and nobody else can")
	require.NoError(t, mutex.Lock(ctx))
	require.NoError(t, mutex.Unlock(ctx))
	assert.Zero(t, eye.keys(path))
}

// A wait that is given up leaves nothing in the queue.
func TestCancelledWait(t *testing.T) {
	t.Parallel()
	path, ctx := "/"+t.Name(), within(t)
	eye := connect(t, endpoint)
	require.NoError(t, concurrency.NewMutex(eye.session(60), path).Lock(ctx))
	p := connect(t, endpoint)
	waiting, cancel := context.WithCancel(ctx)
	failed, mutex := make(chan error, 1), concurrency.NewMutex(p.session(60), path)
	go func() { failed <- mutex.Lock(waiting) }()
	eye.untilThereAre(path, 2)
	cancel()
	require.ErrorIs(t, come(t, failed, "the end of Lock"), context.Canceled)
	assert.EqualValues(t, 1, eye.keys(path))
}

// A wait that is given up while the network carries nothing does not return: Lock takes its key away first, and no context
// of the caller's ends that.
func TestCancelledWaitInABlackHole(t *testing.T) {
	t.Parallel()
	path, ctx := "/"+t.Name(), within(t)
	eye := connect(t, endpoint)
	require.NoError(t, concurrency.NewMutex(eye.session(60), path).Lock(ctx))
	p, proxy := behind(t)
	session := p.session(3)
	waiting, cancel := context.WithCancel(ctx)
	failed, mutex := make(chan error, 1), concurrency.NewMutex(session, path)
	go func() { failed <- mutex.Lock(waiting) }()
	eye.untilThereAre(path, 2)
	proxy.Blackhole(realzk.Both)
	cancel()
	come(t, session.Done(), "the end of the session")
	eye.untilThereAre(path, 1)
	select {
	case err := <-failed:
		require.FailNow(t, "Lock has returned", "%v", err)
	default:
	}
	require.NoError(t, proxy.Heal())
	require.ErrorIs(t, come(t, failed, "the end of Lock"), context.Canceled)
}

// What a lock costs: a call to take it and a call to let go of it; and a successor wakes alone, and asks twice.
func TestRequests(t *testing.T) {
	t.Parallel()
	path, ctx := "/"+t.Name(), within(t)
	holder := connect(t, endpoint)
	mutex := concurrency.NewMutex(holder.session(60), path)
	before := holder.since(0)
	require.NoError(t, mutex.Lock(ctx))
	require.NoError(t, mutex.Unlock(ctx))
	assert.Equal(t, 2, holder.since(before), "%v", holder.of)

	require.NoError(t, mutex.Lock(ctx))
	eye := connect(t, endpoint)
	waits := func(n int64) (*party, chan error) {
		p, next := connect(t, endpoint), make(chan error, 1)
		waiting := concurrency.NewMutex(p.session(60), path)
		go func() { next <- waiting.Lock(ctx) }()
		eye.untilThereAre(path, n)
		return p, next
	}
	second, secondHas := waits(2)
	third, _ := waits(3)
	atSecond, atThird := second.settled(), third.settled()
	require.NoError(t, mutex.Unlock(ctx))
	require.NoError(t, come(t, secondHas, "the successor"))
	assert.Equal(t, 2, second.since(atSecond), "%v", second.of)
	assert.Zero(t, third.since(atThird), "it sleeps on: %v", third.of)
}

// settled is how many calls a waiting party has made: the lease, its key, and a look at the queue.
func (p *party) settled() int {
	p.t.Helper()
	const made = 3
	ctx := within(p.t)
	for p.since(0) < made {
		require.NoError(p.t, ctx.Err())
		_, err := connect(p.t, endpoint).Get(ctx, "/") // a moment
		require.NoError(p.t, err)
	}
	return made
}

// A session is one participant, whoever uses it: two mutexes of one session hold together, and the first Unlock frees the
// lock for others.
func TestOneSessionIsOneHolder(t *testing.T) {
	t.Parallel()
	path, ctx, p := "/"+t.Name(), within(t), connect(t, endpoint)
	session := p.session(60)
	one, two := concurrency.NewMutex(session, path), concurrency.NewMutex(session, path)
	require.NoError(t, one.Lock(ctx))
	require.NoError(t, two.Lock(ctx))
	require.NoError(t, two.Unlock(ctx))
	require.NoError(t, concurrency.NewMutex(connect(t, endpoint).session(60), path).Lock(ctx), "while one holds it, too")
}
