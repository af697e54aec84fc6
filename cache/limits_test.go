package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestADeepTree(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		deep := "/r" + strings.Repeat("/level", 50)
		w.Put(deep, "bottom")
		cli := w.Connect("c")
		tree := w.open(cli, "/r")
		assert.Equal(t, 51, tree.Len())
		w.expire("c", cli, func() { w.Put(deep+"/more", "") })
		w.equal(tree, "/r")
		w.raze("/r/level")
		time.Sleep(time.Second)
		w.equal(tree, "/r")
	})
}

func TestNamesInUnicode(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for _, name := range []string{"ü", "日本語", "a b", "ключ", "%2F", "é", "_c_x", "0000000001", "-"} {
			w.Put("/r/"+name+"/ß", name)
		}
		tree := w.open(w.Connect("c"), "/r")
		w.equal(tree, "/r")
		node, ok := tree.Get("/r/日本語/ß")
		require.True(t, ok)
		assert.Equal(t, "日本語", string(node.Data))
		w.set("/r/日本語/ß", "x")
		w.Put("/r/日本語/新", "")
		time.Sleep(time.Second)
		w.equal(tree, "/r")
	})
}

func TestALargeNode(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/r", "")
		large := bytes.Repeat([]byte("x"), 1<<20)
		_, err := w.Create("/r/large", large, zktest.Persistent)
		require.NoError(t, err)
		tree := w.open(w.Connect("c"), "/r")
		node, _ := tree.Get("/r/large")
		assert.True(t, bytes.Equal(large, node.Data))
		require.NoError(t, w.Set("/r/large", large[:len(large)-1]))
		time.Sleep(time.Second)
		node, _ = tree.Get("/r/large")
		assert.Len(t, node.Data, len(large)-1)
	})
}

// 100,000 children of one node are listed in 4 MB; under the race detector, which takes long over them, there are fewer.
func TestManyChildren(t *testing.T) {
	n := many
	if testing.Short() {
		n = 5000
	}
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		w.Put("/r", "")
		for i := range n {
			_, err := w.Create(fmt.Sprintf("/r/a-name-that-is-long-%06d", i), nil, zktest.Persistent)
			require.NoError(t, err)
		}
		cli := w.Connect("c")
		tree := w.open(cli, "/r")
		assert.Equal(t, n+1, tree.Len())
		w.Put("/r/one-more", "")
		w.raze("/r/a-name-that-is-long-000100")
		require.NoError(t, tree.Sync(t.Context()))
		assert.Equal(t, n+1, tree.Len())
		_, ok := tree.Get("/r/one-more")
		assert.True(t, ok)
		seen, last := 0, ""
		for name := range tree.Children("/r") {
			if name <= last { // an assertion each would take longer than everything else
				t.Fatalf("%s is behind %s", name, last)
			}
			last = name
			seen++
		}
		assert.Equal(t, n, seen)
	})
}

// Others break the connection again and again, with nodes that are too long for their client. That takes a cache longer, and
// nothing else: it refuses none of its own nodes for it.
func TestOthersBreakTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for i := range 3 {
			w.Put(fmt.Sprintf("/big/%d", i), strings.Repeat("x", 500<<10))
			w.Put(fmt.Sprintf("/a/%d", i), "x")
		}
		cli := w.Connect("c", func(c *framework.Config) { c.MaxReplySize = 100 << 10 })
		tree := w.open(cli, "/a")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var others sync.WaitGroup
		for i := range 3 {
			others.Go(func() {
				for ctx.Err() == nil {
					_, _ = cli.Get(ctx, fmt.Sprintf("/big/%d", i))
					time.Sleep(time.Duration(i+1) * 300 * time.Millisecond)
				}
			})
		}
		events := tree.Events(t.Context())
		for i := range 14 {
			w.set("/a/1", fmt.Sprint(i))
			w.Put(fmt.Sprintf("/a/2/%02d", i), "z")
			time.Sleep(time.Second)
		}
		late := w.open(cli, "/a", cache.NoWait())
		others.Wait()
		require.NoError(t, tree.Err())
		time.Sleep(2 * time.Minute)
		w.equal(tree, "/a")
		w.equal(late, "/a")
		w.expire("c", cli, func() { w.set("/a/0", "y") })
		require.NoError(t, tree.Sync(t.Context()))
		w.equal(tree, "/a")
		for {
			select {
			case ev := <-events:
				require.NotEqual(t, cache.Refused, ev.Type, ev)
				continue
			default:
			}
			break
		}
	})
}
