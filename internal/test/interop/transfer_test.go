package interop

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/leader"
)

// Leadership is transferred past a peer, which queues again, and then to it.
func TestTransferPastAPeerAndToIt(t *testing.T) {
	for name, c := range map[string]struct {
		join    func(*world) *party
		command string
		opts    []leader.Option
	}{
		"LeaderLatch":             {(*world).curator, "latch", nil},
		"LeaderLatch/shared":      {(*world).curator, "latch", []leader.Option{leader.Shared()}},
		"LeaderSelector":          {(*world).curator, "selector", []leader.Option{leader.Selector()}},
		"LeaderSelector/shared":   {(*world).curator, "selector", []leader.Option{leader.Shared()}},
		"kazoo's Election/shared": {(*world).kazoo, "election", []leader.Option{leader.Shared()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, path := onReal(t), "/election"
			election := func(id string) *leader.Election {
				return leader.New(w.client(), path, append(c.opts, leader.WithID(id))...)
			}
			first, err := election("first").Campaign(within(t))
			require.NoError(t, err)
			other := c.join(w)
			other.do(c.command+".start", path, "other")
			w.untilTheyStand(path, "first", "other")
			heir, heirs := election("heir"), make(chan *leader.Term, 1)
			waits := beside("the heir campaigns", func() error {
				term, err := heir.Campaign(within(t))
				heirs <- term
				return err
			})
			w.untilTheyStand(path, "first", "other", "heir")

			require.NoError(t, first.ResignTo(within(t), "heir"))
			waits.wait(t)
			w.untilTheyStand(path, "heir", "other")
			leads := other.begin(c.command + ".await")
			leads.goesOn(t)
			second := <-heirs
			assert.NoError(t, second.Context().Err())

			again := election("first")
			waits = beside("the first one campaigns again", func() error {
				term, err := again.Campaign(within(t))
				heirs <- term
				return err
			})
			w.untilTheyStand(path, "heir", "other", "first")
			leads.goesOn(t)
			require.NoError(t, second.ResignTo(within(t), "other"))
			leads.wait(t)
			waits.goesOn(t)
			other.do(c.command + ".close")
			waits.wait(t)
			third := <-heirs
			assert.Greater(t, third.Token(), second.Token())
			require.NoError(t, third.Resign(within(t)))
		})
	}
}

// untilTheyStand waits until an election has these participants, in this order.
func (w *world) untilTheyStand(path string, ids ...string) {
	w.t.Helper()
	w.until(path, func([]string) bool {
		list, err := leader.New(w.eye, path).Participants(within(w.t))
		require.NoError(w.t, err)
		return slices.EqualFunc(list, ids, func(p leader.Participant, id string) bool { return p.ID == id })
	})
}
