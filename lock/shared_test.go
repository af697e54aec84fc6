package lock_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/sim"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// curatorsOrder is how Curator and zk.Lock see a queue: by what stands behind "lock-", or the whole name.
func curatorsOrder(names []string) []string {
	key := func(name string) string { return name[strings.LastIndex(name, "lock-")+len("lock-"):] }
	return slices.SortedFunc(slices.Values(names), func(a, b string) int { return strings.Compare(key(a), key(b)) })
}

// kazoosOrder is how kazoo's locks see it, which leave out what does not look like their own.
func kazoosOrder(names []string, kinds string) []string {
	pattern := regexp.MustCompile(`(?:` + kinds + `)(-?\d{10})$`)
	var own []string
	for _, name := range names {
		if pattern.MatchString(name) {
			own = append(own, name)
		}
	}
	number := func(name string) string { return pattern.FindStringSubmatch(name)[1] }
	slices.SortFunc(own, func(a, b string) int { return strings.Compare(number(a), number(b)) })
	return own
}

const uuid = `_c_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}-`

// wantNames checks a queue against patterns, in the order of the numbers.
func wantNames(t *testing.T, names []string, patterns ...string) {
	t.Helper()
	names = slices.SortedFunc(slices.Values(names), func(a, b string) int { return strings.Compare(a[len(a)-10:], b[len(b)-10:]) })
	require.Len(t, names, len(patterns), "%v", names)
	for i, pattern := range patterns {
		require.Regexp(t, "^"+uuid+pattern+`$`, names[i])
	}
}

// The two nodes carry what everybody else looks for, and everybody sees the same holder.
func TestSharedMutexExcludesEachFamily(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := lock.New(w.Connect("a"), path, lock.Shared()), lock.New(w.Connect("b"), path, lock.Shared())
		held := locked(t, a)
		wantNames(t, w.List(path), `lock-0000000000`, `__lock__0000000001`)
		assert.True(t, strings.HasSuffix(held.Path(), "-lock-0000000000"), held.Path())
		waiting := w.queued(t.Context(), b, 4)
		assert.Equal(t, held.Path(), path+"/"+curatorsOrder(w.List(path))[0])
		assert.Contains(t, kazoosOrder(w.List(path), "__lock__")[0], "0000000001")
		_, stat, err := w.Get(held.Path())
		require.NoError(t, err)
		assert.Equal(t, stat.Czxid<<8, held.Token())
		assert.Equal(t, zktest.Persistent, w.Dump()[path].Mode, "kazoo cannot cope with a directory that goes")

		list, err := a.Contenders(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 2, "a place is listed once")
		assert.Equal(t, held.Path(), list[0].Path)
		require.NoError(t, held.Unlock(t.Context()))
		next := <-waiting
		require.NoError(t, next.err)
		assert.Greater(t, next.held.Token(), held.Token())
		require.NoError(t, next.held.Unlock(t.Context()))
		assert.Empty(t, w.List(path))
	})
}

// Nodes of every family are waited for, in the order of the numbers, and the plain Mutex stands in the same queue.
func TestSharedMutexWaitsForEveryFamily(t *testing.T) {
	for _, foreign := range []string{
		"_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-lock-", "_c_0f8b3c1e5d0a4a539d5c2f3f0a7f1e11-lock-", "0f8b3c1e5d0a4a539d5c2f3f0a7f1e11__lock__",
	} {
		t.Run(foreign, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				m := lock.New(w.Connect("a"), path, lock.Shared())
				w.prepared(m)
				first, err := w.Create(path+"/"+foreign, nil, zktest.PersistentSequential)
				require.NoError(t, err)
				waiting := w.queued(t.Context(), m, 3)
				second, err := w.Create(path+"/"+foreign, nil, zktest.PersistentSequential)
				require.NoError(t, err)
				plain := w.queued(t.Context(), lock.New(w.Connect("b"), path), 5)
				assert.Empty(t, waiting)
				require.NoError(t, w.Delete(first))
				r := <-waiting
				require.NoError(t, r.err)
				require.NoError(t, w.Delete(second))
				time.Sleep(time.Second)
				assert.Empty(t, plain)
				require.NoError(t, r.held.Unlock(t.Context()))
				require.NoError(t, (<-plain).err)
			})
		})
	}
}

// Somebody has deleted one node of a pair: the other one still counts, for those who wait.
func TestHalfOfAForeignPair(t *testing.T) {
	for _, which := range []string{"-lock-", "__lock__"} {
		bubble(t, func(t *testing.T, w *world) {
			m := lock.New(w.Connect("a"), path, lock.Shared())
			w.prepared(m)
			pair := map[string]string{}
			for _, kind := range []string{"-lock-", "__lock__"} {
				at, err := w.Create(path+"/_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11"+kind, nil, zktest.PersistentSequential)
				require.NoError(t, err)
				pair[kind] = at
			}
			waiting := w.queued(t.Context(), m, 4)
			require.NoError(t, w.Delete(pair[which]))
			time.Sleep(time.Second)
			assert.Empty(t, waiting)
			delete(pair, which)
			for _, at := range pair {
				require.NoError(t, w.Delete(at))
			}
			require.NoError(t, (<-waiting).err)
		})
	}
}

// Either node ends the claim when it is deleted, either keeps a guarded write from being applied, and the other one goes.
func TestDeletedTwinEndsTheHeld(t *testing.T) {
	for i, kind := range []string{"-lock-", "__lock__"} {
		bubble(t, func(t *testing.T, w *world) {
			held := locked(t, lock.New(w.Connect("a"), path, lock.Shared()))
			node := path + "/" + w.List(path)[slices.IndexFunc(w.List(path), func(n string) bool { return strings.Contains(n, kind) })]
			checks := held.Checks()
			require.Len(t, checks, 2)
			assert.Equal(t, node, checks[i].Path())
			require.NoError(t, w.Delete(node)) // before the claim watches its nodes
			_, err := held.Multi(t.Context(), []framework.Op{framework.CreateOp("/x", nil, framework.Persistent)})
			require.ErrorIs(t, err, lock.ErrNotHeld)
			assert.False(t, w.Exists("/x"))
			assert.ErrorIs(t, waitOver(t, held, time.Second), lock.ErrDeleted)
			assert.ErrorContains(t, context.Cause(held.Context()), node)
			assert.Len(t, w.List(path), 1, "the other one stays until Unlock")
			require.ErrorIs(t, held.Unlock(t.Context()), lock.ErrDeleted)
			assert.Empty(t, w.List(path))

			held = locked(t, lock.New(w.Connect("b"), path, lock.Shared()))
			time.Sleep(time.Second)
			require.NoError(t, w.Delete(held.Checks()[i].Path()))
			assert.ErrorIs(t, waitOver(t, held, 5*time.Millisecond), lock.ErrDeleted, "at once, later")
		})
	}
}

// A waiter that has lost either node queues again, and does not hold by the other one.
func TestDeletedTwinOfAWaiter(t *testing.T) {
	for _, kind := range []string{"-lock-", "__lock__"} {
		bubble(t, func(t *testing.T, w *world) {
			held := locked(t, lock.New(w.Connect("a"), path, lock.Shared()))
			waiting := w.queued(t.Context(), lock.New(w.Connect("b"), path, lock.Shared()), 4)
			session := w.Dump()[held.Path()].Stat.EphemeralOwner
			for _, name := range w.List(path) {
				if strings.Contains(name, kind) && w.Dump()[path+"/"+name].Stat.EphemeralOwner != session {
					require.NoError(t, w.Delete(path+"/"+name))
				}
			}
			assert.Len(t, w.List(path), 3)
			require.NoError(t, held.Unlock(t.Context()))
			r := <-waiting
			require.NoError(t, r.err)
			time.Sleep(time.Second)
			assert.Len(t, w.List(path), 2)
			alive(t, r.held)
			require.NoError(t, r.held.Unlock(t.Context()))
			assert.Empty(t, w.List(path))
		})
	}
}

func TestSharedWaiterThatLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path, lock.Shared()))
		_, err := lock.New(w.Connect("b"), path, lock.Shared(), lock.WaitLimit(time.Second)).Lock(t.Context())
		require.ErrorIs(t, err, lock.ErrWaitLimit)
		assert.ErrorContains(t, err, "waited behind "+held.Checks()[1].Path())
		time.Sleep(time.Second)
		assert.Len(t, w.List(path), 2)
		_, err = lock.New(w.Connect("c"), path, lock.Shared()).TryLock(t.Context())
		require.ErrorIs(t, err, lock.ErrLocked)
		assert.Len(t, w.List(path), 2)
	})
}

func TestSharedMutexIgnoresNamesWithoutANumber(t *testing.T) {
	for _, name := range []string{"lock-x", "__lock__", "a__lock__00000000010", "_c_-lock-", "x-lock-99999999999"} {
		bubble(t, func(t *testing.T, w *world) {
			m := lock.New(w.Connect("a"), path, lock.Shared())
			w.prepared(m)
			_, err := w.Create(path+"/"+name, nil, zktest.Persistent)
			require.NoError(t, err)
			unlock(t, locked(t, m))
			assert.Equal(t, []string{name}, w.List(path))
		})
	}
}

// The pairs of a read/write lock: kazoo's writers wait for both kinds, its readers for writers.
func TestSharedReadWriteLock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := lock.NewRW(w.Connect("a"), path, lock.Shared()), lock.NewRW(w.Connect("b"), path, lock.Shared())
		one, two := locker(a.RLock).granted(t), locker(b.RLock).granted(t)
		wantNames(t, w.List(path), `__READ__0000000000`, `__rlock__0000000001`, `__READ__0000000003`, `__rlock__0000000004`)
		writer := locker(a.Lock).queued(t.Context(), w, 6)
		late := locker(b.RLock).queued(t.Context(), w, 8)
		assert.Len(t, w.List(path), 8)
		kazoos := kazoosOrder(w.List(path), "__rlock__|__lock__")
		assert.Len(t, kazoos, 4)
		assert.Contains(t, kazoos[2], "__lock__")
		unlock(t, one, two)
		writing := passed(t, writer)
		assert.Empty(t, late)

		other := locker(b.Lock).queued(t.Context(), w, 6)
		reading, err := writing.Downgrade(t.Context())
		require.NoError(t, err)
		assert.Equal(t, writing.Token(), reading.Token())
		shared := passed(t, late)
		wantNames(t, w.List(path), `__READ__0000000006`, `__rlock__0000000007`, `__READ__0000000009`, `__rlock__0000000010`,
			`__WRIT__0000000012`, `__lock__0000000013`)
		assert.Empty(t, other)
		list, err := a.Contenders(t.Context())
		require.NoError(t, err)
		assert.Len(t, list, 3)
		time.Sleep(time.Second)
		alive(t, reading)
		unlock(t, reading, shared)
		unlock(t, passed(t, other))
		assert.Empty(t, w.List(path))
	})
}

func TestSharedMultiLock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.NewMulti(w.Connect("a"), []string{"/m/1", "/m/2"}, lock.Shared())
		held, err := m.Lock(t.Context())
		require.NoError(t, err)
		for _, dir := range []string{"/m/1", "/m/2"} {
			wantNames(t, w.List(dir), `lock-0000000000`, `__lock__0000000001`)
		}
		assert.Len(t, held.Paths(), 2)
		assert.Len(t, held.Checks(), 4)
		_, err = held.Multi(t.Context(), []framework.Op{framework.CreateOp("/x", nil, framework.Persistent)})
		require.NoError(t, err)
		require.NoError(t, held.Unlock(t.Context()))
		assert.Empty(t, w.List("/m/1"))
		assert.Empty(t, w.List("/m/2"))
	})
}

// Two with the shared form, one of them by a line of two, and one plain: a cut at every frame.
func TestSharedMutexCutAtEveryFrame(t *testing.T) {
	for policy, opts := range cutPolicies {
		t.Run(policy, func(t *testing.T) {
			cuts(t, []string{path}, cutOutages[policy], func(w *sim.World) ([]member, func() error) {
				ledger := w.NewLedger("lock")
				locks := func(opts ...lock.Option) member {
					return func(ctx context.Context, cli *framework.Client, name string) error {
						m := lock.New(cli, path, opts...)
						for range 2 {
							held, err := m.Lock(ctx)
							if err != nil {
								return err
							}
							ledger.Begin(held.Context(), name, held.Token())
							if err := keep(ctx, held); err != nil {
								return err
							}
						}
						return nil
					}
				}
				shared := slices.Concat(opts, []lock.Option{lock.Shared()})
				return []member{locks(shared...), locks(opts...), locks(shared...)}, ledger.Judge
			})
		})
	}
}
