package recipes_test

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
)

// always is a recipe whose policy nobody can change.
func always(policy framework.Policy, work func(s *stage) work) []way {
	return []way{{"", policy, work}}
}

// kept is a node that is kept by keep.
func kept(keep func(ctx context.Context, s *stage) (*node.Keeper, error)) []way {
	return always((&node.Keeper{}).Policy(), func(s *stage) work {
		var k *node.Keeper
		return work{
			begin: func() {
				var err error
				k, err = keep(s.Context(), s)
				require.NoError(s, err)
			},
			ends: func() []error { return nil },
			stands: func() bool {
				_, stat, err := s.server.Get(k.Path())
				return err == nil && stat.EphemeralOwner == s.cli.State().SessionID && k.Standing().Stands
			},
		}
	})
}

var stays = map[framework.Reaction]string{
	framework.Hold:    "the node stays; nothing is written",
	framework.Rebuild: "created again in the next session; one transaction replaces the old node if it still exists",
}

func keeper() recipe {
	return recipe{"kept node", stays, kept(func(ctx context.Context, s *stage) (*node.Keeper, error) {
		return node.Keep(ctx, s.cli, path, []byte("here"))
	})}
}

func member() recipe {
	return recipe{"group member", stays, kept(func(ctx context.Context, s *stage) (*node.Keeper, error) {
		return node.Join(ctx, s.cli, path, "subject", nil)
	})}
}

func barrierWaiting() recipe {
	return recipe{"barrier, waiting", map[framework.Reaction]string{
		framework.Hold:    "keeps waiting",
		framework.Rebuild: "keeps waiting in the next session",
	}, always(barrier.New(nil, path).Policy(), func(s *stage) work {
		b, waiting := barrier.New(s.cli, path), newCalls()
		require.NoError(s, barrier.New(s.other, path).Set(s.Context()))
		return work{
			begin: func() { waiting.start(s, b.Wait) },
			ends:  waiting.ends, stands: func() bool { return len(waiting.ends()) == 0 },
		}
	})}
}

func doubleBarrier() recipe {
	open := func(cli *framework.Client) *barrier.Double {
		return barrier.NewDouble(cli, path, 1, barrier.WithID("subject"))
	}
	return recipe{"double barrier", map[framework.Reaction]string{
		framework.Hold: "the member stays, whether it is entering, inside or leaving",
		framework.Stop: "the call, or the `Entered`, ends with `framework.ErrSessionLost`",
	}, always(barrier.NewDouble(nil, path, 1, barrier.WithID("subject")).Policy(), func(s *stage) work {
		var inside contexts
		return work{
			begin: func() {
				in, err := open(s.cli).Enter(s.Context())
				require.NoError(s, err)
				inside = append(inside, in.Context())
			},
			ends: func() []error { return inside.ends() }, stands: func() bool { return inside.going() },
		}
	})}
}

// counterFollower changes the counter and looks whether that arrives. It runs in a bubble.
func counterFollower() recipe {
	return recipe{"counter, followed", map[framework.Reaction]string{
		framework.Hold:    "`Changes` continues after the reconnect, with the latest state",
		framework.Rebuild: "the same in the next session",
	}, always(counter.NewInt(nil, path).Policy(), func(s *stage) work {
		follow := counter.NewInt(s.cli, path).Changes(s.Context())
		var n int64
		return work{
			begin: func() {},
			ends:  func() []error { return nil },
			stands: func() bool {
				n++
				_, err := counter.NewInt(s.other, path).Add(s.Context(), 1)
				require.NoError(s, err)
				time.Sleep(time.Second)
				select {
				case v := <-follow.C:
					return v.Value == n
				default:
					return false
				}
			},
		}
	})}
}
