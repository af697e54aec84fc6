package leader_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

var errOwn = errors.New("lead's own")

// What Run returns, by how the term ended and by what lead then returned.
func TestWhatRunReturns(t *testing.T) {
	cause := errors.New("no more")
	for name, c := range map[string]struct {
		end  func(w *world, cli *framework.Client, cancel context.CancelCauseFunc)
		lead error // what lead returns when its context has ended, or at once if end is nil
		want error // of Run; errAgain if it stands again
	}{
		"lead has done its work":           {nil, nil, nil},
		"lead has failed":                  {nil, errOwn, errOwn},
		"lead has failed, of another lock": {nil, fmt.Errorf("inner: %w", framework.ErrSuspended), framework.ErrSuspended},
		"lead has failed, of another trust": {nil, fmt.Errorf("inner: %w", framework.ErrUntrusted),
			framework.ErrUntrusted},
		"lead has failed, of another session": {nil, fmt.Errorf("inner: %w", framework.ErrSessionLost),
			framework.ErrSessionLost},
		"lead has failed, of another client": {nil, framework.ErrClosed, framework.ErrClosed},
		"caller, nil":                        {endCaller(cause), nil, cause},
		"caller, own error":                  {endCaller(cause), errOwn, errOwn},
		"client closed, nil":                 {closeClient, nil, framework.ErrClosed},
		"client closed, own error":           {closeClient, errOwn, framework.ErrClosed},
		"suspended, nil":                     {cutClient, nil, errAgain},
		"suspended, own error":               {cutClient, errOwn, errAgain},
		"session lost, nil":                  {expireClient, nil, errAgain},
		"session lost, own error":            {expireClient, errOwn, errAgain},
		"deleted, nil":                       {deleteNode, nil, errAgain},
		"deleted, own error":                 {deleteNode, errOwn, errAgain},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				terms := make(chan *leader.Term, 2)
				done := make(chan error, 1)
				go func() {
					done <- leader.Run(ctx, cli, path, func(ctx context.Context, term *leader.Term) error {
						terms <- term
						if c.end != nil {
							<-ctx.Done()
						}
						return c.lead
					})
				}()
				first := <-terms
				if c.end != nil {
					time.Sleep(time.Second)
					c.end(w, cli, cancel)
				}
				if errors.Is(c.want, errAgain) {
					second := <-terms
					assert.Greater(t, second.Token(), first.Token())
					leads(t, second)
					return
				}
				err := <-done
				assert.ErrorIs(t, err, c.want)
				if c.end == nil {
					assert.Equal(t, c.lead, err, "as it was returned")
				}
				assert.Error(t, context.Cause(first.Context()))
				time.Sleep(time.Second)
				assert.Empty(t, w.List(path))
				assert.Empty(t, terms)
			})
		})
	}
}

var errAgain = errors.New("stands again")

func endCaller(cause error) func(*world, *framework.Client, context.CancelCauseFunc) {
	return func(_ *world, _ *framework.Client, cancel context.CancelCauseFunc) { cancel(cause) }
}

func closeClient(w *world, cli *framework.Client, _ context.CancelCauseFunc) {
	assert.NoError(w.t, cli.Close())
}

func cutClient(w *world, _ *framework.Client, _ context.CancelCauseFunc) { w.cut("a") }

func expireClient(w *world, cli *framework.Client, _ context.CancelCauseFunc) {
	w.ExpireSession(w.session(cli))
}

func deleteNode(w *world, _ *framework.Client, _ context.CancelCauseFunc) {
	assert.NoError(w.t, w.Delete(path+"/"+w.List(path)[0]))
}

// The term has ended by a suspension, and the caller's context ends while lead is still finishing: the caller counts.
func TestCallerEndsWhileLeadFinishes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		cause := errors.New("no more")
		ctx, cancel := context.WithCancelCause(t.Context())
		err := leader.Run(ctx, cli, path, func(term context.Context, _ *leader.Term) error {
			w.cut("a")
			<-term.Done()
			assert.ErrorIs(t, context.Cause(term), framework.ErrSuspended)
			cancel(cause)
			return nil
		})
		assert.ErrorIs(t, err, cause)
		assert.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, framework.ErrSuspended)
		time.Sleep(time.Second)
		assert.Empty(t, w.List(path))
	})
}

func TestRunThatNeverLeads(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		stand(t, w.Connect("a")).term()
		c := stand(t, w.Connect("b"))
		time.Sleep(time.Second)
		cause := errors.New("no more")
		c.cancel(cause)
		err := <-c.done
		assert.ErrorIs(t, err, cause)
		assert.ErrorContains(t, err, path)
		time.Sleep(time.Second)
		assert.Len(t, w.List(path), 1)
		assert.Empty(t, c.terms)
	})
}

func TestRunOnInvalidPathsAndOptions(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		never := func(context.Context, *leader.Term) error { panic("elected") }
		for _, bad := range []string{"", "/a/", "/a//b", "/../b"} {
			assert.ErrorIs(t, leader.Run(t.Context(), cli, bad, never), framework.ErrInvalidPath, "%q", bad)
			_, err := leader.New(cli, bad).Participants(t.Context())
			assert.ErrorIs(t, err, framework.ErrInvalidPath, "%q", bad)
		}
		assert.ErrorContains(t, leader.Run(t.Context(), cli, path, never, leader.Hold(-1)), "Grace")
		require.NoError(t, cli.Close())
		assert.ErrorIs(t, leader.Run(t.Context(), cli, path, never), framework.ErrClosed)
	})
}

// Leadership is released on the way out of a panic, and of a Goexit.
func TestPanicInLeadReleases(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				over := make(chan any, 1)
				go func() {
					defer func() { over <- recover() }()
					_ = leader.Run(t.Context(), cli, path, func(context.Context, *leader.Term) error {
						time.Sleep(time.Second)
						end()
						return nil
					})
				}()
				time.Sleep(500 * time.Millisecond)
				next := stand(t, w.Connect("b"))
				if r := <-over; name == "panic" {
					assert.Equal(t, "boom", r, "it goes on to the caller of Run")
				}
				leads(t, next.term())
				assert.Len(t, w.List(path), 1)
			})
		})
	}
}

// Run does not return, nor stand again, before the leader function has: one Run never has two of them.
func TestOneLeaderFunctionAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		var running, terms atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- leader.Run(ctx, cli, path, func(ctx context.Context, _ *leader.Term) error {
				assert.EqualValues(t, 1, running.Add(1))
				defer running.Add(-1)
				terms.Add(1)
				<-ctx.Done()
				time.Sleep(3 * timeout / 2) // slow to stop
				return nil
			})
		}()
		for i := range 5 {
			for terms.Load() == int32(i) {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Second)
			switch i % 3 {
			case 0:
				w.cut("a")
			case 1:
				w.ExpireSession(w.session(cli))
			default:
				require.NoError(t, w.Delete(path+"/"+w.List(path)[0]))
			}
		}
		cancel()
		time.Sleep(time.Second)
		assert.Empty(t, done, "lead is still at it")
		<-done
		assert.EqualValues(t, 5, terms.Load())
	})
}

// Close ends terms, waits for the leader function, and then the node goes with the session.
func TestCloseWaitsForLead(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		returned := false
		go func() {
			_ = leader.Run(t.Context(), cli, path, func(ctx context.Context, _ *leader.Term) error {
				<-ctx.Done()
				assert.ErrorIs(t, context.Cause(ctx), framework.ErrClosed)
				time.Sleep(time.Second)
				assert.Len(t, w.List(path), 1)
				returned = true
				return nil
			})
		}()
		time.Sleep(time.Second)
		require.NoError(t, cli.Close())
		assert.True(t, returned)
		assert.Empty(t, w.List(path))
	})
}

// The names of LeaderLatch, LeaderSelector and kazoo stand in the same election. Other children are ignored.
func TestForeignCandidates(t *testing.T) {
	for _, name := range []string{"_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-latch-", "latch-", "_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-lock-", "0f8b3c1e5d0a4a539d5c2f3f0a7f1e11__lock__"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				require.NoError(t, leader.Run(t.Context(), cli, path, func(context.Context, *leader.Term) error { return nil }))
				other, err := w.Create(path+"/"+name, []byte("other"), zktest.PersistentSequential)
				require.NoError(t, err)
				c := stand(t, cli)
				time.Sleep(time.Second)
				assert.Empty(t, c.terms)
				list, err := leader.New(cli, path).Participants(t.Context())
				require.NoError(t, err)
				assert.Len(t, list, 2)
				require.NoError(t, w.Delete(other))
				leads(t, c.term())
			})
		})
	}
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		none := func(context.Context, *leader.Term) error { return nil }
		require.NoError(t, leader.Run(t.Context(), cli, path, none))
		for _, name := range []string{"_c_x", "config", "__READ__0000000000", "latch-one", "clock-skew", "block-0000000000"} {
			_, err := w.Create(path+"/"+name, nil, zktest.Persistent)
			require.NoError(t, err)
			require.NoError(t, leader.Run(t.Context(), cli, path, none))
		}
		time.Sleep(time.Second)
		assert.Len(t, w.List(path), 6, "nothing of ours")
	})
}
