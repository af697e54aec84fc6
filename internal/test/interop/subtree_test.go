package interop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// sight is what can be seen of a node.
type sight struct {
	data      string
	ephemeral bool
}

// subtree is what is at and below a path, by the rest of the path, with random parts of names masked.
func (w *world) subtree(path string) map[string]sight {
	w.t.Helper()
	all := map[string]sight{}
	w.walk(path, func(at string, n framework.Node) {
		all[masked(strings.TrimPrefix(at, path))] = sight{string(n.Data), n.Stat.EphemeralOwner != 0}
	})
	return all
}

// walk visits a node and all below it. What goes meanwhile is left out.
func (w *world) walk(path string, visit func(string, framework.Node)) {
	w.t.Helper()
	n, err := w.eye.Get(within(w.t), path)
	if err != nil {
		require.ErrorIs(w.t, err, framework.ErrNoNode)
		return
	}
	visit(path, n)
	names, _, err := w.eye.Children(within(w.t), path)
	if err != nil {
		require.ErrorIs(w.t, err, framework.ErrNoNode)
		return
	}
	for _, name := range names {
		w.walk(framework.Join(path, name), visit)
	}
}

var (
	uuid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	hexa = regexp.MustCompile(`[0-9a-f]{32}`)
)

// masked replaces the random parts of a name.
func masked(name string) string {
	return hexa.ReplaceAllString(uuid.ReplaceAllString(name, "GUID"), "HEX")
}

// untilSubtree waits until a subtree is as it should be. It looks again and again: there is no event for all of it.
func (w *world) untilSubtree(path string, good func(map[string]sight) bool) map[string]sight {
	w.t.Helper()
	ctx := within(w.t)
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		if nodes := w.subtree(path); good(nodes) {
			return nodes
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			require.FailNow(w.t, "the nodes are never as they should be", "%v", w.subtree(path))
		}
	}
}

// settled waits until there are n nodes below a path, and returns them.
func (w *world) settled(path string, n int) map[string]sight {
	w.t.Helper()
	return w.untilSubtree(path, func(nodes map[string]sight) bool { return len(nodes) == n+1 })
}

// fake is a server in this process, over TCP, of which everything can be seen.
type fake struct {
	*world
	server *zktest.Server
}

func onFake(t testing.TB) *fake {
	server, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close()) })
	w := worldAt(t, server.ConnectString())
	w.expire = func(_ context.Context, session int64) error {
		if !server.ExpireSession(session) {
			return errors.New("the server has no such session")
		}
		return nil
	}
	return &fake{w, server}
}

// kinds are the kinds of the nodes at and below a path.
func (f *fake) kinds(path string) map[string]string {
	all := map[string]string{}
	for at, n := range maps.All(f.server.Dump()) {
		if rest, below := strings.CutPrefix(at, path); below && (rest == "" || rest[0] == '/') {
			all[masked(rest)] = fmt.Sprint(n.Mode, n.TTL, " null: ", n.Data == nil)
		}
	}
	return all
}
