package cache_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
)

// pathsOf are the paths in a tree.
func pathsOf(tree *cache.Tree) []string {
	var all []string
	for path := range tree.All() {
		all = append(all, path)
	}
	return all
}

// A filter that panics for a path leaves the node as it is, and touches no other.
func TestAFilterThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/r/a", "1")
		w.Put("/r/bad", "1")
		w.Put("/r/later", "1")
		var log journal
		cli := w.Connect("c", log.logging)
		var mu sync.Mutex
		broken := map[string]bool{"/r/bad": true}
		tree := w.open(cli, "/r", cache.Filter(func(path string) bool {
			mu.Lock()
			defer mu.Unlock()
			if broken[path] {
				panic("boom")
			}
			return true
		}))
		assert.Equal(t, []string{"/r", "/r/a", "/r/later"}, pathsOf(tree))
		mu.Lock()
		broken["/r/later"] = true
		mu.Unlock()
		w.set("/r/later", "2")
		w.Put("/r/b", "1")
		w.set("/r/a", "2")
		time.Sleep(time.Second)
		require.NoError(t, tree.Sync(t.Context()))
		assert.Equal(t, []string{"/r", "/r/a", "/r/b", "/r/later"}, pathsOf(tree), "what is in stays, and follows its node")
		node, _ := tree.Get("/r/later")
		assert.Equal(t, "2", string(node.Data))
		w.raze("/r/later")
		time.Sleep(time.Second)
		require.NoError(t, tree.Sync(t.Context()))
		assert.False(t, slices.Contains(pathsOf(tree), "/r/later"))
		for _, path := range []string{"/r/bad", "/r/later"} {
			assert.LessOrEqual(t, len(log.lines("level=WARN msg=\"a function has panicked\" function=filter path="+path)), 1, "said once")
		}
		assert.NotEmpty(t, log.lines("function=filter path=/r/bad panic=boom"))
	})
}
