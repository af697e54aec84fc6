package leader_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
)

// outcome is what Campaign has returned, and when.
type outcome struct {
	term *leader.Term
	err  error
	at   time.Time
}

// campaign stands in the election beside the test, and returns when n nodes are in it. It runs in a bubble.
func (w *world) campaign(ctx context.Context, e *leader.Election, n int) <-chan outcome {
	w.t.Helper()
	done := make(chan outcome, 1)
	go func() {
		term, err := e.Campaign(ctx)
		done <- outcome{term, err, time.Now()}
	}()
	w.await(n)
	return done
}

// await waits until n nodes are in the election. It runs in a bubble.
func (w *world) await(n int) {
	w.t.Helper()
	for range 1000 {
		if len(w.List(path)) == n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("%v in the election, and not %d", w.List(path), n)
}

// won is the term of somebody whose turn must come soon. It runs in a bubble.
func won(t *testing.T, done <-chan outcome) *leader.Term {
	t.Helper()
	select {
	case o := <-done:
		require.NoError(t, o.err)
		return o.term
	case <-time.After(10 * timeout):
		t.Fatal("not elected")
		return nil
	}
}

// elected campaigns where nobody else stands.
func elected(t *testing.T, e *leader.Election) *leader.Term {
	t.Helper()
	term, err := e.Campaign(t.Context())
	require.NoError(t, err)
	return term
}

func TestCampaignAndResign(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		first, err := leader.New(w.Connect("a"), path).Campaign(ctx)
		require.NoError(t, err)
		waiting := w.campaign(t.Context(), leader.New(w.Connect("b"), path), 2)
		cancel()
		time.Sleep(time.Hour)
		leads(t, first)
		assert.Equal(t, "value", first.Context().Value(key{}))
		assert.Empty(t, waiting)

		require.NoError(t, first.Resign(t.Context()))
		assert.ErrorIs(t, context.Cause(first.Context()), leader.ErrResigned)
		second := won(t, waiting)
		assert.Greater(t, second.Token(), first.Token())
		assert.NoError(t, first.Resign(t.Context()), "again")
		_, err = first.Multi(t.Context(), nil)
		assert.ErrorIs(t, err, leader.ErrNotLeader)
		leads(t, second)
		require.NoError(t, second.Resign(t.Context()))
		assert.Empty(t, w.List(path))
	})
}

// A campaign waits through a disconnection with its place kept, and through a lost session with a new one.
func TestCampaignWaitsThroughDisconnections(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		e := leader.New(w.Connect("a"), path)
		assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}, e.WaitPolicy())
		assert.Equal(t, framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Rebuild}, e.Policy())
		first := elected(t, e)
		cli := w.Connect("b")
		waiting := w.campaign(t.Context(), leader.New(cli, path), 2)
		place := w.List(path)
		w.cut("b")
		time.Sleep(timeout)
		assert.Equal(t, place, w.List(path))
		w.ExpireSession(w.session(cli))
		time.Sleep(timeout)
		assert.Len(t, w.List(path), 2)
		assert.NotEqual(t, place, w.List(path))
		assert.Empty(t, waiting)
		require.NoError(t, first.Resign(t.Context()))
		leads(t, won(t, waiting))
	})
}

func TestCampaignThatEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		elected(t, leader.New(w.Connect("a"), path))
		ctx, cancel := context.WithCancelCause(t.Context())
		cli := w.Connect("b")
		waiting := w.campaign(ctx, leader.New(cli, path), 2)
		cause := errors.New("no more")
		cancel(cause)
		o := <-waiting
		assert.ErrorIs(t, o.err, cause)
		assert.ErrorContains(t, o.err, path)
		time.Sleep(time.Second)
		assert.Len(t, w.List(path), 1)

		waiting = w.campaign(t.Context(), leader.New(cli, path), 2)
		require.NoError(t, cli.Close())
		assert.ErrorIs(t, (<-waiting).err, framework.ErrClosed)
		_, err := leader.New(cli, "/a/").Campaign(t.Context())
		assert.ErrorIs(t, err, framework.ErrInvalidPath)
		_, err = leader.New(cli, path, leader.Hold(-1)).Campaign(t.Context())
		assert.ErrorContains(t, err, "Grace")
	})
}

// What ends a term from Campaign, and what Resign then says. One can campaign again at once.
func TestWhatEndsATerm(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(w *world, cli *framework.Client, cancel context.CancelCauseFunc)
		opts []leader.Option
		want error
	}{
		"suspended":    {cutClient, nil, framework.ErrSuspended},
		"session lost": {expireClient, []leader.Option{leader.Hold(0)}, framework.ErrSessionLost},
		"deleted":      {deleteNode, nil, leader.ErrDeleted},
		"closed":       {closeClient, nil, framework.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				e := leader.New(cli, path, c.opts...)
				term := elected(t, e)
				time.Sleep(time.Second)
				c.end(w, cli, nil)
				assert.ErrorIs(t, over(t, term, time.Second), c.want)
				assert.ErrorIs(t, term.ResignTo(t.Context(), "b"), leader.ErrNotLeader)
				assert.ErrorIs(t, term.Resign(t.Context()), c.want)
				assert.ErrorIs(t, term.Resign(t.Context()), c.want, "the same again")
				time.Sleep(time.Second)
				assert.Empty(t, w.List(path))
				if errors.Is(c.want, framework.ErrClosed) {
					return
				}
				again := elected(t, e)
				assert.Greater(t, again.Token(), term.Token())
			})
		})
	}
}

// A term that is over keeps its node until it is resigned from: whoever is slow to stop is not overtaken.
func TestNodeStaysUntilResign(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		term := elected(t, leader.New(w.Connect("a"), path))
		waiting := w.campaign(t.Context(), leader.New(w.Connect("b"), path), 2)
		w.cut("a")
		assert.ErrorIs(t, over(t, term, time.Second), framework.ErrSuspended)
		time.Sleep(5 * timeout)
		assert.Empty(t, waiting)
		assert.ErrorIs(t, term.Resign(t.Context()), framework.ErrSuspended)
		won(t, waiting)
	})
}

// The servers are away when a leader resigns, or its ctx has ended: the node goes as soon as they are back.
func TestResignDuringAnOutage(t *testing.T) {
	for name, c := range map[string]struct {
		opts []leader.Option
		want error
	}{"cancel": {nil, framework.ErrSuspended}, "hold": {[]leader.Option{leader.Hold(0)}, context.DeadlineExceeded}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				term := elected(t, leader.New(w.Connect("a"), path, c.opts...))
				next := w.Connect("b")
				waiting := w.campaign(t.Context(), leader.New(next, path), 2)
				w.Refuse()
				w.cut("a")
				time.Sleep(100 * time.Millisecond)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := term.Resign(ctx)
				assert.ErrorIs(t, err, c.want)
				assert.ErrorIs(t, term.Resign(t.Context()), c.want, "it does not try again, for it goes on")
				assert.Error(t, term.Context().Err())
				assert.Empty(t, waiting)
				require.NoError(t, w.Accept())
				at := time.Now()
				won(t, waiting)
				assert.Less(t, time.Since(at), timeout/2, "it did not take the end of the session")
			})
		})
	}
	bubble(t, func(t *testing.T, w *world) {
		term := elected(t, leader.New(w.Connect("a"), path))
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, term.Resign(dead), context.Canceled)
		assert.ErrorIs(t, context.Cause(term.Context()), leader.ErrResigned)
		time.Sleep(100 * time.Millisecond)
		assert.Empty(t, w.List(path))
	})
}

// A candidate that the servers refuse is told so, and is elected when they do not any more.
func TestRefusedCampaign(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		admin := w.Connect("admin")
		_, err := admin.Create(t.Context(), path, nil, framework.Parents)
		require.NoError(t, err)
		_, err = admin.SetACL(t.Context(), path, []framework.ACL{{Scheme: "world", ID: "anyone", Perms: 1 | 16}}, framework.AnyVersion)
		require.NoError(t, err)
		e := leader.New(w.Connect("a"), path)
		_, err = e.Campaign(t.Context())
		assert.ErrorIs(t, err, framework.ErrNoAuth)
		_, err = admin.SetACL(t.Context(), path, framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		leads(t, elected(t, e))
	})
}

// Resign in a leader function ends the term and not the candidacy.
func TestResignInRun(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := stand(t, w.Connect("a"))
		first := a.term()
		b := stand(t, w.Connect("b"))
		time.Sleep(time.Second)
		require.NoError(t, first.Resign(t.Context()))
		require.NoError(t, first.Resign(t.Context()))
		assert.ErrorIs(t, context.Cause(first.Context()), leader.ErrResigned)
		assert.ErrorIs(t, first.ResignTo(t.Context(), "b"), leader.ErrNotLeader)
		second := b.term()
		time.Sleep(time.Second)
		assert.Len(t, w.List(path), 2, "the old one stands again")
		b.let <- nil
		third := a.term()
		assert.Greater(t, third.Token(), second.Token())
		w.cut("a")
		assert.ErrorIs(t, over(t, third, time.Second), framework.ErrSuspended)
		assert.ErrorIs(t, third.Resign(t.Context()), framework.ErrSuspended)
	})
}

// Graceful shutdown: the leader function returns first, then the node goes, then the next one leads.
func TestShutdownOrder(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		cli := w.Connect("a")
		done := make(chan error, 1)
		var returned time.Time
		go func() {
			done <- leader.New(cli, path).Run(ctx, func(ctx context.Context, _ *leader.Term) error {
				<-ctx.Done()
				time.Sleep(time.Second)
				assert.Len(t, w.List(path), 2)
				returned = time.Now()
				return nil
			})
		}()
		w.await(1)
		waiting := w.campaign(t.Context(), leader.New(w.Connect("b"), path), 2)
		cancel()
		assert.ErrorIs(t, <-done, context.Canceled)
		next := <-waiting
		require.NoError(t, next.err)
		assert.True(t, next.at.After(returned))
		assert.Less(t, next.at.Sub(returned), 10*time.Millisecond)
		assert.Len(t, w.List(path), 1)
	})
}
