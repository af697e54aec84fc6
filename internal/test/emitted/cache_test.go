package emitted

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/zktest"
)

func TestCachesReportTheirProgressToFreshness(t *testing.T) {
	for name, way := range map[string]struct {
		opts []cache.TreeOption
		read string // an operation that reads nodes
	}{"recursive watch": {nil, "multiRead"}, "one-shot watches": {[]cache.TreeOption{cache.OneShot()}, "watchData"}} {
		t.Run(name, func(t *testing.T) { bubble(t, func(t *testing.T) { followCache(t, way.opts, way.read) }) })
	}
}

// followCache is called in a bubble.
func followCache(t *testing.T, opts []cache.TreeOption, read string) {
	c, s := collect(), startServer(t)
	for i := range 9 {
		_, err := s.Create(fmt.Sprintf("/n%d", i), nil, zktest.Persistent)
		require.NoError(t, err)
	}
	cli := c.client(t, s, "a")
	tree, err := cache.Open(t.Context(), cli, "/", append(opts, cache.Filter(func(path string) bool { return path != "/zookeeper" }))...)
	require.NoError(t, err)
	synctest.Wait()
	sync := c.one(t, "cache.sync")
	assert.Equal(t, map[string]string{"docent.recipe": "tree cache", "docent.path": "/"}, attributes(sync.Attributes))
	within(t, c.named("zookeeper sync")[0], sync)
	inside := make(map[string]int)
	for _, span := range c.spans.GetSpans() {
		if span.Parent.SpanID() == sync.SpanContext.SpanID() {
			inside[span.Name]++
		}
	}
	assert.NotZero(t, inside["zookeeper "+read], "what it takes is within it: %v", inside)
	assert.EqualValues(t, tree.Len(), c.value(t, "docent.cache.nodes", "docent.recipe", "tree cache"))
	assert.EqualValues(t, 0, c.value(t, "docent.cache.staleness"))

	c.spans.Reset()
	require.NoError(t, s.Set("/n1", []byte("x")))
	time.Sleep(time.Second)
	for _, get := range c.spans.GetSpans() {
		assert.False(t, get.Parent.IsValid(), "a change is no part of the way")
	}
	require.NotEmpty(t, c.spans.GetSpans())

	s.Refuse()
	s.Cut(zktest.AllConns())
	time.Sleep(time.Second)
	assert.InDelta(t, 1, c.value(t, "docent.cache.staleness"), 0.1, "seconds")
	require.NoError(t, s.Accept())
	require.NoError(t, tree.WaitFresh(t.Context()))
	synctest.Wait()
	assert.Len(t, c.named("cache.sync"), 1)
	assert.EqualValues(t, 2, c.count(t, "docent.cache.sync.duration"))
	require.NoError(t, tree.Close())
	assert.Empty(t, points(c.metrics(t)["docent.cache.nodes"]))
}

// A session that ends on the way says so.
func TestCachesThatDoNotGetFresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		heal := s.Delay(zktest.AllConns(), 400*time.Millisecond)
		tree, err := cache.Open(t.Context(), cli, "/", cache.NoWait())
		require.NoError(t, err)
		time.Sleep(time.Millisecond)
		s.ExpireSession(cli.State().SessionID)
		heal()
		require.NoError(t, tree.WaitFresh(t.Context()))
		synctest.Wait()
		all := c.named("cache.sync")
		require.Len(t, all, 2)
		assert.Equal(t, "session_lost", attributes(all[0].Attributes)["error.type"])
		assert.NotContains(t, attributes(all[1].Attributes), "error.type")
		s.ExpireSession(cli.State().SessionID)
		time.Sleep(time.Minute)
		assert.Len(t, c.named("cache.sync"), 3, "what was fresh is not broken by the end of its session")
		assert.EqualValues(t, 2, c.count(t, "docent.cache.sync.duration", "error.type", ""))
		assert.EqualValues(t, 1, c.count(t, "docent.cache.sync.duration", "error.type", "session_lost"))
		require.NoError(t, tree.Close())
	})
}

// Of several caches of a kind the most stale one counts, and the nodes of all.
func TestCachesAreCountedTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		for _, path := range []string{"/a", "/b"} {
			_, err := s.Create(path, nil, zktest.Persistent)
			require.NoError(t, err)
			_, err = cache.Open(t.Context(), cli, path)
			require.NoError(t, err)
		}
		assert.EqualValues(t, 2, c.value(t, "docent.cache.nodes", "docent.recipe", "tree cache"))
	})
}

// What a cache cannot bring up to date is counted for as long as that is so, and a panic for good.
func TestRejectedNodesAndPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		rejected := func() float64 { return c.value(t, "docent.cache.rejected", "docent.recipe", "value cache") }
		panics := func() float64 { return c.value(t, "docent.panics", "docent.function", "codec") }
		reject(t, s, cli)
		assert.Equal(t, []float64{1, 1}, []float64{rejected(), panics()})
		require.NoError(t, s.Set("/config", []byte("good")))
		time.Sleep(time.Second)
		assert.Equal(t, []float64{0, 1}, []float64{rejected(), panics()})
		require.NoError(t, s.Delete("/config"))
		time.Sleep(time.Second)
		assert.Equal(t, []float64{1, 1}, []float64{rejected(), panics()})
	})
}
