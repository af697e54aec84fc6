package recipes_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// claim is one kind of what can be held by one at a time.
type claim struct {
	dirs    []string // where its nodes are; the first one holds those of the holder
	acquire func(ctx context.Context, cli *framework.Client) (tenure, error)
}

// tenure is what was acquired.
type tenure struct {
	context func() context.Context
	release func(ctx context.Context) error
}

// claims are all kinds, with Hold.
var claims = map[string]claim{
	"lock": {[]string{path}, locks(func(cli *framework.Client) func(context.Context) (*lock.Held, error) {
		return lock.New(cli, path, lock.Hold(0)).Lock
	})},
	"shared lock": {[]string{path}, locks(func(cli *framework.Client) func(context.Context) (*lock.Held, error) {
		return lock.New(cli, path, lock.Hold(0), lock.Shared()).Lock
	})},
	"lock with hand-over": {[]string{path}, locks(func(cli *framework.Client) func(context.Context) (*lock.Held, error) {
		return lock.New(cli, path, lock.Hold(0), lock.LocalHandover(3)).Lock
	})},
	"write lock": {[]string{path}, locks(func(cli *framework.Client) func(context.Context) (*lock.Held, error) {
		return lock.NewRW(cli, path, lock.Hold(0)).Lock
	})},
	"semaphore": {[]string{path + "/leases", path + "/locks"}, locks(func(cli *framework.Client) func(context.Context) (*lock.Bundle, error) {
		s := lock.NewSemaphore(cli, path, 2, lock.Hold(0))
		return func(ctx context.Context) (*lock.Bundle, error) { return s.Acquire(ctx, 2) }
	})},
	"several locks as one": {[]string{path + "-b", path + "-a"}, locks(func(cli *framework.Client) func(context.Context) (*lock.Bundle, error) {
		return lock.NewMulti(cli, []string{path + "-a", path + "-b"}, lock.Hold(0)).Lock
	})},
	"campaign": {[]string{path}, func(ctx context.Context, cli *framework.Client) (tenure, error) {
		term, err := leader.New(cli, path, leader.Hold(0)).Campaign(ctx)
		if err != nil {
			return tenure{}, err
		}
		return tenure{term.Context, term.Resign}, nil
	}},
}

// locks acquires with a method of the locks.
func locks[H lock.Holding](open func(cli *framework.Client) func(context.Context) (H, error)) func(context.Context, *framework.Client) (tenure, error) {
	return func(ctx context.Context, cli *framework.Client) (tenure, error) {
		h, err := open(cli)(ctx)
		if err != nil {
			return tenure{}, err
		}
		return tenure{h.Context, h.Unlock}, nil
	}
}

// eachClaim runs f for every kind, each in a bubble.
func eachClaim(t *testing.T, f func(s *stage, c claim)) {
	for name, c := range claims {
		t.Run(name, func(t *testing.T) { onStage(t, func(s *stage) { f(s, c) }) })
	}
}

// hold acquires.
func (s *stage) hold(c claim, cli *framework.Client) tenure {
	s.Helper()
	h, err := c.acquire(s.Context(), cli)
	require.NoError(s, err)
	return h
}

// children are the names in all directories of a claim.
func (s *stage) children(c claim) (all []string) {
	for _, dir := range c.dirs {
		names, _ := s.server.Children(dir)
		all = append(all, names...)
	}
	return all
}

// The servers have ended the session, somebody else holds, and the holder cannot know: it is not told that it held until then.
func TestReleaseAfterTheServersHaveEndedTheSession(t *testing.T) {
	eachClaim(t, func(s *stage, c claim) {
		h := s.hold(c, s.cli)
		heal := s.server.Blackhole(zktest.ClientConns("subject"), zktest.Both)
		require.True(s, s.server.ExpireSession(s.cli.State().SessionID))
		next := s.hold(c, s.other)
		require.NoError(s, h.context().Err(), "it cannot know yet")
		time.AfterFunc(time.Second, heal)
		err := h.release(s.Context())
		assert.ErrorIs(s, err, framework.ErrSessionLost)
		assert.NotErrorIs(s, err, framework.ErrReleasing)
		assert.NoError(s, next.release(s.Context()))
	})
}

// The session ends while the claim is released: whichever comes first, nobody is told that it was held until then.
func TestReleaseInTheMomentInWhichTheSessionEnds(t *testing.T) {
	eachClaim(t, func(s *stage, c claim) {
		for range 10 {
			h := s.hold(c, s.cli)
			session, err := s.cli.Session(s.Context())
			require.NoError(s, err)
			released := make(chan error, 1)
			go func() {
				<-session.Done()
				released <- h.release(s.Context())
			}()
			s.lose()
			assert.ErrorIs(s, <-released, framework.ErrSessionLost)
		}
	})
}

// The node was deleted, and the news has not come yet.
func TestReleaseOfADeletedNode(t *testing.T) {
	eachClaim(t, func(s *stage, c claim) {
		h := s.hold(c, s.cli)
		s.server.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Event {
				return zktest.DelayBy(time.Second)
			}
			return zktest.Pass
		})
		names, err := s.server.Children(c.dirs[0])
		require.NoError(s, err)
		require.NoError(s, s.server.Delete(c.dirs[0]+"/"+names[0]))
		err = h.release(s.Context())
		assert.ErrorIs(s, err, lock.ErrDeleted)
		assert.NotErrorIs(s, err, framework.ErrReleasing)
		time.Sleep(time.Second)
		assert.Empty(s, s.children(c))
	})
}

// A release that does not wait says that it is not done, and why it did not wait. So does a second call that does not wait for the
// first one, which does.
func TestReleaseThatDoesNotWait(t *testing.T) {
	cause := errors.New("in a hurry")
	now, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	eachClaim(t, func(s *stage, c claim) {
		err := s.hold(c, s.cli).release(now)
		assert.ErrorIs(s, err, framework.ErrReleasing)
		assert.ErrorIs(s, err, cause)
		time.Sleep(time.Second)
		assert.Empty(s, s.children(c))

		h := s.hold(c, s.cli)
		heal := s.server.Blackhole(zktest.ClientConns("subject"), zktest.Both)
		first := make(chan error, 1)
		go func() { first <- h.release(s.Context()) }()
		synctest.Wait()
		err = h.release(now)
		assert.ErrorIs(s, err, framework.ErrReleasing)
		assert.ErrorIs(s, err, cause)
		heal()
		assert.NoError(s, <-first)
		assert.NoError(s, h.release(now), "the same as the first one, once that is done")
	})
}

// The client is closed while a release waits for its answer.
func TestReleaseWhileTheClientIsClosed(t *testing.T) {
	eachClaim(t, func(s *stage, c claim) {
		h := s.hold(c, s.cli)
		s.server.Blackhole(zktest.ClientConns("subject"), zktest.Both)
		done := make(chan error, 1)
		go func() { done <- h.release(s.Context()) }()
		synctest.Wait()
		require.NoError(s, s.cli.Close())
		err := <-done
		assert.ErrorIs(s, err, framework.ErrClosed)
		assert.NotErrorIs(s, err, framework.ErrReleasing)
	})
}
