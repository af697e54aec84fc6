package cache_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// listed is the only recipe of a client.
func listed(t *testing.T, cli *framework.Client) framework.LiveRecipe {
	t.Helper()
	synctest.Wait()
	list := cli.Recipes()
	require.Len(t, list, 1)
	return list[0]
}

// A node that may not be read is listed with the reason, and while it may not.
func TestRefusedNodesAreListedWithTheReason(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/c/a", "1")
		o := owner(w)
		_, err := o.Create(t.Context(), "/c/private", nil, framework.WithACL(framework.CreatorACL()))
		require.NoError(t, err)
		cli := w.Connect("a")
		w.open(cli, "/c")
		assert.Contains(t, fmt.Sprint(listed(t, cli).Attrs), "[nodes=2 refused=1 refused_nodes=[/c/private=")
		require.NoError(t, w.Delete("/c/private"))
		time.Sleep(time.Minute) // it is read again with growing pauses
		assert.Equal(t, "[nodes=2 refused=0]", fmt.Sprint(listed(t, cli).Attrs))
	})
}

// What is listed follows the freshness of the cache, and shows its size when somebody looks.
func TestListingFollowsTheState(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/c/a", "1")
		cli := w.Connect("a")
		tree, err := cache.Open(t.Context(), cli, "/c", cache.ListedAs("settings", slog.String("of", "us")))
		require.NoError(t, err)
		defer tree.Close()
		r := listed(t, cli)
		assert.Equal(t, []any{"settings", "/c", "fresh"}, []any{r.Name, r.Path, r.Status.State})
		assert.Equal(t, "[nodes=2 refused=0 of=us]", fmt.Sprint(r.Attrs))
		w.Put("/c/b", "2")
		time.Sleep(time.Second)
		assert.Equal(t, "[nodes=3 refused=0 of=us]", fmt.Sprint(listed(t, cli).Attrs), "without another report")

		heal := w.Blackhole(zktest.ClientConns("a"), zktest.Both)
		time.Sleep(timeout * 7 / 8)
		r = listed(t, cli)
		assert.Equal(t, "stale", r.Status.State)
		require.ErrorIs(t, r.Status.Err, cache.ErrStale)
		since := r.Status.Unwell
		assert.WithinDuration(t, tree.StaleSince(), since, time.Millisecond)
		time.Sleep(time.Minute)
		r = listed(t, cli)
		assert.Equal(t, framework.NotRunning, r.Status.State, "the session is lost")
		assert.Equal(t, since, r.Status.Unwell, "it has been stale since then")
		assert.Contains(t, cli.Health().String(), "settings /c: ")
		heal()
		require.NoError(t, tree.WaitFresh(t.Context()))
		assert.Equal(t, "fresh", listed(t, cli).Status.State)
		assert.True(t, cli.Health().Ready(), cli.Health().String())
		require.NoError(t, tree.Close())
		assert.Empty(t, cli.Recipes())
	})
}
