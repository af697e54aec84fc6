package recipes_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// permit allows or forbids everybody to delete what is in the directories.
func (s *stage) permit(allowed bool, dirs ...string) {
	s.Helper()
	acl := framework.OpenACL()
	if !allowed {
		acl[0].Perms &^= zk.PermDelete
	}
	for _, dir := range dirs {
		_, err := s.other.Create(s.Context(), dir, nil, framework.Parents)
		if err != nil {
			require.ErrorIs(s, err, framework.ErrNodeExists)
		}
		_, err = s.other.SetACL(s.Context(), dir, acl, framework.AnyVersion)
		require.NoError(s, err)
	}
}

// The servers refuse to remove what was released: the release says so, so does Health, and so does the next call of the same
// client, which would wait for its own leftover for ever. When the servers allow it, the leftover goes by itself.
func TestRemovalThatIsRefused(t *testing.T) {
	eachClaim(t, func(s *stage, c claim) {
		h := s.hold(c, s.cli)
		s.permit(false, c.dirs...)
		err := h.release(s.Context())
		assert.ErrorIs(s, err, framework.ErrReleasing)
		assert.ErrorIs(s, err, framework.ErrNoAuth)

		left := s.children(c)
		for range 2 {
			at := time.Now()
			_, err = c.acquire(s.Context(), s.cli)
			require.ErrorIs(s, err, framework.ErrNoAuth)
			assert.ErrorContains(s, err, "is a leftover node of this client")
			assert.Less(s, time.Since(at), time.Second)
		}
		assert.Equal(s, left, s.children(c), "more nodes would only make it worse")
		time.Sleep(timeout + time.Second)
		assert.ErrorContains(s, healthError(s.cli), "the servers refuse to remove the node")

		s.permit(true, c.dirs...)
		time.Sleep(time.Minute)
		assert.Empty(s, s.children(c))
		assert.NoError(s, healthError(s.cli))
		assert.NoError(s, s.hold(c, s.cli).release(s.Context()))
	})
}

// healthError is what Health says, nil if all is well.
func healthError(cli *framework.Client) error {
	if h := cli.Health(); !h.Ready() {
		return healthy(h.String())
	}
	return nil
}

type healthy string

func (h healthy) Error() string { return string(h) }

// A call that already waits behind a node of its own client learns that the servers refuse to remove it.
func TestWaiterBehindALeftoverThatIsRefused(t *testing.T) {
	eachClaim(t, func(s *stage, c claim) {
		h := s.hold(c, s.cli)
		waiter := make(chan error, 1)
		go func() {
			_, err := c.acquire(s.Context(), s.cli)
			waiter <- err
		}()
		time.Sleep(time.Second)
		require.Empty(s, waiter)
		s.permit(false, c.dirs...)
		require.ErrorIs(s, h.release(s.Context()), framework.ErrReleasing)
		if s.insists() {
			time.Sleep(timeout + time.Second)
			assert.Empty(s, waiter)
			assert.ErrorContains(s, healthError(s.cli), "refuse")
			s.permit(true, c.dirs...)
			s.leads(waiter)
			return
		}
		select {
		case err := <-waiter:
			assert.ErrorIs(s, err, framework.ErrNoAuth)
		case <-time.After(timeout):
			s.Error("it waits behind what nobody holds")
		}
	})
}

// insists reports whether the claim under test tries again what the servers refuse after it was in the queue. A candidate does.
func (s *stage) insists() bool { return strings.HasSuffix(s.Name(), "/campaign") }

// leads demands that a candidate which was refused leads soon after the servers allow it. It runs in a bubble.
func (s *stage) leads(candidate <-chan error) {
	time.Sleep(time.Minute)
	require.Len(s, candidate, 1)
	assert.NoError(s, <-candidate)
	assert.NoError(s, healthError(s.cli))
}

// Given up by a call that ended: nobody was told, and it is found all the same.
func TestGivenUpNodeWhoseRemovalIsRefused(t *testing.T) {
	eachClaim(t, func(s *stage, c claim) {
		h := s.hold(c, s.other)
		short, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		time.AfterFunc(time.Second/2, func() { s.permit(false, c.dirs...) })
		_, err := c.acquire(short, s.cli)
		require.ErrorIs(s, err, context.DeadlineExceeded)
		again := make(chan error, 1)
		go func() {
			_, err := c.acquire(s.Context(), s.cli)
			again <- err
		}()
		time.Sleep(timeout + time.Second)
		assert.ErrorContains(s, healthError(s.cli), "refuse")
		if !s.insists() {
			require.Len(s, again, 1)
			assert.ErrorIs(s, <-again, framework.ErrNoAuth)
		}
		s.permit(true, c.dirs...)
		require.NoError(s, h.release(s.Context()))
		if s.insists() {
			s.leads(again)
			return
		}
		time.Sleep(time.Minute)
		assert.Empty(s, s.children(c))
		assert.NoError(s, healthError(s.cli))
	})
}

// It goes with its session, and then nothing is left to say.
func TestRefusedLeftoverGoesWithItsSession(t *testing.T) {
	eachClaim(t, func(s *stage, c claim) {
		h := s.hold(c, s.cli)
		s.permit(false, c.dirs...)
		require.ErrorIs(s, h.release(s.Context()), framework.ErrReleasing)
		s.lose()
		time.Sleep(timeout + time.Minute)
		assert.Empty(s, s.children(c))
		assert.NoError(s, healthError(s.cli))
		s.permit(true, c.dirs...)
		require.NoError(s, s.hold(c, s.cli).release(s.Context()))
	})
}

// TryLock does not call its own leftover somebody else.
func TestTryLockBesideALeftover(t *testing.T) {
	onStage(t, func(s *stage) {
		s.permit(false, path, path+"/leases", path+"/locks")
		m, permits := lock.New(s.cli, path), lock.NewSemaphore(s.cli, path, 1)
		h, err := m.Lock(s.Context())
		require.NoError(s, err)
		b, err := permits.Acquire(s.Context(), 1)
		require.NoError(s, err)
		require.ErrorIs(s, h.Unlock(s.Context()), framework.ErrReleasing)
		require.ErrorIs(s, b.Unlock(s.Context()), framework.ErrReleasing)
		_, err = m.TryLock(s.Context())
		assert.ErrorIs(s, err, framework.ErrNoAuth)
		assert.NotErrorIs(s, err, lock.ErrLocked)
		_, err = permits.TryAcquire(s.Context(), 1)
		assert.ErrorIs(s, err, framework.ErrNoAuth)
		assert.NotErrorIs(s, err, lock.ErrLocked)
	})
}

// A permit that cannot be given back takes one away, and not all.
func TestSemaphoreBesideALeftover(t *testing.T) {
	onStage(t, func(s *stage) {
		s.permit(false, path+"/leases")
		permits := lock.NewSemaphore(s.cli, path, 2)
		b, err := permits.Acquire(s.Context(), 1)
		require.NoError(s, err)
		require.ErrorIs(s, b.Unlock(s.Context()), framework.ErrReleasing)
		b, err = permits.Acquire(s.Context(), 1)
		require.NoError(s, err)
		_, err = permits.TryAcquire(s.Context(), 1)
		require.ErrorIs(s, err, lock.ErrLocked)
		_, err = permits.Acquire(s.Context(), 2)
		require.ErrorIs(s, err, framework.ErrNoAuth)
		s.permit(true, path+"/leases")
		require.NoError(s, b.Unlock(s.Context()))
	})
}

// A member of a double barrier, and a kept node: what cannot be removed is said.
func TestRefusedRemovalOfOthers(t *testing.T) {
	onStage(t, func(s *stage) {
		s.permit(false, path)
		in, err := barrier.NewDouble(s.cli, path, 1).Enter(s.Context())
		require.NoError(s, err)
		assert.ErrorIs(s, in.Leave(s.Context()), framework.ErrNoAuth)
		time.Sleep(timeout + time.Second)
		assert.ErrorContains(s, healthError(s.cli), path)
		s.permit(true, path)
		time.Sleep(time.Minute)
		assert.Zero(s, s.owned(path))
		assert.NoError(s, healthError(s.cli))
	})
	onStage(t, func(s *stage) {
		s.permit(false, path)
		k, err := node.Keep(s.Context(), s.cli, path+"/node", nil)
		require.NoError(s, err)
		assert.ErrorIs(s, k.Close(s.Context()), framework.ErrNoAuth)
		_, err = node.Keep(s.Context(), s.cli, path+"/node", nil)
		assert.ErrorIs(s, err, framework.ErrNoAuth, "it is the client's own leftover")
		time.Sleep(timeout + time.Second)
		assert.ErrorContains(s, healthError(s.cli), path)
		s.permit(true, path)
		time.Sleep(time.Minute)
		assert.False(s, s.server.Exists(path+"/node"))
		k, err = node.Keep(s.Context(), s.cli, path+"/node", nil)
		require.NoError(s, err)
		require.NoError(s, k.Close(s.Context()))
	})
}

// The servers end a lost session later than the client does. Its leftovers go with it, so the next call waits for that.
func TestRefusedLeftoverOfALostSessionIsWaitedFor(t *testing.T) {
	eachClaim(t, func(s *stage, c claim) {
		if strings.HasSuffix(s.Name(), "/shared_lock") {
			return // it deletes a node with every create, and so gets no place either
		}
		h := s.hold(c, s.cli)
		s.permit(false, c.dirs...)
		require.ErrorIs(s, h.release(s.Context()), framework.ErrReleasing)
		time.Sleep(timeout + time.Second)
		require.Error(s, healthError(s.cli))

		heal := s.server.Blackhole(zktest.ClientConns("subject"), zktest.ToClient)
		time.Sleep(timeout + time.Second)
		heal()
		require.NoError(s, s.cli.WaitConnected(s.Context()))
		require.NotEmpty(s, s.children(c), "the servers keep the session")
		at := time.Now()
		next := s.hold(c, s.cli)
		assert.Less(s, time.Since(at), 2*timeout)
		assert.NoError(s, healthError(s.cli), "nothing is refused any more")
		s.permit(true, c.dirs...)
		require.NoError(s, next.release(s.Context()))
	})
}
