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
	"github.com/docent-zk/docent/internal/realzk"
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

// until waits for a leader with that id, or for nobody if it is "".
func until(t *testing.T, o *leader.Observation, id string) leader.Participant {
	t.Helper()
	for {
		if p := soon(t, o); p.ID == id {
			return p
		}
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

// Ten candidates hand leadership to each other. It never rests with nobody, and all that lead have been chosen.
func TestRealTenCandidatesAndTransfers(t *testing.T) {
	connect := realzk.Shared(t).ConnectString()
	const n, transfers = 10, 30
	type reign struct {
		id   int
		term *leader.Term
	}
	reigns := make(chan reign, n)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	ended := make(chan error, n)
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
	now := <-reigns
	assert.Equal(t, now.term.Token(), soon(t, seen).Token)
	for range transfers {
		heir := rand.IntN(n)
		err := now.term.ResignTo(within(t), fmt.Sprint(heir))
		if heir == now.id {
			assert.ErrorIs(t, err, leader.ErrOwnID)
			continue
		}
		for err != nil { // displaced by the last transfer, and on its way back
			require.ErrorIs(t, err, leader.ErrNoParticipant)
			err = now.term.ResignTo(within(t), fmt.Sprint(heir))
		}
		next := <-reigns
		if next.id == now.id { // the heir was displaced by somebody's absence from the list: it leads on
			now = next
			continue
		}
		require.Equal(t, heir, next.id)
		require.Greater(t, next.term.Token(), now.term.Token())
		require.ErrorIs(t, context.Cause(now.term.Context()), leader.ErrResigned)
		p := soon(t, seen)
		require.Equal(t, next.term.Token(), p.Token, "%+v", p)
		now = next
	}
	cancel()
	for range n {
		assert.ErrorIs(t, <-ended, context.Canceled)
	}
	assert.Empty(t, reigns)
}

// The observer's session is killed, then the server, for longer than sessions last.
func TestRealObserverSurvives(t *testing.T) {
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
