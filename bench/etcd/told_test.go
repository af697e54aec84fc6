package etcd

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// timeout is the TTL of leases, and the timeout of sessions. Where answers are late it is longer, so that docent's connection
// does not break before it is cut.
const (
	timeout     = 6 * time.Second
	lateTimeout = 12 * time.Second
)

// pair is a holder behind a proxy, and a successor that waits for what it holds.
type pair struct {
	proxy *realzk.Proxy
	told  <-chan struct{} // closed when the holder is told that it has lost what it held
	next  <-chan error    // gets one value when the successor has it
	heard func() error    // waits for an answer from the server
}

// overlap is how long there are two holders from now on. It is negative if the holder is told in time.
func (p *pair) overlap(t testing.TB) time.Duration {
	t.Helper()
	var told, next time.Time
	for told.IsZero() || next.IsZero() {
		select {
		case <-p.told:
			told, p.told = time.Now(), nil
		case err := <-p.next:
			require.NoError(t, err)
			next, p.next = time.Now(), nil
		case <-within(t).Done():
			require.FailNow(t, "not both of them learn of it")
		}
	}
	return told.Sub(next)
}

// contest takes something of etcd's and returns when it has it.
type contest func(ctx context.Context, s *concurrency.Session, path string) error

func takeMutex(ctx context.Context, s *concurrency.Session, path string) error {
	return concurrency.NewMutex(s, path).Lock(ctx)
}

func takeElection(ctx context.Context, s *concurrency.Session, path string) error {
	return concurrency.NewElection(s, path).Campaign(ctx, "me")
}

// etcdPair has the holder told by its session, which is what etcd has for that.
func etcdPair(t testing.TB, timeout time.Duration, take contest) *pair {
	t.Helper()
	path, ctx := "/"+t.Name(), within(t)
	holder, proxy := behind(t)
	held := holder.session(int(timeout / time.Second))
	require.NoError(t, take(ctx, held, path))
	successor := connect(t, endpoint)
	waits := successor.session(int(timeout / time.Second))
	next := make(chan error, 1)
	go func() { next <- take(ctx, waits, path) }()
	successor.untilThereAre(path, 2)
	answers, err := holder.KeepAlive(ctx, held.Lease()) // those that the session gets
	require.NoError(t, err)
	return &pair{proxy: proxy, told: held.Done(), next: next, heard: func() error {
		come(t, answers, "an answer to a keep-alive")
		return ctx.Err()
	}}
}

// docentPair has the holder told by the context of what it holds.
func docentPair(t testing.TB, timeout time.Duration) *pair {
	t.Helper()
	server, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	proxy := realzk.NewProxy(t, server.ConnectString())
	holder, successor := docentClient(t, proxy.Addr(), timeout), docentClient(t, server.ConnectString(), timeout)
	held, err := lock.New(holder, "/lock").Lock(within(t))
	require.NoError(t, err)
	next, m := make(chan error, 1), lock.New(successor, "/lock")
	ctx := within(t)
	go func() {
		_, err := m.Lock(ctx)
		next <- err
	}()
	for {
		names, _, watch, err := successor.WatchChildren(ctx, "/lock")
		require.NoError(t, err)
		if len(names) == 2 {
			watch.Stop()
			break
		}
		come(t, watch.C, "the successor's node")
	}
	return &pair{proxy: proxy, told: held.Context().Done(), next: next, heard: func() error {
		_, _, err := holder.Exists(ctx, "/lock")
		return err
	}}
}

func docentClient(t testing.TB, addr string, timeout time.Duration) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: addr, SessionTimeout: timeout})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(within(t)))
	return cli
}

// kinds are who is compared.
var kinds = map[string]func(t testing.TB, timeout time.Duration) *pair{
	"etcd's Mutex":    func(t testing.TB, timeout time.Duration) *pair { return etcdPair(t, timeout, takeMutex) },
	"etcd's Election": func(t testing.TB, timeout time.Duration) *pair { return etcdPair(t, timeout, takeElection) },
	"docent":          docentPair,
}

// overlaps collects what was seen of each kind.
type overlaps struct {
	mu sync.Mutex
	of map[string][]time.Duration
}

func (o *overlaps) add(kind string, overlap time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of[kind] = append(o.of[kind], overlap.Round(10*time.Millisecond))
}

// log shows them: how often there were two holders, and for how long.
func (o *overlaps) log(t testing.TB) {
	for kind, all := range o.of {
		twice := 0
		for _, overlap := range all {
			if overlap > 0 {
				twice++
			}
		}
		t.Logf("%-15s two holders in %2d of %d runs; told after the successor had it, by: %v", kind, twice, len(all), all)
	}
}

// runs is how often each is thrown into a black hole. Each run begins at another phase of the clocks by which etcd's server
// and its client look for what has expired, and ends at another one of the keep-alives.
const runs = 10

// The network carries nothing any more. What etcd's holder learns in time is chance; docent's must.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	seen := &overlaps{of: map[string][]time.Duration{}}
	t.Run("each", func(t *testing.T) {
		for kind, start := range kinds {
			for run := range runs {
				t.Run(fmt.Sprint(kind, run), func(t *testing.T) {
					t.Parallel()
					<-time.After(time.Second * time.Duration(run) / runs)
					p := start(t, timeout)
					<-time.After(timeout / 3 * time.Duration(run) / runs)
					p.proxy.Blackhole(realzk.Both)
					overlap := p.overlap(t)
					seen.add(kind, overlap)
					if kind == "docent" {
						assert.Negative(t, overlap)
					}
				})
			}
		}
	})
	seen.log(t)
}

// late is by how much answers come late, and requests, too.
const late = lateTimeout / 8

// Answers come late, and then no more requests get through: etcd's holder is told late, by as much.
func TestLateAnswers(t *testing.T) {
	t.Parallel()
	seen := &overlaps{of: map[string][]time.Duration{}}
	t.Run("each", func(t *testing.T) {
		for kind, start := range kinds {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				p := start(t, lateTimeout)
				p.proxy.Delay(late)
				for began := time.Now(); time.Since(began) < 2*late; { // then it was late all the way
					require.NoError(t, p.heard())
				}
				p.proxy.Blackhole(realzk.ToServer)
				overlap := p.overlap(t)
				seen.add(kind, overlap)
				if kind == "docent" {
					assert.Negative(t, overlap)
				} else {
					assert.Positive(t, overlap)
				}
			})
		}
	})
	seen.log(t)
}

// What etcd's lock itself says after its session has ended, and what it is good for then.
func TestAfterTheSessionHasEnded(t *testing.T) {
	t.Parallel()
	path, ctx, p := "/"+t.Name(), within(t), connect(t, endpoint)
	session := p.session(60)
	mutex := concurrency.NewMutex(session, path)
	require.NoError(t, mutex.Lock(ctx))
	_, err := connect(t, endpoint).Revoke(ctx, session.Lease())
	require.NoError(t, err)
	other := connect(t, endpoint)
	theirs := concurrency.NewMutex(other.session(60), path)
	require.NoError(t, theirs.Lock(ctx))

	require.NotNil(t, mutex.Header(), "it looks as it did")
	answer, err := p.Txn(ctx).If(mutex.IsOwner()).Then(clientv3.OpPut(path+"-guarded", "x")).Commit()
	require.NoError(t, err)
	assert.False(t, answer.Succeeded, "a guarded write is refused")
	assert.Greater(t, theirs.Header().Revision, mutex.Header().Revision, "revisions are fencing tokens")
	require.NoError(t, mutex.Unlock(ctx), "it was not held to the end, and Unlock says nothing")
	assert.EqualValues(t, 1, p.keys(path), "nor does it take the other's key away")
	require.NoError(t, theirs.Unlock(ctx))

	require.ErrorContains(t, mutex.Lock(ctx), "requested lease not found", "a Mutex belongs to its session")
	require.NoError(t, concurrency.NewMutex(p.session(60), path).Lock(ctx), "and so it takes a new one of each")
}
