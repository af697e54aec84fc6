package barrier_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
)

// states is what the client says of its recipes.
func states(cli *framework.Client) []string {
	synctest.Wait()
	var all []string
	for _, r := range cli.Recipes() {
		all = append(all, r.Name+": "+r.Status.State)
	}
	return all
}

func TestListingFollowsTheState(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		gate := barrier.New(a, "/gate")
		require.NoError(t, gate.Set(t.Context()))
		open := make(chan error, 1)
		go func() { open <- gate.Wait(t.Context()) }()
		time.Sleep(time.Second)
		assert.Equal(t, []string{"barrier: waiting"}, states(a))
		require.NoError(t, gate.Remove(t.Context()))
		require.NoError(t, <-open)
		assert.Empty(t, states(a))

		enter := func(cli *framework.Client) <-chan *barrier.Entered {
			c := make(chan *barrier.Entered, 1)
			go func() {
				in, err := barrier.NewDouble(cli, path, 2).Enter(t.Context())
				assert.NoError(t, err)
				c <- in
			}()
			time.Sleep(time.Second)
			return c
		}
		first := enter(a)
		assert.Equal(t, []string{"double barrier: entering"}, states(a))
		assert.Contains(t, fmt.Sprint(a.Recipes()[0].Status.Attrs), "there=1 members=2")
		second := enter(b)
		in, other := <-first, <-second
		assert.Equal(t, []string{"double barrier: inside"}, states(a))
		left := make(chan error, 1)
		go func() { left <- in.Leave(t.Context()) }()
		time.Sleep(time.Second)
		assert.Equal(t, []string{"double barrier: leaving"}, states(a))
		w.ExpireSession(b.State().SessionID)
		require.NoError(t, <-left)
		<-other.Context().Done()
		assert.Equal(t, []string{"double barrier: ended, not left"}, states(b))
		require.ErrorIs(t, b.Recipes()[0].Status.Err, framework.ErrSessionLost)
		require.Error(t, other.Leave(t.Context()))
		assert.Empty(t, states(b))
	})
}
