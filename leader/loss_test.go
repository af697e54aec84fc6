package leader_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

// The leader's packets vanish: its term is over before another one's begins, and it does not come back with its old node.
func TestSilenceEndsTheOldLeaderFirst(t *testing.T) {
	for name, opts := range map[string][]leader.Option{"cancel": nil, "hold": {leader.Hold(0)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				a := stand(t, w.Connect("a"), opts...)
				old := a.term()
				b := stand(t, w.Connect("b"), opts...)
				time.Sleep(5 * timeout)
				ghost := old.Path()
				heal := w.Silence("a")
				cause := over(t, old, timeout*3/4+time.Millisecond)
				assert.ErrorIs(t, cause, map[string]error{"cancel": framework.ErrSuspended, "hold": framework.ErrUntrusted}[name])
				at := time.Now()
				assert.Empty(t, b.terms)
				next := b.term()
				assert.Greater(t, time.Since(at), timeout/4-time.Second)
				assert.Greater(t, next.Token(), old.Token())
				heal()
				time.Sleep(5 * timeout)
				leads(t, next)
				assert.Empty(t, a.terms)
				assert.False(t, w.Exists(ghost))
				assert.Len(t, w.List(path), 2)

				b.let <- nil
				again := a.term()
				assert.Greater(t, again.Token(), next.Token())
				assert.NotEqual(t, ghost, again.Path())
			})
		})
	}
}

// A leader that has lost its session and gets a new one while its old node is still first does not lead with that node.
func TestDeadNodeDoesNotLead(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		a := stand(t, cli)
		old := a.term()
		heal := w.Silence("a")
		for ch := range cli.States(t.Context()) {
			if ch.State == framework.Lost {
				break
			}
		}
		heal()
		require.NoError(t, cli.WaitConnected(t.Context()))
		require.True(t, w.Exists(old.Path()), "the servers have not noticed yet")
		next := a.term()
		assert.False(t, w.Exists(old.Path()))
		_, stat, err := w.Get(next.Path())
		require.NoError(t, err)
		assert.Equal(t, w.session(cli), stat.EphemeralOwner)
		assert.NotEqual(t, old.Path(), next.Path())
		assert.Greater(t, next.Token(), old.Token())
	})
}

// While the leader function of a term that is over still runs, nobody else leads, as long as the session lives.
func TestNodeStaysUntilLeadHasReturned(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const tidying = 3 * time.Second
		finished := make(chan time.Time, 1)
		go func() {
			_ = leader.Run(t.Context(), w.Connect("a"), path, func(ctx context.Context, _ *leader.Term) error {
				<-ctx.Done()
				time.Sleep(tidying)
				select {
				case finished <- time.Now():
				default:
				}
				return nil
			})
		}()
		time.Sleep(time.Second)
		b := stand(t, w.Connect("b"))
		w.cut("a")
		at := time.Now()
		b.term()
		led := time.Now()
		stopped := <-finished
		assert.Equal(t, tidying, stopped.Sub(at).Round(10*time.Millisecond))
		assert.True(t, led.After(stopped), "%v", led.Sub(stopped))
		assert.Less(t, led.Sub(stopped), time.Second)
	})
}

func TestDeletedNodeEndsTheTermAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := stand(t, w.Connect("a"))
		term := a.term()
		b := stand(t, w.Connect("b"))
		time.Sleep(time.Second)
		require.NoError(t, w.Delete(term.Path()))
		at := time.Now()
		assert.ErrorIs(t, over(t, term, time.Second), leader.ErrDeleted)
		assert.Less(t, time.Since(at), 10*time.Millisecond)
		b.term()
		time.Sleep(time.Second)
		assert.Empty(t, a.terms)
		assert.Len(t, w.List(path), 2, "the old one stands again, behind")
		b.let <- nil
		leads(t, a.term())
	})
}

// A candidate that is cut off, or whose session is lost, is still there when it is its turn.
func TestCandidatesSurviveWhileTheyWait(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := stand(t, w.Connect("a"))
		a.term()
		client := w.Connect("b")
		b := stand(t, client)
		time.Sleep(time.Second)
		place := w.List(path)
		w.cut("b")
		time.Sleep(timeout)
		assert.Equal(t, place, w.List(path), "its place is kept")
		w.ExpireSession(w.session(client))
		time.Sleep(timeout)
		assert.Len(t, w.List(path), 2)
		assert.NotEqual(t, place, w.List(path), "a new one, in the new session")
		a.let <- nil
		leads(t, b.term())
	})
}

// All servers are gone until every session is lost: nobody leads. When they are back, exactly one does.
func TestTenCandidatesAndNoServers(t *testing.T) {
	for name, opts := range map[string][]leader.Option{"cancel": nil, "hold": {leader.Hold(0)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				var all []*candidate
				var clients []*framework.Client
				for i := range 10 {
					clients = append(clients, w.Connect(fmt.Sprint("candidate ", i)))
					all = append(all, stand(t, clients[i], opts...))
				}
				time.Sleep(time.Second)
				before := ruling(all)
				require.Len(t, before, 1)
				w.Stop()
				time.Sleep(timeout + timeout/10)
				for _, cli := range clients {
					require.Equal(t, framework.Lost, cli.State().State)
				}
				assert.Error(t, context.Cause(before[0].Context()))
				assert.Empty(t, ruling(all), "nobody leads")
				time.Sleep(10 * timeout)
				assert.Empty(t, ruling(all))
				require.NoError(t, w.StartEndpoint())
				time.Sleep(5 * timeout)
				after := ruling(all)
				require.Len(t, after, 1)
				assert.Greater(t, after[0].Token(), before[0].Token())
				assert.Len(t, w.List(path), 10)
			})
		})
	}
}

// ruling takes the terms that have begun and returns those that are not over.
func ruling(all []*candidate) []*leader.Term {
	var list []*leader.Term
	for _, c := range all {
		for len(c.terms) > 0 {
			if term := <-c.terms; term.Context().Err() == nil {
				list = append(list, term)
			}
		}
	}
	return list
}

// A change of leaders costs the release and one list, and wakes one candidate.
func TestCostOfALeaderChange(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var all []*candidate
		for i := range 10 {
			all = append(all, stand(t, w.Connect(fmt.Sprint("candidate ", i))))
			time.Sleep(10 * time.Millisecond)
		}
		old := all[0].term()
		time.Sleep(time.Second)
		before, at := w.Counts(), time.Now()
		all[0].let <- nil
		all[1].term()
		cost, took := w.Counts().Sub(before), time.Since(at)
		assert.Equal(t, map[zktest.Op]int64{zktest.OpDelete: 1, zktest.OpGetChildren2: 1}, cost.Requests)
		assert.EqualValues(t, 2, cost.Events, "one to the next leader, and one to the old one, which watched its own node")
		assert.LessOrEqual(t, took, 6*200*time.Microsecond)
		assert.ErrorIs(t, context.Cause(old.Context()), leader.ErrResigned)
		t.Logf("leader change among %d candidates: %v, %d events, %v", len(all), cost.Requests, cost.Events, took)

		before = w.Counts()
		time.Sleep(10 * time.Second)
		cost = w.Counts().Sub(before)
		assert.EqualValues(t, 1, cost.RoundTrips(), "the new leader watches its own node")
		assert.EqualValues(t, 1, cost.Watches)
	})
}
