package contend_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/zktest"
)

const timeout = 10 * time.Second

var (
	queue  = contend.Queue{Dir: "/queue", Name: "lock-", Dialect: seqnode.Mutex}
	hold   = framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop}
	cancel = framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Stop}
)

// world is a server on a network in memory.
type world struct {
	*docenttest.Server
	t *testing.T
}

// bubble runs f on fake time, with a server.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) { f(t, &world{srv, t}) })
}

// client starts a client on a host of that name and returns it with its session.
func (w *world) client(name string, tune ...func(*framework.Config)) (*framework.Client, *framework.Session) {
	w.t.Helper()
	cli := w.Connect(name, tune...)
	s, err := cli.Session(w.t.Context())
	require.NoError(w.t, err)
	return cli, s
}

// nodes lists the queue.
func (w *world) nodes() []string { return w.List(queue.Dir) }

// Whatever ends an attempt, its node goes: also what no code foresees.
func TestPanicAndGoexitWhileWaiting(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, s := w.client("a")
				first, err := queue.Acquire(t.Context(), s, hold)
				require.NoError(t, err)
				over := make(chan any, 1)
				go func() {
					defer func() { over <- recover() }()
					_, _ = queue.AcquireWith(t.Context(), s, hold, func(p *contend.Place, ctx context.Context, names []string) error {
						time.AfterFunc(time.Second, func() { _ = first.Release(context.Background()) })
						err := contend.Wait(p, ctx, names)
						end()
						return err
					})
				}()
				<-over
				time.Sleep(time.Second)
				assert.Empty(t, w.nodes())
			})
		})
	}
}

// The connection breaks between the list that says "first" and the claim: with Cancel there is no claim and no node.
func TestSuspendedAtTheMomentOfTheGrant(t *testing.T) {
	for name, c := range map[string]struct {
		policy framework.Policy
		want   error
	}{"cancel": {cancel, framework.ErrSuspended}, "hold": {hold, nil}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli, s := w.client("a")
				claim, err := queue.AcquireWith(t.Context(), s, c.policy, func(*contend.Place, context.Context, []string) error {
					w.Refuse()
					w.Cut(zktest.AllConns())
					for cli.State().State != framework.Suspended {
						time.Sleep(time.Millisecond)
					}
					return nil
				})
				if c.want == nil {
					require.NoError(t, err)
					require.NoError(t, context.Cause(claim.Context()))
					assert.Equal(t, s, claim.Session())
				} else {
					assert.ErrorIs(t, err, c.want)
					assert.Nil(t, claim)
				}
				require.NoError(t, w.Accept())
				time.Sleep(timeout / 2)
				assert.Len(t, w.nodes(), map[bool]int{true: 1, false: 0}[c.want == nil])
			})
		})
	}
}

// No answer for so long that trust has run out, then "first": there is no claim even with Hold.
func TestUntrustedAtTheMomentOfTheGrant(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		claim, err := queue.AcquireWith(t.Context(), s, hold, func(*contend.Place, context.Context, []string) error {
			w.Blackhole(zktest.AllConns(), zktest.Both)
			time.Sleep(timeout * 4 / 5)
			return nil
		})
		assert.ErrorIs(t, err, framework.ErrUntrusted)
		assert.Nil(t, claim)
	})
}

// A process that was stopped acts before its timers do: what the clock says is asked as well. Here both come at the same
// moment, and now one of them is first, now the other.
func TestStandingIsAskedOfTheClock(t *testing.T) {
	for range 40 {
		bubble(t, func(t *testing.T, w *world) {
			_, s := w.client("a")
			claim, err := queue.Acquire(t.Context(), s, hold)
			require.NoError(t, err)
			w.Blackhole(zktest.AllConns(), zktest.Both)
			time.Sleep(time.Until(s.TrustedUntil()))
			_, err = claim.Multi(t.Context(), nil)
			assert.ErrorIs(t, err, contend.ErrNotHeld)
			assert.ErrorIs(t, err, framework.ErrUntrusted)
		})
	}
}

// The session is over an instant before the contexts that hang on it are: who releases in between has lost the claim, too.
func TestReleaseWhenTheSessionIsOver(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T, w *world) {
			_, s := w.client("a")
			claim, err := queue.Acquire(t.Context(), s, hold)
			require.NoError(t, err)
			w.ExpireSession(s.ID())
			<-s.Done()
			assert.ErrorIs(t, claim.Release(t.Context()), framework.ErrSessionLost)
			assert.ErrorIs(t, context.Cause(claim.Context()), framework.ErrSessionLost)
		})
	}
}

// The queue is deleted under its waiters, nodes, directory and all, as an operator does who wants to unlock by force.
func TestWholeQueueDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const waiters = 5
		_, s := w.client("a")
		first, err := queue.Acquire(t.Context(), s, hold)
		require.NoError(t, err)
		served := make(chan int64, waiters)
		for range waiters {
			go func() {
				claim, err := queue.Acquire(t.Context(), s, hold)
				if assert.NoError(t, err) {
					served <- claim.Token()
					assert.NoError(t, claim.Release(context.Background()))
				}
			}()
		}
		time.Sleep(time.Second)
		for _, name := range w.nodes() {
			require.NoError(t, w.Delete(queue.Dir+"/"+name))
		}
		require.NoError(t, w.Delete(queue.Dir))
		<-first.Context().Done()
		assert.ErrorIs(t, context.Cause(first.Context()), contend.ErrDeleted)
		last := first.Token()
		for range waiters {
			token := <-served
			assert.Greater(t, token, last)
			last = token
		}
		time.Sleep(time.Second)
		assert.Empty(t, w.nodes())
	})
}

// Somebody deletes every node at once as it appears. That starves the contender, which still listens to its ctx.
func TestNodesDeletedAsTheyAppear(t *testing.T) {
	for name, acquire := range map[string]func(context.Context, *framework.Session, framework.Policy) (*contend.Claim, error){
		"acquire": queue.Acquire, "try": queue.TryAcquire,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, s := w.client("a")
				deleted := 0
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 && f.Err == 0 && deleted < 10 {
						deleted++
						assert.NoError(t, w.Delete(f.Path))
					}
					return zktest.Pass
				})
				claim, err := acquire(t.Context(), s, hold)
				require.NoError(t, err)
				assert.Equal(t, 10, deleted)
				assert.Len(t, w.nodes(), 1)
				require.NoError(t, claim.Release(t.Context()))
				deleted = -1 << 30
				ctx, stop := context.WithTimeout(t.Context(), time.Second)
				defer stop()
				_, err = acquire(ctx, s, hold)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			})
		})
	}
}

// Sequence numbers wrap after 2^31 creations in one directory: the order goes on, and where there is none it is said.
func TestSequenceNumbersThatWrap(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		_, err := w.Create(queue.Dir, nil, zktest.Persistent)
		require.NoError(t, err)
		old, err := w.Create(queue.Dir+"/lock-2147483647", nil, zktest.Persistent)
		require.NoError(t, err)
		_, err = w.Create(queue.Dir+"/lock--2147483648", nil, zktest.Persistent)
		require.NoError(t, err)
		list, err := queue.Contenders(t.Context(), must(w, "b"))
		require.NoError(t, err)
		require.Len(t, list, 2)
		assert.Equal(t, old, list[0].Path, "the newest has the lowest number")

		claim, err := queue.TryAcquire(t.Context(), s, hold)
		assert.ErrorIs(t, err, contend.ErrTaken)
		assert.Nil(t, claim)

		for _, name := range []string{old, queue.Dir + "/lock--2147483648"} {
			require.NoError(t, w.Delete(name))
		}
		claim, err = queue.TryAcquire(t.Context(), s, hold)
		require.NoError(t, err)
		require.NoError(t, claim.Release(t.Context()))
	})
}

// Numbers that no server hands out side by side have no order. Contenders still have one among themselves.
func TestForgedNumbersAllOverTheCircle(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		_, err := w.Create(queue.Dir, nil, zktest.Persistent)
		require.NoError(t, err)
		for _, forged := range []string{"lock-1431655765", "lock-2147483647"} {
			_, err = w.Create(queue.Dir+"/"+forged, nil, zktest.Persistent)
			require.NoError(t, err)
		}
		first, err := queue.Acquire(t.Context(), s, hold)
		require.NoError(t, err)
		_, err = w.Create(queue.Dir+"/lock--1431655766", nil, zktest.Persistent)
		require.NoError(t, err)
		_, err = queue.TryAcquire(t.Context(), s, hold)
		require.ErrorIs(t, err, contend.ErrTaken)
		second := make(chan *contend.Claim, 1)
		go func() {
			claim, err := queue.Acquire(t.Context(), s, hold)
			assert.NoError(t, err)
			second <- claim
		}()
		time.Sleep(time.Second)
		require.Empty(t, second)
		require.NoError(t, w.Delete(queue.Dir+"/lock--1431655766")) // before both
		require.NoError(t, first.Release(t.Context()))
		require.NoError(t, (<-second).Release(t.Context()))
	})
}

func must(w *world, name string) *framework.Client {
	cli, _ := w.client(name)
	return cli
}

// Nodes that go while the queue is listed are left out.
func TestContendersThatGoMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		for range 3 {
			go func() { _, _ = queue.Acquire(t.Context(), s, hold) }()
			time.Sleep(10 * time.Millisecond)
		}
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpGetChildren2 && f.Conn.Client == "b" {
				assert.NoError(t, w.Delete(queue.Dir+"/"+w.nodes()[1]))
			}
			return zktest.Pass
		})
		list, err := queue.Contenders(t.Context(), must(w, "b"))
		require.NoError(t, err)
		assert.Len(t, list, 2)
	})
}
