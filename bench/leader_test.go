package bench

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
)

func BenchmarkLeaderResigns(b *testing.B) {
	onEach(b, func(b *testing.B, p place) { leaderResigns(b, p).run(b) })
}

func BenchmarkLeaderExpires(b *testing.B) {
	onEach(b, func(b *testing.B, p place) { leaderExpires(b, p).run(b) })
}

const electionPath = "/election"

// term is one call of a candidate's leader function.
type term struct {
	candidate *framework.Client
	begin     time.Time
	resign    context.CancelFunc
}

// leaderResigns changes the leader because the leader function returns.
func leaderResigns(tb testing.TB, p place) contest {
	return contest{docent: election(tb, p, func(t term) error {
		t.resign()
		return nil
	})}
}

// leaderExpires changes the leader because the servers end its session.
func leaderExpires(tb testing.TB, p place) contest {
	ctx := within(tb)
	return contest{docent: election(tb, p, func(t term) error {
		return p.expire(ctx, t.candidate.State().SessionID)
	})}
}

// election has two candidates and deposes the leader again and again. It counts
// the time from that until the other one leads.
func election(tb testing.TB, p place, depose func(term) error) side {
	terms := make(chan term)
	ctx := campaign(tb, terms, p.docent(tb), p.docent(tb))
	judge := p.docent(tb)
	var now term
	return func(n int) (total time.Duration, err error) {
		if now.candidate == nil {
			now = <-terms
		}
		for range n {
			if err := waitFor(ctx, func() (bool, error) {
				all, err := leader.New(judge, electionPath).Participants(ctx)
				return len(all) == 2, err
			}); err != nil {
				return 0, err
			}
			begin := time.Now()
			if err := depose(now); err != nil {
				return 0, err
			}
			next := <-terms
			if next.candidate == now.candidate {
				return 0, errors.New("the deposed leader leads again")
			}
			total += next.begin.Sub(begin)
			now = next
		}
		return total, nil
	}
}

// campaign makes each client a candidate until the test ends, and sends terms.
func campaign(tb testing.TB, terms chan<- term, candidates ...*framework.Client) context.Context {
	tb.Helper()
	ctx, cancel := context.WithCancel(within(tb))
	var wg sync.WaitGroup
	tb.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	for _, cli := range candidates {
		lead := func(ctx context.Context, _ *leader.Term) error {
			begin := time.Now()
			done, resign := context.WithCancel(ctx)
			defer resign()
			select {
			case terms <- term{cli, begin, resign}:
			case <-ctx.Done():
			}
			<-done.Done()
			return nil
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := leader.Run(ctx, cli, electionPath, lead); err != nil && ctx.Err() == nil {
					assert.NoError(tb, err)
					return
				}
			}
		})
	}
	return ctx
}
