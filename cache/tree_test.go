package cache_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATreeFollowsTheServer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b/c", "deep")
		w.Put("/a/d", "flat")
		w.Put("/other", "not in it")
		tree := w.open(w.Connect("c"), "/a")
		w.equal(tree, "/a")
		node, ok := tree.Get("/a/b/c")
		require.True(t, ok)
		assert.Equal(t, "deep", string(node.Data))
		_, ok = tree.Get("/ad")
		assert.False(t, ok, "/ad is beside /a, and not the same as /a/d")
		r := w.record(tree)
		assert.Equal(t, []string{`Added /a ""`, `Added /a/b ""`, `Added /a/b/c "deep"`, `Added /a/d "flat"`, "Synced /a"}, r.take())

		w.set("/a/d", "round")
		time.Sleep(time.Second)
		assert.Equal(t, []string{`Changed /a/d "round"`}, r.take())
		w.Put("/a/b/c/e/f", "new")
		time.Sleep(time.Second)
		assert.Equal(t, []string{`Added /a/b/c/e ""`, `Added /a/b/c/e/f "new"`}, r.take())
		w.raze("/a/b")
		time.Sleep(time.Second)
		assert.Equal(t, []string{"Removed /a/b/c/e/f", "Removed /a/b/c/e", "Removed /a/b/c", "Removed /a/b"}, r.take())
		w.set("/other", "still not in it")
		time.Sleep(time.Second)
		assert.Empty(t, r.take())
		w.equal(tree, "/a")
		r.equal(tree)
	})
}

// Scenario 31: CURATOR-391.
func TestDeletedAndCreatedAgainWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/a/b/c", "same")
		w.Put("/a/stays", "same")
		cli := w.Connect("c")
		tree := w.open(cli, "/a")
		again := func() {
			w.raze("/a/b")
			w.Put("/a/b/c", "same")
		}
		want := []string{"Stale /a", "Removed /a/b/c", "Removed /a/b", `Added /a/b ""`, `Added /a/b/c "same"`, "Synced /a"}
		r := w.record(tree)
		r.take()
		w.away("c", again)
		assert.Equal(t, want, r.take(), "in the same session")
		w.expire("c", cli, again)
		assert.Equal(t, want, r.take(), "in the next session")
		w.equal(tree, "/a")
		r.equal(tree)
	})
}
