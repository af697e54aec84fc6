package framework_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// A real server answers for nodes that nobody has watched on its connection, in a session that was not there when they changed, and
// leaves the recursive watch alone.
func TestRealChangedSince(t *testing.T) {
	space := realzk.Shared(t)
	writer := realClient(t, space.ConnectString())
	names := []string{"/same", "/set", "/gone", "/again", "/gains", "/loses", "/loses/kid"}
	for _, name := range append([]string{"/other"}, names...) {
		written(t, writer, "/app"+name, "")
	}
	zxid := zxidOf(t, writer)
	proxy := realzk.NewProxy(t, space.Addr())
	before := sessionOf(t, realClient(t, proxy.Addr()+space.Root()+"/app", timeout(20*time.Second)))
	written(t, writer, "/app/set", "new")
	for _, name := range []string{"/gone", "/again", "/loses/kid"} {
		require.NoError(t, writer.Delete(within(t, patience), "/app"+name, framework.AnyVersion))
	}
	written(t, writer, "/app/again", "")
	written(t, writer, "/app/gains/kid", "")
	now := zxidOf(t, writer)
	after := sessionOf(t, realClient(t, space.ConnectString()+"/app"))
	want := framework.Changed{
		Nodes:    []string{"/set", "/gone", "/again", "/loses/kid"},
		Children: []string{"/gone", "/again", "/gains", "/loses", "/loses/kid"},
	}
	for _, s := range []*framework.Session{before, after} {
		w, err := s.WatchTree(within(t, patience), "/")
		require.NoError(t, err)
		defer w.Stop()
		asked := append([]string{"/"}, names...)
		got := since(t, s, zxid, asked...)
		assert.Equal(t, want.Nodes, got.Nodes)
		assert.Equal(t, append([]string{"/"}, want.Children...), got.Children)
		_, err = w.Take()
		require.NoError(t, err)
		for i := range 3 { // the watch lives, and tells of each change once
			written(t, writer, "/app/other", fmt.Sprint(i))
			written(t, writer, fmt.Sprint("/app/gains/", i), "")
			written(t, writer, fmt.Sprint("/app/gains/", i), "more")
		}
		require.NoError(t, s.Sync(within(t, patience), "/"))
		events, err := w.Take()
		require.NoError(t, err)
		assert.Len(t, events, 9, "%v", spelled(events))
		for i := range 3 {
			require.NoError(t, writer.Delete(within(t, patience), fmt.Sprint("/app/gains/", i), framework.AnyVersion))
		}
	}
	proxy.Cut()
	got := since(t, before, now, "/other", "/set", "/gains", "/gone")
	assert.Equal(t, framework.Changed{Nodes: []string{"/other", "/gone"}, Children: []string{"/gains", "/gone"}}, got, "on the next link")
}

// What a server tells of nodes that may not be read: that they have changed, when it is asked.
func TestRealChangedSinceOfUnreadableNodes(t *testing.T) {
	space := realzk.Shared(t)
	owner := realClient(t, space.ConnectString(), as("owner", "s3cr3t"))
	cli := realClient(t, space.ConnectString())
	for _, path := range []string{"/set", "/same", "/gone"} {
		_, err := owner.Create(within(t, patience), path, nil, framework.WithACL(framework.CreatorACL()))
		require.NoError(t, err)
	}
	zxid := zxidOf(t, owner)
	written(t, owner, "/set", "new")
	require.NoError(t, owner.Delete(within(t, patience), "/gone", framework.AnyVersion))
	require.NoError(t, cli.Sync(within(t, patience), "/"))
	got := since(t, sessionOf(t, cli), zxid, "/set", "/same", "/gone")
	assert.Equal(t, framework.Changed{Nodes: []string{"/set", "/gone"}, Children: []string{"/gone"}}, got)
}
