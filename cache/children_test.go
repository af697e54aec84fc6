package cache_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// children opens a cache of a directory until the end of the test.
func (w *world) children(cli *framework.Client, dir string) *cache.Children {
	w.t.Helper()
	var opts []cache.ChildrenOption
	for _, o := range w.opts {
		opts = append(opts, o)
	}
	c, err := cache.OpenChildren(w.t.Context(), cli, dir, opts...)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, c.Close()) })
	return c
}

func TestChildren(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/hosts/b", "2")
		w.Put("/hosts/a", "1")
		w.Put("/hosts/a/below", "not in it")
		cli := w.Connect("c")
		dir := w.children(cli, "/hosts")
		names := func() (all []string) {
			for name, node := range dir.Each() {
				all = append(all, name+"="+string(node.Data))
			}
			return all
		}
		assert.Equal(t, []string{"a=1", "b=2"}, names())
		assert.Equal(t, 3, dir.Len())
		node, ok := dir.Child("b")
		require.True(t, ok)
		assert.Equal(t, "/hosts/b", node.Path)
		_, ok = dir.Get("/hosts/a/below")
		assert.False(t, ok)

		host := w.Connect("host")
		_, err := host.Create(t.Context(), "/hosts/c", []byte("3"), framework.Ephemeral)
		require.NoError(t, err)
		time.Sleep(time.Second)
		assert.Equal(t, []string{"a=1", "b=2", "c=3"}, names())
		require.NoError(t, host.Close())
		time.Sleep(time.Second)
		assert.Equal(t, []string{"a=1", "b=2"}, names())
		r := w.record(dir)
		r.take()
		w.away("c", func() {
			w.raze("/hosts/a")
			w.Put("/hosts/a", "1")
		})
		assert.Equal(t, []string{"Stale /hosts", "Removed /hosts/a", `Added /hosts/a "1"`, "Synced /hosts"}, r.take())
	})
}

// Members come and go with their sessions.
func TestEphemeralChurn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/hosts", "")
		cli := w.Connect("c")
		dir := w.children(cli, "/hosts")
		r := w.record(dir)
		for range 30 {
			host := w.Connect("host")
			for _, name := range []string{"/hosts/same", "/hosts/other", "/hosts/s-"} {
				mode := framework.Ephemeral
				if name == "/hosts/s-" {
					mode = framework.EphemeralSequential
				}
				_, err := host.Create(t.Context(), name, nil, mode)
				require.NoError(t, err)
			}
			w.ExpireSession(host.State().SessionID)
		}
		require.NoError(t, dir.Sync(t.Context()))
		w.equal(dir, "/hosts")
		time.Sleep(time.Second)
		r.equal(dir)
		if len(w.opts) > 0 {
			assert.Zero(t, w.ClientCounts("c").Requests[zktest.OpExists], "no watch is left on a node that is gone")
		}
	})
}
