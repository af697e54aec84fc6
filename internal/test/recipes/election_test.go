package recipes_test

import (
	"context"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
)

func leading() recipe {
	with := func(written string, opts ...leader.Option) way {
		return way{written, leader.New(nil, path, opts...).Policy(), func(s *stage) work {
			var mu sync.Mutex
			var terms contexts
			run := newCalls()
			return work{
				begin: func() {
					run.start(s, func(ctx context.Context) error {
						return leader.New(s.cli, path, opts...).Run(ctx, func(ctx context.Context, _ *leader.Term) error {
							mu.Lock()
							terms = append(terms, ctx)
							mu.Unlock()
							<-ctx.Done()
							return nil
						})
					})
				},
				ends: func() []error {
					mu.Lock()
					defer mu.Unlock()
					return append(terms.ends(), run.ends()...)
				},
				stands: func() bool {
					mu.Lock()
					defer mu.Unlock()
					return terms.going() && s.owned(path) == 1
				},
			}
		}}
	}
	return recipe{"leader, leading", map[framework.Reaction]string{
		framework.Cancel:  "the term ends; Run campaigns again, in the same queue",
		framework.Hold:    "the term is kept while the session can be trusted, for `grace` at most if that is not 0",
		framework.Rebuild: "the term ends; Run campaigns again in the next session",
	}, []way{with(""), with("leader.Hold(grace)", leader.Hold(0))}}
}

func candidate() recipe {
	return recipe{"leader, candidate", map[framework.Reaction]string{
		framework.Hold:    "keeps its place",
		framework.Rebuild: "campaigns again in the next session",
	}, always(leader.New(nil, path).WaitPolicy(), func(s *stage) work {
		first, err := leader.New(s.other, path).Campaign(s.Context())
		require.NoError(s, err)
		s.Cleanup(func() { _ = first.Resign(context.Background()) })
		waiting := newCalls()
		return work{
			begin: func() {
				waiting.start(s, func(ctx context.Context) error {
					_, err := leader.New(s.cli, path).Campaign(ctx)
					return err
				})
			},
			ends: waiting.ends, stands: func() bool { return s.owned(path) == 1 },
		}
	})}
}

// observer lets the leader change and looks whether that is seen. It runs in a bubble.
func observer() recipe {
	return recipe{"election, observed", map[framework.Reaction]string{
		framework.Hold:    "`Observe` continues after the reconnect, with the current leader",
		framework.Rebuild: "the same in the next session",
	}, always(leader.New(nil, path).ObservePolicy(), func(s *stage) work {
		seen := leader.New(s.cli, path).Observe(s.Context())
		return work{
			begin: func() {},
			ends:  func() []error { return nil },
			stands: func() bool {
				term, err := leader.New(s.other, path).Campaign(s.Context())
				require.NoError(s, err)
				var latest leader.Participant
				for quiet := false; !quiet; {
					select {
					case latest = <-seen.C:
					case <-time.After(time.Second):
						quiet = true
					}
				}
				require.NoError(s, term.Resign(s.Context()))
				return latest.Token == term.Token()
			},
		}
	})}
}
