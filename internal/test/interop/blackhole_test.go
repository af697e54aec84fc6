package interop

import (
	"context"
	"errors"
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

// shortTimeout is the session timeout of holders that are to lose their session by themselves.
const shortTimeout = 6 * time.Second

// through is the world as it looks through a proxy.
func (w *world) through() (*world, *realzk.Proxy) {
	w.t.Helper()
	addr, chroot, _ := strings.Cut(w.connect, "/")
	proxy := realzk.NewProxy(w.t, addr)
	behind := w.in(w.t)
	behind.connect = strings.TrimSuffix(proxy.Addr()+"/"+chroot, "/")
	return behind, proxy
}

// successor is somebody who waits for a lock that is held, and waits for nobody else.
func (w *world) successor(path string) (ours *docentLock, waiting *call) {
	w.t.Helper()
	ours = &docentLock{t: w.t, lock: holding(lock.New(w.client(), path, lock.Shared()).Lock)}
	waiting = ours.take()
	w.untilThereAre(path, 3) // the holder's node, and a pair
	return ours, waiting
}

// A holder is in a black hole until somebody else has its lock. Curator and kazoo have told a listener that the connection is
// gone, and nobody that the session is; the locks say that they are held, then and when the session is known to be over, and do
// not mind being released. Then they can be used again.
func TestPeerInABlackHole(t *testing.T) {
	for name, peer := range map[string]struct {
		language *language
		args     []any
		alone    bool // it says by itself, and late, that the session is over
	}{
		"Curator": {curator, []any{shortTimeout.Milliseconds(), hexed(commonData)}, true},
		"kazoo":   {kazoo, []any{shortTimeout.Milliseconds()}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, path := onReal(t), "/lock"
			w.create(path, "")
			behind, proxy := w.through()
			holder := behind.party(peer.language)
			holder.do("connect", append([]any{behind.connect}, peer.args...)...)
			holder.do("loss.hold", path)
			successor, next := w.successor(path)

			proxy.Blackhole(realzk.Both)
			next.wait(t)
			holder.do("loss.await", "SUSPENDED")
			states := holder.do("loss.states")
			assert.Contains(t, states, "SUSPENDED")
			assert.NotContains(t, states, "LOST", "two holders, if LOST is what one waits for")
			assert.Equal(t, "true", holder.says("loss.holds"))
			if peer.alone {
				holder.do("loss.await", "LOST")
			}
			require.NoError(t, proxy.Heal())
			holder.do("loss.await", "LOST")
			assert.Equal(t, "true", holder.says("loss.holds"))
			t.Log("states:", holder.do("loss.states"))
			holder.do("loss.release")
			successor.giveBack()
			holder.do("loss.again")
			w.untilThereAre(path, 1)
		})
	}
}

// The same with zk.Lock, whose connection has an event channel.
func TestZkLockInABlackHole(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/lock"
	w.create(path, "")
	behind, proxy := w.through()
	addr, root, _ := strings.Cut(behind.connect, "/")
	var mu sync.Mutex
	var states []zk.State
	expired, gone := make(chan struct{}), make(chan struct{})
	isExpired, isGone := sync.OnceFunc(func() { close(expired) }), sync.OnceFunc(func() { close(gone) })
	conn, _, err := zk.Connect([]string{addr}, shortTimeout, zk.WithLogger(silent{}), zk.WithEventCallback(func(e zk.Event) {
		mu.Lock()
		defer mu.Unlock()
		states = append(states, e.State)
		switch e.State {
		case zk.StateExpired:
			isExpired()
		case zk.StateDisconnected:
			isGone()
		}
	}))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	m := zk.NewLock(conn, "/"+root+path, zk.WorldACL(zk.PermAll))
	require.NoError(t, m.Lock())
	_, next := w.successor(path)

	proxy.Blackhole(realzk.Both)
	next.wait(t)
	<-gone
	mu.Lock()
	seen := append([]zk.State(nil), states...)
	mu.Unlock()
	assert.NotContains(t, seen, zk.StateExpired)
	require.NoError(t, proxy.Heal())
	select {
	case <-expired:
	case <-within(t).Done():
		require.FailNow(t, "the session does not expire")
	}
	require.Error(t, m.Unlock(), "no node, or no connection yet")
}

// And with docent: the holder knows it when the successor begins, with the reason, and so does whoever asks the lock.
func TestDocentInABlackHole(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/lock"
	w.create(path, "")
	behind, proxy := w.through()
	cli, err := framework.New(framework.Config{ConnectString: behind.connect, SessionTimeout: shortTimeout})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	held, err := lock.New(cli, path).Lock(within(t))
	require.NoError(t, err)
	_, next := w.successor(path)

	proxy.Blackhole(realzk.Both)
	next.wait(t)
	lostWithAReason(t, held)
	require.NoError(t, proxy.Heal())
	require.Error(t, held.Unlock(within(t)), "it was not held to the end")
}

// lostWithAReason checks that a holder knows that it holds no more, and why: the connection broke, or, where the process was held
// up, what came behind that.
func lostWithAReason(t *testing.T, held lock.Holding) {
	t.Helper()
	cause := context.Cause(held.Context())
	for _, reason := range []error{framework.ErrSuspended, framework.ErrUntrusted, framework.ErrSessionLost} {
		if errors.Is(cause, reason) {
			return
		}
	}
	require.FailNow(t, "it does not know why it is over", "%v", cause)
}

// Curator's mutex is reentrant: it goes on counting in a session that is over, and asks no server.
func TestCuratorReentersALostMutex(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/lock"
	w.create(path, "")
	holder := w.curator()
	holder.do("loss.hold", path)
	holder.do("loss.again")
	holder.do("loss.release")
	_, next := w.successor(path)
	next.goesOn(t)
	require.NoError(t, w.expire(within(t), sessionOf(t, holder)))
	next.wait(t)
	holder.do("loss.await", "RECONNECTED")
	holder.do("loss.again") // while somebody else holds it
	holder.do("loss.release")
	holder.do("loss.release")
	assert.Equal(t, "false", holder.says("loss.holds"), "released twice without a complaint")
}
