package recipes_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/node"
)

// waits are calls that wait for something which does not come.
var waits = map[string]func(ctx context.Context, s *stage) error{
	"barrier": func(ctx context.Context, s *stage) error {
		b := barrier.New(s.cli, path)
		require.NoError(s, b.Set(s.Context()))
		return b.Wait(ctx)
	},
	"double barrier": func(ctx context.Context, s *stage) error {
		_, err := barrier.NewDouble(s.cli, path, 2).Enter(ctx)
		return err
	},
	"leader function": func(ctx context.Context, s *stage) error {
		return leader.Run(ctx, s.cli, path, func(ctx context.Context, _ *leader.Term) error {
			<-ctx.Done()
			return nil
		})
	},
	"lock with hand-over, in the process": func(ctx context.Context, s *stage) error {
		m := lock.New(s.cli, path, lock.LocalHandover(8))
		held, err := m.Lock(s.Context())
		require.NoError(s, err)
		defer func() { require.NoError(s, held.Unlock(s.Context())) }()
		_, err = m.Lock(ctx)
		return err
	},
	"kept node": func(ctx context.Context, s *stage) error {
		_, err := s.other.Create(s.Context(), path, nil, framework.Ephemeral, framework.Parents)
		require.NoError(s, err)
		_, err = node.Keep(ctx, s.cli, path, nil)
		return err
	},
	"cache": func(ctx context.Context, s *stage) error {
		tree, err := cache.Open(s.Context(), s.cli, "/")
		require.NoError(s, err)
		defer func() { require.NoError(s, tree.Close()) }()
		defer s.suspend()()
		return tree.WaitFresh(ctx)
	},
	"counter": func(ctx context.Context, s *stage) error {
		defer s.suspend()()
		_, err := counter.NewInt(s.cli, path).Get(ctx)
		return err
	},
}

// A call whose ctx ends says how it ended and why, whoever waits where.
func TestErrorsOfCallsWhoseContextEnds(t *testing.T) {
	for name, c := range claims {
		waits[name] = func(ctx context.Context, s *stage) error {
			h := s.hold(c, s.other)
			defer func() { require.NoError(s, h.release(s.Context())) }()
			_, err := c.acquire(ctx, s.cli)
			return err
		}
	}
	why := errors.New("a deployment")
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				cancelled, cancel := context.WithCancelCause(s.Context())
				time.AfterFunc(2*time.Second, func() { cancel(why) })
				err := wait(cancelled, s)
				assert.ErrorIs(s, err, context.Canceled)
				assert.ErrorIs(s, err, why)
			})
			onStage(t, func(s *stage) {
				late, cancel := context.WithTimeoutCause(s.Context(), 2*time.Second, why)
				defer cancel()
				err := wait(late, s)
				assert.ErrorIs(s, err, context.DeadlineExceeded)
				assert.ErrorIs(s, err, why)
			})
		})
	}
}
