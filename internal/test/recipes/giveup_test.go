package recipes_test

import (
	"context"
	"errors"
	"flag"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// giveUps is how many times a call is given up, at as many moments.
var giveUps = flag.Int("recipes.giveups", 40, "how many times each call is given up, at as many moments")

// lastMoment is the last of these moments, counted from the call: every call waits by then.
const lastMoment = 10 * time.Millisecond

// trial is a call that waits for somebody else, or that finds somebody else, and leaves without anything.
type trial struct {
	claim
	occupy func(ctx context.Context, cli *framework.Client) (tenure, error)
}

// trials are the calls of all kinds.
func trials() map[string]trial {
	all := map[string]trial{
		"several locks, tried": {claim{[]string{path + "-a"}, func(ctx context.Context, cli *framework.Client) (tenure, error) {
			h, err := lock.NewMulti(cli, []string{path + "-a", path + "-b"}).TryLock(ctx)
			if err != nil {
				return tenure{}, err
			}
			return tenure{h.Context, h.Unlock}, nil
		}}, func(ctx context.Context, cli *framework.Client) (tenure, error) {
			h, err := lock.New(cli, path+"-b").Lock(ctx)
			if err != nil {
				return tenure{}, err
			}
			return tenure{h.Context, h.Unlock}, nil
		}},
		"run": {claim{[]string{path}, func(ctx context.Context, cli *framework.Client) (tenure, error) {
			return tenure{}, leader.Run(ctx, cli, path, func(context.Context, *leader.Term) error { return errLed })
		}}, claims["campaign"].acquire},
		"enter": {claim{[]string{path}, func(ctx context.Context, cli *framework.Client) (tenure, error) {
			in, err := barrier.NewDouble(cli, path, 2).Enter(ctx)
			if err != nil {
				return tenure{}, err
			}
			return tenure{in.Context, in.Leave}, nil
		}}, nobody},
	}
	for name, c := range claims {
		all[name] = trial{c, c.acquire}
	}
	return all
}

// errLed is what a leader function returns that is not to be called.
var errLed = errors.New("it led")

// nobody occupies nothing: the call waits because it is alone.
func nobody(context.Context, *framework.Client) (tenure, error) {
	return tenure{release: func(context.Context) error { return nil }}, nil
}

// eachTrial runs f for every kind, each in a bubble, with somebody else in the way.
func eachTrial(t *testing.T, cfg zktest.Config, f func(s *stage, c trial)) {
	for name, c := range trials() {
		t.Run(name, func(t *testing.T) {
			onStageWith(t, cfg, func(s *stage) {
				holder, err := c.occupy(s.Context(), s.other)
				require.NoError(s, err)
				f(s, c)
				require.NoError(s, holder.release(s.Context()))
				time.Sleep(2 * timeout)
				assert.Empty(s, s.children(c.claim))
			})
		})
	}
}

// seen are the nodes of the subject's that a request of it shows which is sent right behind the call.
func (s *stage) seen(c trial) (own []string) {
	session, err := s.cli.Session(s.Context())
	require.NoError(s, err)
	for _, dir := range c.dirs {
		names, _, err := s.cli.Children(s.Context(), dir)
		if err != nil {
			require.ErrorIs(s, err, framework.ErrNoNode)
		}
		for _, name := range names {
			stat, there, err := s.cli.Exists(s.Context(), framework.Join(dir, name))
			require.NoError(s, err)
			if there && stat.EphemeralOwner == session.ID() {
				own = append(own, name)
			}
		}
	}
	return own
}

// A call gives up at any moment: before its create is answered, while it lists, while it waits. The client's next request does not
// see its node.
func TestNextRequestBehindACallThatGaveUp(t *testing.T) {
	eachTrial(t, zktest.Config{Latency: time.Millisecond}, func(s *stage, c trial) {
		shown, before := 0, s.server.Counts()
		for i := range *giveUps {
			ctx, cancel := context.WithTimeout(s.Context(), lastMoment*time.Duration(i)/time.Duration(*giveUps))
			_, err := c.acquire(ctx, s.cli)
			cancel()
			require.Error(s, err)
			if len(s.seen(c)) > 0 {
				shown++
			}
		}
		assert.Zero(s, shown, "of %d", *giveUps)
		sent := s.server.Counts().Sub(before).Requests
		assert.Greater(s, sent[zktest.OpCreate2]+sent[zktest.OpMulti], int64(*giveUps/3))
	})
}

// The servers are silent: the answer to the create is waited for, for T/8.
func TestGivingUpOnSilentServers(t *testing.T) {
	eachTrial(t, zktest.Config{}, func(s *stage, c trial) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		create := zktest.OpCreate2
		if c.dirs[0] == path && len(s.children(c.claim)) == 2 {
			create = zktest.OpMulti
		}
		silent := false
		s.server.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if silent || f.Stage != zktest.Reply || f.Op != create {
				return zktest.Pass
			}
			silent = true
			return zktest.DelayBy(timeout / 2)
		})
		at := time.Now()
		_, err := c.acquire(ctx, s.cli)
		require.ErrorIs(s, err, context.DeadlineExceeded)
		assert.Equal(s, time.Second+timeout/8, time.Since(at))
	})
}

// There is no connection: the call returns when its ctx ends.
func TestGivingUpWithoutAConnection(t *testing.T) {
	eachTrial(t, zktest.Config{}, func(s *stage, c trial) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		cut := false
		s.server.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if cut || f.Stage != zktest.Reply || f.Op != zktest.OpCreate2 && f.Op != zktest.OpMulti {
				return zktest.Pass
			}
			cut = true
			s.server.Refuse()
			time.AfterFunc(3*time.Second, func() { assert.NoError(s, s.server.Accept()) })
			return zktest.Cut
		})
		at := time.Now()
		_, err := c.acquire(ctx, s.cli)
		require.Error(s, err)
		assert.Equal(s, time.Second, time.Since(at))
		time.Sleep(10 * time.Second)
		assert.Empty(s, s.seen(c))
	})
}

// tries are the calls that do not wait.
var tries = map[string]func(ctx context.Context, cli *framework.Client) (lock.Holding, error){
	"lock": func(ctx context.Context, cli *framework.Client) (lock.Holding, error) {
		return lock.New(cli, path).TryLock(ctx)
	},
	"shared lock": func(ctx context.Context, cli *framework.Client) (lock.Holding, error) {
		return lock.New(cli, path, lock.Shared()).TryLock(ctx)
	},
	"write lock": func(ctx context.Context, cli *framework.Client) (lock.Holding, error) {
		return lock.NewRW(cli, path).TryLock(ctx)
	},
	"semaphore": func(ctx context.Context, cli *framework.Client) (lock.Holding, error) {
		return lock.NewSemaphore(cli, path, 2).TryAcquire(ctx, 2)
	},
	"several locks as one": func(ctx context.Context, cli *framework.Client) (lock.Holding, error) {
		return lock.NewMulti(cli, []string{path + "-a", path + "-b"}).TryLock(ctx)
	},
	"lock with hand-over": func(ctx context.Context, cli *framework.Client) (lock.Holding, error) {
		return lock.New(cli, path, lock.LocalHandover(3)).TryLock(ctx)
	},
}

// TryLock behind a call that gave up finds nobody, whatever became of that call's create: answered, answered late or its answer
// lost.
func TestTryLockBehindACallThatGaveUp(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(tries)) {
		t.Run(name, func(t *testing.T) {
			onStageWith(t, zktest.Config{Latency: time.Millisecond}, func(s *stage) {
				s.hold(claims[name], s.other).release(s.Context()) // the directories are there
				verdict := zktest.Pass
				s.server.OnFrame(func(f zktest.Frame) zktest.Verdict {
					v := verdict
					if f.Stage != zktest.Reply || f.Op != zktest.OpCreate2 && f.Op != zktest.OpMulti {
						return zktest.Pass
					}
					verdict = zktest.Pass
					return v
				})
				for i := range *giveUps + 3 {
					switch i - *giveUps {
					case 0:
						verdict = zktest.DelayBy(timeout / 4)
					case 1:
						verdict = zktest.Cut
					case 2:
						verdict = zktest.DelayBy(timeout / 16)
					}
					ctx, cancel := context.WithTimeout(s.Context(), lastMoment*time.Duration(i)/time.Duration(*giveUps))
					h, err := claims[name].acquire(ctx, s.cli)
					cancel()
					if err == nil {
						require.NoError(s, h.release(s.Context()))
					}
					got, err := tries[name](s.Context(), s.cli)
					require.NoError(s, err, "%d", i)
					require.NoError(s, got.Unlock(s.Context()))
				}
				synctest.Wait()
			})
		})
	}
}
