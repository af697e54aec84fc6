package lock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/sim"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// turnLog notes who has held, in order.
type turnLog struct {
	mu     sync.Mutex
	names  []string
	tokens []int64
}

func (l *turnLog) note(name string, token int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names, l.tokens = append(l.names, name), append(l.tokens, token)
}

// grows fails the test unless each token is larger than the one before.
func (l *turnLog) grows(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := 1; i < len(l.tokens); i++ {
		require.Greater(t, l.tokens[i], l.tokens[i-1], "holder %d (%s) after %s", i, l.names[i], l.names[i-1])
	}
}

// crowd has n goroutines lock m rounds times each, one after the other in line, and hold it for d. It runs in a
// bubble.
func crowd(t *testing.T, l *turnLog, name string, m *lock.Mutex, n, rounds int, d time.Duration) *sync.WaitGroup {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for range rounds {
				held, err := m.Lock(t.Context())
				if !assert.NoError(t, err) {
					return
				}
				l.note(name, held.Token())
				time.Sleep(d)
				assert.NoError(t, held.Unlock(t.Context()))
			}
		})
	}
	return &all
}

// A hundred goroutines have one place, in the order of their calls, and a hand-over asks nothing of the servers.
func TestHandoverAmongAHundred(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const n, most = 100, 9
		m := lock.New(w.Connect("a"), path, lock.LocalHandover(most))
		w.prepared(m)
		places, entered := 0, 0
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 {
				places, entered = max(places, len(w.List(path))), entered+1
			}
			return zktest.Pass
		})
		first := locked(t, m)
		var l turnLog
		var order []int
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				held, err := m.Lock(t.Context())
				if assert.NoError(t, err) {
					l.note(held.Path(), held.Token())
					order = append(order, i)
					assert.NoError(t, held.Unlock(t.Context()))
				}
			})
			synctest.Wait()
		}
		time.Sleep(time.Second)
		before := w.Counts()
		require.NoError(t, first.Unlock(t.Context()))
		all.Wait()
		l.grows(t)
		for i, who := range order {
			require.Equal(t, i, who, "in the order of the calls")
		}
		assert.LessOrEqual(t, places, 1, "one place in the queue")
		claims := int64((n + 1 + most) / (most + 1))
		assert.Equal(t, claims, int64(entered))
		cost := w.Counts().Sub(before).Requests
		assert.LessOrEqual(t, cost[zktest.OpGetChildren2], claims-1)
		delete(cost, zktest.OpGetChildren2)
		assert.Equal(t, requests{zktest.OpDelete: claims, zktest.OpCreate2: claims - 1}, cost)
		time.Sleep(time.Second)
		assert.Empty(t, w.List(path))
	})
}

// However many wait here, somebody else gets its turn after n hand-overs at the most.
func TestHandoverDoesNotStarveOthers(t *testing.T) {
	for _, most := range []int{0, 1, 5} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				opt := lock.LocalHandover(most)
				a, b := lock.New(w.Connect("a"), path, opt), lock.New(w.Connect("b"), path, opt)
				w.prepared(a)
				var l turnLog
				here := crowd(t, &l, "a", a, 10, 6, 10*time.Millisecond)
				there := crowd(t, &l, "b", b, 2, 10, time.Millisecond)
				there.Wait()
				here.Wait()
				l.grows(t)
				assert.Len(t, l.names, 80)
				run, turns := 0, 0
				for i, name := range l.names {
					if i > 0 && l.names[i-1] != name {
						run = 0
					}
					if name == "b" {
						turns++
					}
					if run++; turns < 20 && i > most && turns > 0 {
						require.LessOrEqual(t, run, most+1, "%v", l.names[:i+1])
					}
				}
			})
		})
	}
}

func TestTokensOfTurns(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path, lock.LocalHandover(2))
		first := locked(t, m)
		_, stat, err := w.Get(first.Path())
		require.NoError(t, err)
		waiting := start(t.Context(), m)
		require.NoError(t, first.Unlock(t.Context()))
		second := <-waiting
		require.NoError(t, second.err)
		assert.Equal(t, first.Path(), second.held.Path())
		assert.Equal(t, stat.Czxid<<8, first.Token())
		assert.Equal(t, stat.Czxid<<8+1, second.held.Token())
		assert.Equal(t, first.TrustedUntil(), second.held.TrustedUntil())
		assert.ErrorIs(t, context.Cause(first.Context()), lock.ErrReleased)
		alive(t, second.held)
		require.NoError(t, first.Unlock(t.Context()), "again, which does nothing")
		alive(t, second.held)
		require.NoError(t, second.held.Unlock(t.Context()))
		require.NoError(t, second.held.Unlock(t.Context()))
		assert.Empty(t, w.List(path))
	})
}

// Each has the values of its own ctx and of no other, and outlives the call.
func TestTurnsHaveTheirOwnValues(t *testing.T) {
	type key string
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path, lock.LocalHandover(2), lock.WaitLimit(time.Minute))
		first, err := m.Lock(context.WithValue(t.Context(), key("first"), 1))
		require.NoError(t, err)
		waiting := start(context.WithValue(t.Context(), key("second"), 2), m)
		require.NoError(t, first.Unlock(t.Context()))
		second := <-waiting
		require.NoError(t, second.err)
		assert.Equal(t, 1, first.Context().Value(key("first")))
		assert.Nil(t, first.Context().Value(key("second")))
		assert.Equal(t, 2, second.held.Context().Value(key("second")))
		assert.Nil(t, second.held.Context().Value(key("first")))
		time.Sleep(2 * time.Minute)
		alive(t, second.held)
	})
}

// A waiter whose ctx ends leaves the line; the place stays for the others, and goes with the last one.
func TestWaiterLeavesTheLine(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		other := locked(t, lock.New(w.Connect("b"), path))
		m := lock.New(w.Connect("a"), path, lock.LocalHandover(5))
		leaving, leave := context.WithCancelCause(t.Context())
		one, two := w.queued(leaving, m, 2), w.queued(t.Context(), m, 2)
		place := w.List(path)[1]
		gone := errors.New("gone")
		leave(gone)
		r := <-one
		require.ErrorIs(t, r.err, gone)
		assert.ErrorContains(t, r.err, path)
		assert.Equal(t, place, w.List(path)[1], "the place is kept")

		limited := lock.New(w.Connect("c"), path, lock.LocalHandover(5), lock.WaitLimit(time.Second))
		_, err := limited.Lock(t.Context())
		require.ErrorIs(t, err, lock.ErrWaitLimit)
		assert.ErrorContains(t, err, "behind "+path+"/"+place)
		time.Sleep(time.Second)
		assert.Len(t, w.List(path), 2, "the last one takes the place along")

		require.NoError(t, other.Unlock(t.Context()))
		r = <-two
		require.NoError(t, r.err)
		_, err = lock.New(w.Connect("d"), path, lock.WaitLimit(time.Second)).Lock(t.Context())
		assert.ErrorContains(t, err, "behind "+r.held.Path())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = m.Lock(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "behind the holder of "+r.held.Path())
		require.NoError(t, r.held.Unlock(t.Context()))
		time.Sleep(time.Second)
		assert.Empty(t, w.List(path))
	})
}

// Everybody leaves, and somebody comes, at the same moment.
func TestComingWhileTheLastOneLeaves(t *testing.T) {
	for after := range 60 {
		bubble(t, func(t *testing.T, w *world) {
			m := lock.New(w.Connect("a"), path, lock.LocalHandover(5))
			w.prepared(m)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(after)*20*time.Microsecond)
			defer cancel()
			first := start(ctx, m)
			<-ctx.Done()
			second := start(t.Context(), m)
			if r := <-first; r.err == nil {
				assert.Empty(t, second, "two hold")
				require.NoError(t, r.held.Unlock(t.Context()))
			}
			r := <-second
			require.NoError(t, r.err)
			alive(t, r.held)
			require.NoError(t, r.held.Unlock(t.Context()))
			time.Sleep(time.Second)
			assert.Empty(t, w.List(path))
		})
		if t.Failed() {
			return
		}
	}
}

// The claim comes at the very moment at which nobody waits for it any more.
func TestGrantWhenTheLastOneLeaves(t *testing.T) {
	var granted time.Duration // a run repeats itself
	bubble(t, func(t *testing.T, w *world) {
		m := lock.New(w.Connect("a"), path, lock.LocalHandover(5))
		w.prepared(m)
		at := time.Now()
		held := locked(t, m)
		granted = time.Since(at)
		require.NoError(t, held.Unlock(t.Context()))
	})
	for range 100 {
		bubble(t, func(t *testing.T, w *world) {
			m := lock.New(w.Connect("a"), path, lock.LocalHandover(5))
			w.prepared(m)
			ctx, cancel := context.WithTimeout(t.Context(), granted)
			defer cancel()
			if held, err := m.Lock(ctx); err == nil {
				require.NoError(t, held.Unlock(t.Context()))
			}
			require.NoError(t, locked(t, m).Unlock(t.Context()))
			time.Sleep(time.Second)
			assert.Empty(t, w.List(path))
		})
	}
}

// What ends the claim ends the turn; the next in line does not wait for the old one to unlock, and neither do others.
func TestClaimEndsInMidTurn(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world, cli *framework.Client, held *lock.Held)
		want error
	}{
		"lost":      {func(w *world, cli *framework.Client, _ *lock.Held) { w.ExpireSession(w.session(cli)) }, framework.ErrSessionLost},
		"deleted":   {func(w *world, _ *framework.Client, held *lock.Held) { assert.NoError(w.t, w.Delete(held.Path())) }, lock.ErrDeleted},
		"suspended": {func(w *world, _ *framework.Client, _ *lock.Held) { w.cut("a") }, framework.ErrSuspended},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				opts := []lock.Option{lock.LocalHandover(5)}
				if name != "suspended" {
					opts = append(opts, lock.Hold(0))
				}
				m := lock.New(cli, path, opts...)
				zeroth := locked(t, m)
				waiting := start(t.Context(), m)
				require.NoError(t, zeroth.Unlock(t.Context()))
				first := (<-waiting).held
				second, third := start(t.Context(), m), start(t.Context(), m)
				time.Sleep(time.Second)
				c.end(w, cli, first)
				assert.ErrorIs(t, waitOver(t, first, time.Second), c.want)
				if name == "suspended" {
					time.Sleep(time.Second)
					assert.Empty(t, second, "the node stands until the old holder lets go")
					assert.ErrorIs(t, first.Unlock(t.Context()), c.want)
				}
				r := <-second
				require.NoError(t, r.err)
				assert.Greater(t, r.held.Token(), first.Token())
				assert.NotEqual(t, first.Path(), r.held.Path())
				assert.ErrorIs(t, first.Unlock(t.Context()), c.want)
				alive(t, r.held)
				require.NoError(t, r.held.Unlock(t.Context()))
				last := <-third
				require.NoError(t, last.err)
				assert.Equal(t, r.held.Path(), last.held.Path())
				require.NoError(t, last.held.Unlock(t.Context()))
				time.Sleep(time.Second)
				assert.Empty(t, w.List(path))
			})
		})
	}
}

func TestLineStopsOnLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		m := lock.New(cli, path, lock.LocalHandover(5), lock.Hold(0), lock.StopOnLost())
		held := locked(t, m)
		one, two := start(t.Context(), m), start(t.Context(), m)
		w.ExpireSession(w.session(cli))
		for _, waiting := range []<-chan result{one, two} {
			r := <-waiting
			require.ErrorIs(t, r.err, framework.ErrSessionLost)
			assert.ErrorContains(t, r.err, path)
		}
		require.ErrorIs(t, held.Unlock(t.Context()), framework.ErrSessionLost)
		alive(t, locked(t, m))
	})
}

func TestLineOfAClosedClient(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		m := lock.New(cli, path, lock.LocalHandover(5))
		held := locked(t, m)
		one := start(t.Context(), m)
		require.NoError(t, cli.Close())
		assert.ErrorIs(t, (<-one).err, framework.ErrClosed)
		assert.ErrorIs(t, held.Unlock(t.Context()), framework.ErrClosed)
		_, err := m.Lock(t.Context())
		assert.ErrorIs(t, err, framework.ErrClosed)
		_, err = m.TryLock(t.Context())
		assert.ErrorIs(t, err, framework.ErrClosed)
	})
}

// What is refused to the one who asks is refused to all who wait for that.
func TestLineIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		m := lock.New(cli, path, lock.LocalHandover(5))
		w.prepared(m)
		_, err := cli.SetACL(t.Context(), path, []framework.ACL{{Perms: 31 &^ 4, Scheme: "world", ID: "anyone"}}, framework.AnyVersion)
		require.NoError(t, err)
		one, two := start(t.Context(), m), start(t.Context(), m)
		assert.ErrorIs(t, (<-one).err, framework.ErrNoAuth)
		assert.ErrorIs(t, (<-two).err, framework.ErrNoAuth)
		_, err = cli.SetACL(t.Context(), path, framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		alive(t, locked(t, m))
	})
}

// Two processes with two goroutines each, who hand over among themselves.
func TestHandoverCutAtEveryFrame(t *testing.T) {
	for policy, opts := range cutPolicies {
		t.Run(policy, func(t *testing.T) {
			cuts(t, []string{path}, cutOutages[policy], func(w *sim.World) ([]member, func() error) {
				ledger := w.NewLedger("lock")
				pair := func(ctx context.Context, cli *framework.Client, name string) error {
					m := lock.New(cli, path, slices.Concat(opts, []lock.Option{lock.LocalHandover(1)})...)
					ends := make(chan error, 2)
					for i := range 2 {
						go func() {
							ends <- takeTurns(ctx, m, 2, func(held *lock.Held) {
								ledger.Begin(held.Context(), fmt.Sprint(name, " ", i), held.Token())
							})
						}()
					}
					return errors.Join(<-ends, <-ends)
				}
				return []member{pair, pair}, ledger.Judge
			})
		})
	}
}

// takeTurns locks and keeps it, n times.
func takeTurns(ctx context.Context, m *lock.Mutex, n int, note func(*lock.Held)) error {
	for range n {
		held, err := m.Lock(ctx)
		if err != nil {
			return err
		}
		note(held)
		if err := keep(ctx, held); err != nil {
			return err
		}
	}
	return nil
}
