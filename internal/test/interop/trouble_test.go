package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// A node is deleted and created again, with the same data, while the connection is away. CuratorCache compares versions, which
// are the same, and tells nobody; docent's side of it is TestDeletedAndCreatedAgainWhileAway in package cache.
func TestCuratorCacheMissesANodeCreatedAgain(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	w.create("/tree/a", "same")
	w.create("/tree/b", "same")
	behind, proxy := w.through()
	other := behind.curator()
	other.do("replaced.open", "/tree")
	other.do("replaced.told")
	again := func() {
		require.NoError(t, w.eye.Delete(within(t), "/tree/a", framework.AnyVersion))
		w.create("/tree/a", "same")
	}
	shows := func() {
		for want := fmt.Sprint(w.stat("/tree/a").Czxid); other.says("replaced.czxid", "/tree/a") != want; {
			other.do("sync")
		}
	}
	again()
	shows()
	other.do("sync") // behind the events of what it shows
	assert.Equal(t, []string{"NODE_DELETED /tree/a", "NODE_CREATED /tree/a"}, other.do("replaced.told"), "while it is connected")

	proxy.Refuse()
	proxy.Cut()
	again()
	require.NoError(t, proxy.Heal())
	shows()
	other.do("sync")
	assert.Empty(t, other.do("replaced.told"))
}

// The reply to a lock's create is lost with the connection, and the server is away for a while. Curator and kazoo find their
// node again, as docent does; zk.Lock leaves it behind: TestReplyToTheCreateIsLost in package lock.
func TestReplyToTheCreateIsLost(t *testing.T) {
	for name, take := range map[string]func(w *world, path string) somebody{
		"docent":  func(w *world, path string) somebody { return &docentLock{t: w.t, lock: ourMutex(w.client(), path)} },
		"Curator": curatorLock("mutex"),
		"kazoo":   kazooLock("lock"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, path := onFake(t), "/lock"
			f.create(path, "")
			holder := take(f.world, path)
			lost := make(chan struct{}, 1)
			lost <- struct{}{}
			f.server.OnFrame(func(frame zktest.Frame) zktest.Verdict {
				if frame.Stage != zktest.Reply || frame.Op != zktest.OpCreate && frame.Op != zktest.OpCreate2 {
					return zktest.Pass
				}
				select {
				case <-lost:
				default:
					return zktest.Pass
				}
				f.server.Refuse()
				time.AfterFunc(2500*time.Millisecond, func() { assert.NoError(t, f.server.Accept()) })
				return zktest.Cut
			})
			holder.take().wait(t)
			assert.Empty(t, lost, "a reply was lost")
			f.untilThereAre(path, 1)
			holder.giveBack()
			f.untilThereAre(path, 0)
		})
	}
}

// A wait that is given up leaves nothing in the queue.
func TestWaitIsGivenUp(t *testing.T) {
	for name, wait := range map[string]struct {
		peer func(w *world) *party
		kind string
		says func(values []string, err error)
	}{
		"Curator": {(*world).curator, "mutex", func(values []string, err error) {
			require.NoError(t, err)
			assert.Equal(t, []string{"false"}, values)
		}},
		"kazoo": {(*world).kazoo, "patient", func(_ []string, err error) { require.ErrorContains(t, err, "LockTimeout") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, path := onReal(t), "/lock"
			w.create(path, "")
			held, err := lock.New(w.client(), path).Lock(within(t))
			require.NoError(t, err)
			wait.says(wait.peer(w).begin("lock.try", wait.kind, path, 200).result())
			w.untilThereAre(path, 1)
			require.NoError(t, held.Unlock(within(t)))
		})
	}
}
