package leader_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

// admin is a client that has created the election's directory, which the servers do not sweep then.
func (w *world) admin() *framework.Client {
	w.t.Helper()
	cli := w.Connect("admin")
	_, err := cli.Create(w.t.Context(), path, nil, framework.Persistent, framework.Parents)
	require.NoError(w.t, err)
	return cli
}

// allow sets what everybody may do in the election's directory.
func (w *world) allow(admin *framework.Client, perms int32) {
	w.t.Helper()
	_, err := admin.SetACL(w.t.Context(), path, []framework.ACL{{Scheme: "world", ID: "anyone", Perms: perms}}, framework.AnyVersion)
	require.NoError(w.t, err)
}

// The rights in the election's directory: without create, without read, all.
const (
	noCreate = 31 &^ 4
	noRead   = 31 &^ 1
	all      = 31
)

// A candidate that was in the queue once goes on when the servers refuse it later, and is elected when they do not any more.
func TestCandidateRefusedLater(t *testing.T) {
	for name, perms := range map[string]int32{"create": noCreate, "list": noRead} {
		for after, lose := range map[string]func(*world, *framework.Client, *candidate){
			"session lost": func(w *world, cli *framework.Client, _ *candidate) { w.ExpireSession(w.session(cli)) },
			"resigned":     func(w *world, _ *framework.Client, c *candidate) { assert.NoError(w.t, c.term().Resign(w.t.Context())) },
			"deleted": func(w *world, _ *framework.Client, _ *candidate) {
				assert.NoError(w.t, w.Delete(path+"/"+w.List(path)[0]))
			},
		} {
			t.Run(name+"/"+after, func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					var log bytes.Buffer
					admin := w.admin()
					cli := w.Connect("a", func(cfg *framework.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
					c := stand(t, cli)
					if after != "resigned" {
						c.term()
					}
					time.Sleep(time.Second)
					w.allow(admin, perms)
					before := w.ClientCounts("a")
					lose(w, cli, c)
					time.Sleep(5 * time.Minute)
					assert.Empty(t, c.done)
					assert.Less(t, w.ClientCounts("a").Sub(before).RoundTrips(), int64(250), "pauses grow")
					assert.ErrorIs(t, cli.Health().Reasons[0].Err, framework.ErrNoAuth)
					assert.Equal(t, "leader", cli.Health().Reasons[0].Recipe)
					synctest.Wait()
					assert.Contains(t, log.String(), "is retried")
					assert.Equal(t, 1, bytes.Count(log.Bytes(), []byte("is retried")), "once")
					w.allow(admin, all)
					leads(t, c.term())
					assert.True(t, cli.Health().Ready())
				})
			})
		}
	}
}

// The same for Campaign. Refused from the start, it is an error: see TestRefusedCampaign.
func TestCampaignRefusedLater(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		admin, cli := w.admin(), w.Connect("b")
		first := elected(t, leader.New(w.Connect("a"), path))
		waiting := w.campaign(t.Context(), leader.New(cli, path), 2)
		w.allow(admin, noCreate)
		w.ExpireSession(w.session(cli))
		time.Sleep(time.Minute)
		assert.Empty(t, waiting)
		assert.ErrorIs(t, cli.Health().Reasons[0].Err, framework.ErrNoAuth)
		w.allow(admin, all)
		time.Sleep(time.Minute)
		w.await(2)
		require.NoError(t, first.Resign(t.Context()))
		leads(t, won(t, waiting))
	})
}

func TestRunRefusedFromTheStart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		admin := w.admin()
		w.allow(admin, noCreate)
		never := func(context.Context, *leader.Term) error { panic("elected") }
		assert.ErrorIs(t, leader.Run(t.Context(), w.Connect("a"), path, never), framework.ErrNoAuth)
	})
}

// While it is refused, a candidate still listens to its ctx and to Close.
func TestRefusedCandidateThatEnds(t *testing.T) {
	for name, end := range map[string]func(*world, *framework.Client, context.CancelCauseFunc){"ctx": endCaller(errOwn), "close": closeClient} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				admin, cli := w.admin(), w.Connect("a")
				c := stand(t, cli)
				c.term()
				w.allow(admin, noCreate)
				w.ExpireSession(w.session(cli))
				time.Sleep(time.Minute)
				at := time.Now()
				end(w, cli, c.cancel)
				assert.ErrorIs(t, <-c.done, map[string]error{"ctx": errOwn, "close": framework.ErrClosed}[name])
				assert.Less(t, time.Since(at), time.Second)
			})
		})
	}
}

// An observer goes on when the servers refuse to show it the election for a while.
func TestObserverRefusedLater(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		admin, cli := w.admin(), w.Connect("b")
		first := elected(t, leader.New(w.Connect("a"), path, leader.WithID("a")))
		seen := leader.New(cli, path).Observe(t.Context())
		assert.Equal(t, "a", (<-seen.C).ID)
		w.allow(admin, noRead)
		require.NoError(t, first.Resign(t.Context()))
		time.Sleep(time.Minute)
		assert.NoError(t, seen.Err())
		assert.ErrorIs(t, cli.Health().Reasons[0].Err, framework.ErrNoAuth)
		w.allow(admin, all)
		assert.True(t, (<-seen.C).IsNobody())
		next := elected(t, leader.New(w.Connect("c"), path, leader.WithID("c")))
		assert.Equal(t, "c", (<-seen.C).ID)
		require.NoError(t, next.Resign(t.Context()))
	})
	bubble(t, func(t *testing.T, w *world) {
		admin := w.admin()
		elected(t, leader.New(admin, path))
		w.allow(admin, noRead)
		seen := leader.New(w.Connect("b"), path).Observe(t.Context())
		_, open := <-seen.C
		assert.False(t, open)
		assert.ErrorIs(t, seen.Err(), framework.ErrNoAuth, "from the start")
	})
}

// The term has ended with the connection, and ctx ends while Run lets go: its cause is what Run returns, as for everything else
// that waits.
func TestCtxEndsWhileRunReleases(t *testing.T) {
	for name, opts := range map[string][]leader.Option{"cancel": nil, "hold": {leader.Hold(time.Second / 2)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cause := errors.New("no more")
				ctx, cancel := context.WithCancelCause(t.Context())
				err := leader.Run(ctx, w.Connect("a"), path, func(ctx context.Context, _ *leader.Term) error {
					w.Refuse()
					w.cut("a")
					<-ctx.Done()
					time.AfterFunc(time.Second, func() { cancel(cause) }) // the servers are still away
					return nil
				}, opts...)
				assert.ErrorIs(t, err, cause)
				assert.NotErrorIs(t, err, framework.ErrSuspended)
				require.NoError(t, w.Accept())
			})
		})
	}
}

// Run returns when the node is gone, even when ctx has ended: not before the servers have answered the delete.
func TestRunWaitsForTheRemovalOfItsNode(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		ctx, cancel := context.WithCancel(t.Context())
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpDelete {
				return zktest.DelayBy(100 * time.Millisecond)
			}
			return zktest.Pass
		})
		err := leader.Run(ctx, cli, path, func(ctx context.Context, _ *leader.Term) error {
			cancel()
			<-ctx.Done()
			return nil
		})
		assert.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, w.List(path))
	})
}

func TestRunOfNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		assert.ErrorContains(t, leader.Run(t.Context(), cli, path, nil), "nil")
		assert.Empty(t, w.List(path))
	})
}
