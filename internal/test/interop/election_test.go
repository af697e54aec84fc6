package interop

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
)

// candidate stands in an election, in docent.
type candidate struct {
	t      testing.TB
	leads  *call
	resign chan struct{}
	run    *call
}

// stand has docent stand in the election until it resigns or the test ends.
func stand(t testing.TB, cli *framework.Client, path, id string, opts ...leader.Option) *candidate {
	c := &candidate{t: t, leads: newCall("docent is elected"), resign: make(chan struct{})}
	ctx := within(t)
	c.run = beside("docent stands", func() error {
		return leader.Run(ctx, cli, path, func(ctx context.Context, _ *leader.Term) error {
			c.leads.finish(nil, nil)
			select {
			case <-c.resign:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}, append(opts, leader.WithID(id))...)
	})
	return c
}

// resigns gives leadership up.
func (c *candidate) resigns() {
	c.t.Helper()
	close(c.resign)
	c.run.wait(c.t)
}

func TestCuratorLatch(t *testing.T) {
	t.Parallel()
	leadInTurns(t, onReal(t), "latch")
}

func TestCuratorSelector(t *testing.T) {
	t.Parallel()
	leadInTurns(t, onReal(t), "selector", leader.Selector())
}

// leadInTurns is an election in which one leads and the other one waits for it, and each knows both.
func leadInTurns(t *testing.T, w *world, kind string, opts ...leader.Option) {
	const path = "/election"
	cli, other := w.client(), w.curator()
	mine := stand(t, cli, path, "docent", opts...)
	mine.leads.wait(t)
	other.do(kind+".start", path, "curator")
	w.untilThereAre(path, 2)
	assert.Equal(t, "docent", other.says(kind+".leader"))
	assert.ElementsMatch(t, []string{"docent*", "curator"}, other.do(kind+".participants"))
	assert.Equal(t, []string{"docent", "curator"}, candidates(t, cli, path, opts...))

	mine.resigns()
	other.do(kind + ".await")
	assert.Equal(t, []string{"curator"}, candidates(t, cli, path, opts...))
	mine = stand(t, cli, path, "docent", opts...)
	w.untilThereAre(path, 2)
	mine.leads.goesOn(t)
	assert.Equal(t, "curator", other.says(kind+".leader"))
	assert.Equal(t, []string{"curator", "docent"}, candidates(t, cli, path, opts...))

	other.do(kind + ".close")
	mine.leads.wait(t)
	mine.resigns()
}

// candidates are the ids of those who stand, the leader first.
func candidates(t testing.TB, cli *framework.Client, path string, opts ...leader.Option) (ids []string) {
	t.Helper()
	found, err := leader.New(cli, path, opts...).Participants(within(t))
	require.NoError(t, err)
	for _, c := range found {
		ids = append(ids, c.ID)
	}
	return ids
}
