package recipes_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// waiting is a recipe that waits for a change: begin has it wait, change makes the change, noticed reports whether it knows.
// None of them waits for longer than a second of the bubble's time.
type waiting struct {
	name  string
	begin func(s *stage) (change func(), noticed func() bool)
}

// A lost event costs a delay of twelve session timeouts at most, whatever waits for it.
func TestEventThatNeverComesIsNoticedLater(t *testing.T) {
	for _, w := range waitingRecipes() {
		t.Run(w.name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				change, noticed := w.begin(s)
				time.Sleep(time.Second)
				require.False(s, noticed(), "there was nothing to notice")
				lost := 0
				remove := s.server.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage != zktest.Event || f.Conn.Client != "subject" {
						return zktest.Pass
					}
					lost++
					return zktest.Drop
				})
				change()
				time.Sleep(time.Second)
				remove()
				require.Positive(s, lost, "no event was lost: the test tests nothing")
				require.False(s, noticed(), "it does not need the event: the test tests nothing")
				time.Sleep(12*timeout + timeout/2)
				synctest.Wait()
				assert.True(s, noticed(), "in %v", 12*timeout)
			})
		})
	}
}

func waitingRecipes() []waiting {
	return append(append(waitingClaims(), waitingBarriers()...), followers()...)
}

// behind is a lock that the other client holds and the subject waits for.
func behind(name string, lockFor func(s *stage, cli *framework.Client) func(ctx context.Context) (lock.Holding, error)) waiting {
	return waiting{name, func(s *stage) (func(), func() bool) {
		held, err := lockFor(s, s.other)(s.Context())
		require.NoError(s, err)
		calls := newCalls()
		calls.start(s, func(ctx context.Context) error {
			_, err := lockFor(s, s.cli)(ctx)
			return err
		})
		return func() { require.NoError(s, held.Unlock(s.Context())) }, func() bool { return succeeded(s, calls) }
	}}
}

// succeeded reports whether the call has returned. It must not have failed.
func succeeded(s *stage, c *calls) bool {
	for _, err := range c.ends() {
		require.NoError(s, err)
	}
	return len(c.ends()) > 0
}

type locking = func(ctx context.Context) (lock.Holding, error)

// holdingOf makes a Locker's method one that returns what all kinds of locks have in common.
func holdingOf[H lock.Holding](acquire func(ctx context.Context) (H, error)) locking {
	return func(ctx context.Context) (lock.Holding, error) { return acquire(ctx) }
}

func waitingClaims() []waiting {
	return []waiting{
		behind("lock", func(_ *stage, cli *framework.Client) locking { return holdingOf(lock.New(cli, path).Lock) }),
		behind("shared lock", func(_ *stage, cli *framework.Client) locking {
			return holdingOf(lock.New(cli, path, lock.Shared()).Lock)
		}),
		behind("write lock", func(_ *stage, cli *framework.Client) locking { return holdingOf(lock.NewRW(cli, path).Lock) }),
		behind("read lock", func(s *stage, cli *framework.Client) locking {
			if cli == s.other {
				return holdingOf(lock.NewRW(cli, path).Lock)
			}
			return holdingOf(lock.NewRW(cli, path).RLock)
		}),
		behind("several locks", func(_ *stage, cli *framework.Client) locking {
			return holdingOf(lock.NewMulti(cli, []string{path + "-a", path + "-b"}).Lock)
		}),
		behind("semaphore", func(_ *stage, cli *framework.Client) locking {
			return holdingOf(func(ctx context.Context) (*lock.Bundle, error) {
				return lock.NewSemaphore(cli, path, 1).Acquire(ctx, 1)
			})
		}),
		{"limit of a semaphore", raisedLimit},
		{"candidate", func(s *stage) (func(), func() bool) {
			term, err := leader.New(s.other, path).Campaign(s.Context())
			require.NoError(s, err)
			calls := newCalls()
			calls.start(s, func(ctx context.Context) error {
				_, err := leader.New(s.cli, path).Campaign(ctx)
				return err
			})
			return func() { require.NoError(s, term.Resign(s.Context())) }, func() bool { return succeeded(s, calls) }
		}},
		{"leader.Run", func(s *stage) (func(), func() bool) {
			term, err := leader.New(s.other, path).Campaign(s.Context())
			require.NoError(s, err)
			calls := newCalls()
			calls.start(s, func(ctx context.Context) error {
				return leader.Run(ctx, s.cli, path, func(context.Context, *leader.Term) error { return nil })
			})
			return func() { require.NoError(s, term.Resign(s.Context())) }, func() bool { return succeeded(s, calls) }
		}},
		behind("lock with hand-over", func(_ *stage, cli *framework.Client) locking {
			return holdingOf(lock.New(cli, path, lock.LocalHandover(3)).Lock)
		}),
		{"lock, held, its node deleted", func(s *stage) (func(), func() bool) {
			held, err := lock.New(s.cli, path).Lock(s.Context())
			require.NoError(s, err)
			return func() { require.NoError(s, s.server.Delete(held.Path())) }, func() bool { return held.Context().Err() != nil }
		}},
		{"lock, held, to be revoked", func(s *stage) (func(), func() bool) {
			held, err := lock.New(s.cli, path).Lock(s.Context())
			require.NoError(s, err)
			return func() { revoke(s) }, func() bool { return isClosed(held.Revoked()) }
		}},
	}
}

// raisedLimit lets the subject wait for a permit that a higher limit gives it.
func raisedLimit(s *stage) (change func(), noticed func() bool) {
	open := func(cli *framework.Client) *lock.Semaphore { return lock.NewSharedSemaphore(cli, path, path+"-limit") }
	require.NoError(s, open(s.other).SetLimit(s.Context(), 1))
	_, err := open(s.other).Acquire(s.Context(), 1)
	require.NoError(s, err)
	calls := newCalls()
	calls.start(s, func(ctx context.Context) error {
		_, err := open(s.cli).Acquire(ctx, 1)
		return err
	})
	return func() { require.NoError(s, open(s.other).SetLimit(s.Context(), 2)) }, func() bool { return succeeded(s, calls) }
}

func revoke(s *stage) {
	m := lock.New(s.other, path)
	contenders, err := m.Contenders(s.Context())
	require.NoError(s, err)
	require.Len(s, contenders, 1)
	require.NoError(s, m.Revoke(s.Context(), contenders[0]))
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// waitingBarriers wait in a bubble.
func waitingBarriers() []waiting {
	double := func(cli *framework.Client, id string) *barrier.Double {
		return barrier.NewDouble(cli, path, 2, barrier.WithID(id))
	}
	return []waiting{
		{"barrier", func(s *stage) (func(), func() bool) {
			calls := newCalls()
			require.NoError(s, barrier.New(s.other, path).Set(s.Context()))
			calls.start(s, barrier.New(s.cli, path).Wait)
			return func() { require.NoError(s, barrier.New(s.other, path).Remove(s.Context())) },
				func() bool { return succeeded(s, calls) }
		}},
		{"double barrier, on the way in", func(s *stage) (func(), func() bool) {
			calls := newCalls()
			calls.start(s, func(ctx context.Context) error {
				_, err := double(s.cli, "a").Enter(ctx)
				return err
			})
			return func() {
				_, err := double(s.other, "b").Enter(s.Context())
				require.NoError(s, err)
			}, func() bool { return succeeded(s, calls) }
		}},
		{"double barrier, on the way out", func(s *stage) (func(), func() bool) {
			entering, leaving := newCalls(), newCalls()
			var mine *barrier.Entered
			entering.start(s, func(ctx context.Context) (err error) {
				mine, err = double(s.cli, "b").Enter(ctx)
				return err
			})
			others, err := double(s.other, "a").Enter(s.Context())
			require.NoError(s, err)
			time.Sleep(time.Second)
			require.True(s, succeeded(s, entering))
			leaving.start(s, mine.Leave)
			return func() {
				gone := newCalls()
				gone.start(s, others.Leave)
			}, func() bool { return succeeded(s, leaving) }
		}},
	}
}

func followers() []waiting {
	return []waiting{
		{"observer of an election", func(s *stage) (func(), func() bool) {
			seen := leader.New(s.cli, path).Observe(s.Context())
			return func() {
				_, err := leader.New(s.other, path).Campaign(s.Context())
				require.NoError(s, err)
			}, latest(seen.C, func(p leader.Participant) bool { return p.Token != 0 })
		}},
		{"observer of a leader that resigns", func(s *stage) (func(), func() bool) {
			term, err := leader.New(s.other, path).Campaign(s.Context())
			require.NoError(s, err)
			seen := leader.New(s.cli, path).Observe(s.Context())
			return func() { require.NoError(s, term.Resign(s.Context())) },
				latest(seen.C, func(p leader.Participant) bool { return p.Token == 0 })
		}},
		{"counter", func(s *stage) (func(), func() bool) {
			add := func() {
				_, err := counter.NewInt(s.other, path).Add(s.Context(), 1)
				require.NoError(s, err)
			}
			add()
			follow := counter.NewInt(s.cli, path).Changes(s.Context())
			return add, latest(follow.C, func(v counter.Versioned[int64]) bool { return v.Value == 2 })
		}},
		{"counter that is not there", func(s *stage) (func(), func() bool) {
			follow := counter.NewInt(s.cli, path).Changes(s.Context())
			return func() {
				_, err := counter.NewInt(s.other, path).Add(s.Context(), 1)
				require.NoError(s, err)
			}, latest(follow.C, func(v counter.Versioned[int64]) bool { return v.Value == 1 })
		}},
		{"kept node, deleted by others", func(s *stage) (func(), func() bool) {
			k := keepOn(s, s.cli)
			before := s.server.Zxid()
			return func() { require.NoError(s, s.server.Delete(k.Path())) }, func() bool {
				_, stat, err := s.server.Get(k.Path())
				return err == nil && stat.Czxid > before
			}
		}},
		{"kept node, its place taken by others", func(s *stage) (func(), func() bool) {
			theirs := keepOn(s, s.other)
			calls := newCalls()
			calls.start(s, func(ctx context.Context) error {
				_, err := node.Keep(ctx, s.cli, path, nil)
				return err
			})
			return func() { require.NoError(s, theirs.Close(s.Context())) }, func() bool { return succeeded(s, calls) }
		}},
		{"members of a group", func(s *stage) (func(), func() bool) {
			_, err := node.Join(s.Context(), s.other, path, "a", nil)
			require.NoError(s, err)
			return func() {
				_, err := node.Join(s.Context(), s.other, path, "b", nil)
				require.NoError(s, err)
			}, latest(node.WatchMembers(s.Context(), s.cli, path), func(g node.Group) bool { return len(g.Members) == 2 })
		}},
		{"members of a group that is not there", func(s *stage) (func(), func() bool) {
			return func() {
				_, err := node.Join(s.Context(), s.other, path, "a", nil)
				require.NoError(s, err)
			}, latest(node.WatchMembers(s.Context(), s.cli, path), func(g node.Group) bool { return len(g.Members) == 1 })
		}},
		{"cache with one-shot watches, a node set", func(s *stage) (func(), func() bool) { return oneShotCache(s, path) }},
		{"cache with one-shot watches, a node created", func(s *stage) (func(), func() bool) { return oneShotCache(s, path+"/child") }},
		{"cache with a recursive watch", func(s *stage) (func(), func() bool) {
			return mirrored(s, func() (mirror, error) { return cache.Open(s.Context(), s.cli, path) })
		}},
		{"cache of children", func(s *stage) (func(), func() bool) {
			return mirrored(s, func() (mirror, error) { return cache.OpenChildren(s.Context(), s.cli, path) })
		}},
		{"value", func(s *stage) (func(), func() bool) {
			_, err := s.other.Create(s.Context(), path, []byte("old"), framework.Parents)
			require.NoError(s, err)
			v, err := cache.OpenValue(s.Context(), s.cli, path, cache.Text())
			require.NoError(s, err)
			s.Cleanup(func() { require.NoError(s, v.Close()) })
			return func() { put(s, path) }, func() bool { return v.Load() == "new" }
		}},
	}
}

// latest takes what there is on a channel and reports whether the last of it is what is waited for.
func latest[T any](c <-chan T, wanted func(T) bool) func() bool {
	var last T
	any := false
	return func() bool {
		for {
			select {
			case v, open := <-c:
				if open {
					last, any = v, true
					continue
				}
			default:
			}
			return any && wanted(last)
		}
	}
}

func keepOn(s *stage, cli *framework.Client) *node.Keeper {
	k, err := node.Keep(s.Context(), cli, path, nil)
	require.NoError(s, err)
	return k
}

// oneShotCache has a cache that is to notice that the node at put is set, or created.
func oneShotCache(s *stage, at string) (change func(), noticed func() bool) {
	_, err := s.other.Create(s.Context(), path, []byte("old"), framework.Parents)
	require.NoError(s, err)
	tree, err := cache.Open(s.Context(), s.cli, path, cache.OneShot())
	require.NoError(s, err)
	s.Cleanup(func() { require.NoError(s, tree.Close()) })
	return func() { put(s, at) }, func() bool {
		node, ok := tree.Get(at)
		return ok && string(node.Data) == "new"
	}
}

// mirrored has a cache that is to notice that a child is set.
func mirrored(s *stage, open func() (mirror, error)) (change func(), noticed func() bool) {
	child := path + "/child"
	_, err := s.other.Create(s.Context(), child, []byte("old"), framework.Parents)
	require.NoError(s, err)
	m, err := open()
	require.NoError(s, err)
	s.Cleanup(func() { require.NoError(s, m.Close()) })
	return func() { put(s, child) }, func() bool {
		node, ok := m.Get(child)
		return ok && string(node.Data) == "new"
	}
}

// put gives a node new data, or creates it.
func put(s *stage, at string) {
	_, err := s.other.Set(s.Context(), at, []byte("new"), framework.AnyVersion)
	if errors.Is(err, framework.ErrNoNode) {
		_, err = s.other.Create(s.Context(), at, []byte("new"))
	}
	require.NoError(s, err)
}
