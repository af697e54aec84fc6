package leader_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
)

// listed is the only recipe of a client.
func listed(t *testing.T, cli *framework.Client) framework.LiveRecipe {
	t.Helper()
	synctest.Wait()
	list := cli.Recipes()
	require.Len(t, list, 1)
	return list[0]
}

func TestCandidateAndLeaderAreListed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		first := stand(t, a)
		term := first.term()
		r := listed(t, a)
		assert.Equal(t, "leader", r.Name)
		assert.Equal(t, "leading", r.Status.State)
		assert.Equal(t, fmt.Sprintf("[node=%s token=%d]", term.Path(), term.Token()), fmt.Sprint(r.Status.Attrs))
		second := stand(t, b)
		time.Sleep(time.Second)
		r = listed(t, b)
		assert.Equal(t, "waiting", r.Status.State)
		assert.Contains(t, fmt.Sprint(r.Status.Attrs), "ahead=1 behind="+term.Path())
		w.ExpireSession(w.session(a))
		second.term()
		assert.Equal(t, "leading", listed(t, b).Status.State)
		time.Sleep(time.Second)
		assert.Equal(t, "waiting", listed(t, a).Status.State, "it stands again")
		assert.True(t, a.Health().Ready())
	})
}

// A leader function that goes on after its term makes the client unready after the session timeout, and is a reason to
// restart after four.
func TestFunctionThatDoesNotReturn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		ended, release := make(chan time.Time, 2), make(chan struct{})
		let := sync.OnceFunc(func() { close(release) })
		defer let()
		go func() {
			_ = leader.Run(t.Context(), cli, path, func(ctx context.Context, _ *leader.Term) error {
				<-ctx.Done()
				ended <- time.Now()
				<-release
				return nil
			})
		}()
		time.Sleep(time.Second)
		w.ExpireSession(w.session(cli))
		end := <-ended
		r := listed(t, cli)
		assert.Equal(t, "function has not returned", r.Status.State)
		assert.Equal(t, end, r.Status.Unwell)
		require.ErrorIs(t, r.Status.Err, framework.ErrOverstayed)
		require.ErrorIs(t, r.Status.Err, framework.ErrSuspended, "why its term has ended")
		for _, step := range []struct {
			after       time.Duration
			ready, live bool
		}{
			{timeout - 1, true, true}, {timeout, false, true}, {4*timeout - 1, false, true}, {4 * timeout, false, false},
		} {
			time.Sleep(time.Until(end.Add(step.after)))
			h := cli.Health()
			assert.Equal(t, []bool{step.ready, step.live}, []bool{h.Ready(), h.Live()}, "%v: %v", step.after, h)
		}
		assert.Contains(t, cli.Health().String(), "leader "+path+": function has not returned, not well for 40s")
		let()
		time.Sleep(time.Second)
		assert.Equal(t, "leading", listed(t, cli).Status.State)
		assert.True(t, cli.Health().Ready(), cli.Health().String())
	})
}

// A function that returns when it should never looks like one that does not, also when the candidate cannot stand again.
func TestFunctionThatReturns(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		c := stand(t, cli)
		term := c.term()
		heal := w.Silence("a")
		<-term.Context().Done()
		assert.NotErrorIs(t, listed(t, cli).Status.Err, framework.ErrOverstayed)
		time.Sleep(time.Hour)
		assert.Equal(t, framework.NotRunning, listed(t, cli).Status.State)
		assert.True(t, cli.Health().Live(), cli.Health().String())
		heal()
		c.term()
		assert.True(t, cli.Health().Ready(), cli.Health().String())
	})
}

func TestCampaignAndObserverAreListed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		term, err := leader.New(cli, path, leader.WithID("ann")).Campaign(t.Context())
		require.NoError(t, err)
		r := listed(t, cli)
		assert.Equal(t, []any{"leader", path, "holding", true}, []any{r.Name, r.Path, r.Status.State, r.Held})
		w.ExpireSession(w.session(cli))
		<-term.Context().Done()
		assert.Equal(t, "ended, not released", listed(t, cli).Status.State)
		require.Error(t, term.Resign(t.Context()))
		synctest.Wait()
		assert.Empty(t, cli.Recipes())

		again, err := leader.New(cli, path, leader.WithID("ann")).Campaign(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		watcher := w.Connect("b")
		o := leader.New(watcher, path).Observe(ctx)
		<-o.C
		r = listed(t, watcher)
		assert.Equal(t, "observing", r.Status.State)
		assert.Equal(t, fmt.Sprintf("[leader=ann node=%s]", again.Path()), fmt.Sprint(r.Status.Attrs))
		cancel()
		require.NoError(t, again.Resign(t.Context()))
	})
}
