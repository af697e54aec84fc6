package leader_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/leader"
)

// realTimeout is the session timeout where sessions are to expire by themselves: short, and long enough for a busy machine.
const realTimeout = 4 * time.Second

// within is a context for what must happen, and far longer than it should take.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// parliament is a number of candidates on real servers and who of them leads.
type parliament struct {
	clients []*framework.Client

	mu      sync.Mutex
	ruling  map[*leader.Term]string
	tokens  []int64
	clashes []string
	changed chan struct{}
}

// convene lets n candidates stand until the test is over.
func convene(t *testing.T, connect string, n int, timeout time.Duration, opts ...leader.Option) *parliament {
	t.Helper()
	p := &parliament{ruling: map[*leader.Term]string{}, changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		runs.Wait()
	})
	for i := range n {
		cli, err := framework.New(framework.Config{ConnectString: connect, SessionTimeout: timeout})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, cli.Close()) })
		p.clients = append(p.clients, cli)
		name := fmt.Sprint("candidate ", i)
		runs.Go(func() {
			_ = leader.Run(ctx, cli, path, func(ctx context.Context, term *leader.Term) error {
				p.begin(name, term)
				<-ctx.Done()
				return nil
			}, append(opts, leader.WithID(name))...)
		})
	}
	return p
}

// begin notes a term, and whether another one is not over yet.
func (p *parliament) begin(name string, term *leader.Term) {
	p.mu.Lock()
	for other, whose := range p.ruling {
		if other.Context().Err() == nil {
			p.clashes = append(p.clashes, fmt.Sprintf("%s and %s lead", whose, name))
		}
	}
	p.ruling[term] = name
	p.tokens = append(p.tokens, term.Token())
	p.mu.Unlock()
	p.signal()
	context.AfterFunc(term.Context(), func() {
		p.mu.Lock()
		delete(p.ruling, term)
		p.mu.Unlock()
		p.signal()
	})
}

func (p *parliament) signal() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// await waits until n lead.
func (p *parliament) await(t *testing.T, n int) {
	t.Helper()
	ctx := within(t)
	for {
		p.mu.Lock()
		got := len(p.ruling)
		p.mu.Unlock()
		if got == n {
			return
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
			t.Fatalf("%d lead and not %d", got, n)
		}
	}
}

// verify holds the whole history to what is promised.
func (p *parliament) verify(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	assert.Empty(t, p.clashes)
	assert.IsIncreasing(t, p.tokens)
}

// eventually waits until a client is in a state.
func eventually(t *testing.T, cli *framework.Client, want framework.State) {
	t.Helper()
	for ch := range cli.States(within(t)) {
		if ch.State == want {
			return
		}
	}
	t.Fatalf("never %v", want)
}

func TestRealTenCandidatesAndNoServers(t *testing.T) {
	t.Parallel()
	server := realzk.Standalone(t, realzk.Options{})
	p := convene(t, server.Addr(), 10, realTimeout)
	p.await(t, 1)
	for _, cli := range p.clients { // one without a session has none to lose
		require.NoError(t, cli.WaitConnected(within(t)))
	}
	require.NoError(t, server.Kill())
	for _, cli := range p.clients {
		eventually(t, cli, framework.Lost)
	}
	p.await(t, 0)
	require.NoError(t, server.Start())
	p.await(t, 1)
	for _, cli := range p.clients {
		require.NoError(t, cli.WaitConnected(within(t)))
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		list, err := leader.New(p.clients[0], path).Participants(within(t))
		require.NoError(t, err)
		if len(list) == len(p.clients) { // the ghosts are gone and all stand again
			break
		}
		<-poll.C
	}
	p.await(t, 1)
	p.verify(t)
}

// The servers of an ensemble are restarted one after the other. With Hold the leader stays, for as long as the timeout
// is longer than the servers need to find a leader of their own.
func TestRealLeaderSurvivesARollingRestart(t *testing.T) {
	t.Parallel()
	ensemble := realzk.Ensemble(t, 3, realzk.Options{})
	p := convene(t, ensemble.ConnectString(), 3, time.Minute, leader.Hold(0))
	p.await(t, 1)
	for _, server := range ensemble.Servers() {
		require.NoError(t, server.Stop())
		_, err := ensemble.Leader(within(t))
		require.NoError(t, err)
		require.NoError(t, server.Start())
		require.NoError(t, ensemble.WaitReady(within(t)))
		for _, cli := range p.clients {
			require.NoError(t, cli.WaitConnected(within(t)))
		}
	}
	p.await(t, 1)
	p.verify(t)
	assert.Len(t, p.tokens, 1)
}

func TestRealKilledLeader(t *testing.T) {
	space := realzk.Shared(t)
	p := convene(t, space.ConnectString(), 3, framework.DefaultSessionTimeout)
	for round := range 3 {
		p.await(t, 1)
		list, err := leader.New(p.clients[0], path).Participants(within(t))
		require.NoError(t, err)
		require.NoError(t, space.ExpireSession(within(t), list[0].Session))
		for {
			p.mu.Lock()
			terms := len(p.tokens)
			p.mu.Unlock()
			if terms > round+1 {
				break
			}
			<-p.changed
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	assert.IsIncreasing(t, p.tokens)
}
