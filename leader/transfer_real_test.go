package leader_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/leader"
)

// realClient is a client of real servers that ends with the test.
func realClient(t *testing.T, connect string, timeout time.Duration) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: connect, SessionTimeout: timeout})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(within(t)))
	return cli
}

// soon is the next leader that is observed on real servers.
func soon(t *testing.T, o *leader.Observation) leader.Participant {
	t.Helper()
	select {
	case p, open := <-o.C:
		require.True(t, open, "%v", o.Err())
		return p
	case <-within(t).Done():
		require.FailNow(t, "nothing comes")
		panic("unreachable")
	}
}

func TestRealCampaign(t *testing.T) {
	for name, opts := range map[string][]leader.Option{"default": nil, "selector": {leader.Selector()}, "shared": {leader.Shared()}} {
		t.Run(name, func(t *testing.T) {
			connect := realzk.Shared(t).ConnectString()
			election := func(id string) *leader.Election {
				return leader.New(realClient(t, connect, 0), "/election/"+name, append(opts, leader.WithID(id))...)
			}
			seen := election("observer").Observe(within(t))
			assert.True(t, soon(t, seen).IsNobody())
			a, err := election("a").Campaign(within(t))
			require.NoError(t, err)
			assert.Equal(t, a.Token(), soon(t, seen).Token)
			b := election("b")
			type result struct {
				term *leader.Term
				err  error
			}
			done := make(chan result, 1)
			go func() {
				term, err := b.Campaign(within(t))
				done <- result{term, err}
			}()
			for n := 0; n < 2; {
				list, err := b.Participants(within(t))
				require.NoError(t, err)
				n = len(list)
			}
			_, err = a.Multi(within(t), []framework.Op{framework.CreateOp("/made by "+name, nil, framework.Persistent)})
			assert.NoError(t, err)
			require.NoError(t, a.Resign(within(t)))
			r := <-done
			require.NoError(t, r.err)
			assert.Equal(t, r.term.Token(), soon(t, seen).Token)
			_, err = a.Multi(within(t), []framework.Op{framework.DeleteOp("/made by "+name, framework.AnyVersion)})
			assert.ErrorIs(t, err, leader.ErrNotLeader)
			require.NoError(t, r.term.Resign(within(t)))
			assert.True(t, soon(t, seen).IsNobody())
		})
	}
}

// Ten candidates hand leadership to each other. It never rests with nobody, nor with anybody who was not chosen.
func TestRealTenCandidatesAndTransfers(t *testing.T) {
	t.Run("standalone", func(t *testing.T) { passAround(t, realzk.Shared(t).ConnectString()) })
	t.Run("ensemble", func(t *testing.T) {
		patient := realzk.Options{TickTime: time.Second} // no member that stalls is given up
		passAround(t, realzk.Ensemble(t, 3, patient).ConnectString())
	})
}

// reign is one call of a candidate's leader function.
type reign struct {
	id   int
	term *leader.Term
}

// passAround has leadership transferred many times.
func passAround(t *testing.T, connect string) {
	const n, transfers = 10, 30
	reigns, ended := make(chan reign, n), make(chan error, n)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	for i := range n {
		e := leader.New(realClient(t, connect, 0), path, leader.WithID(fmt.Sprint(i)))
		go func() {
			ended <- e.Run(ctx, func(work context.Context, term *leader.Term) error {
				reigns <- reign{i, term}
				<-work.Done()
				return nil
			})
		}()
	}
	observer := leader.New(realClient(t, connect, 0), path)
	for all := 0; all < n; {
		list, err := observer.Participants(within(t))
		require.NoError(t, err)
		all = len(list)
	}
	seen := observer.Observe(ctx)
	stop, firsts := spy(t, realClient(t, connect, 0))
	now := <-reigns
	chosen := []string{now.term.Path()}
	assert.Equal(t, now.term.Token(), soon(t, seen).Token)
	for len(chosen) <= transfers {
		heir := rand.IntN(n)
		err := now.term.ResignTo(within(t), fmt.Sprint(heir))
		if err != nil { // displaced by the last transfer, and on its way back
			require.ErrorIs(t, err, map[bool]error{true: leader.ErrOwnID, false: leader.ErrNoParticipant}[heir == now.id])
			continue
		}
		next := <-reigns
		require.Equal(t, heir, next.id)
		require.Greater(t, next.term.Token(), now.term.Token())
		require.ErrorIs(t, context.Cause(now.term.Context()), leader.ErrResigned)
		p := soon(t, seen)
		require.Equal(t, next.term.Token(), p.Token, "%+v", p)
		now, chosen = next, append(chosen, next.term.Path())
	}
	stop()
	list := <-firsts
	assert.Subset(t, chosen, list)
	t.Logf("%d leaders, of which a spy has seen %d", len(chosen), len(list))
	cancel()
	for range n {
		assert.ErrorIs(t, <-ended, context.Canceled)
	}
	assert.Empty(t, reigns)
}

// spy lists the election again and again until it is stopped, and then tells which nodes were first.
func spy(t *testing.T, cli *framework.Client) (stop func(), firsts <-chan []string) {
	ctx, cancel := context.WithCancel(within(t))
	told := make(chan []string, 1)
	go func() {
		var list []string
		for ctx.Err() == nil {
			names, _, err := cli.Children(within(t), path)
			assert.NoError(t, err)
			first := queue.First(names)
			if len(list) == 0 || list[len(list)-1] != first {
				list = append(list, first)
			}
		}
		told <- list
	}()
	return cancel, told
}

// The observer's session is killed, then the server, for longer than sessions last.
func TestRealObserverSurvives(t *testing.T) {
	t.Parallel()
	server := realzk.Standalone(t, realzk.Options{})
	cli := realClient(t, server.Addr(), realTimeout)
	seen := leader.New(cli, path).Observe(within(t))
	assert.True(t, soon(t, seen).IsNobody())
	p := convene(t, server.Addr(), 1, realTimeout)
	p.await(t, 1)
	first := soon(t, seen)
	assert.Equal(t, "candidate 0", first.ID)
	before := cli.State()
	require.NoError(t, server.ExpireSession(within(t), before.SessionID))
	for ch := range cli.States(within(t)) {
		if ch.Epoch > before.Epoch && ch.State.Connected() {
			break
		}
	}
	require.NoError(t, server.Kill())
	eventually(t, cli, framework.Lost)
	eventually(t, p.clients[0], framework.Lost)
	require.NoError(t, server.Start())
	p.await(t, 1)
	second := soon(t, seen)
	for second.IsNobody() {
		second = soon(t, seen)
	}
	assert.Equal(t, "candidate 0", second.ID)
	assert.Greater(t, second.Token, first.Token, "told of once each")
}
