package framework_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// The tests in this file hold tree watches to their word on real ZooKeeper servers.

// written makes a node with data, creating it if need be.
func written(t *testing.T, cli *framework.Client, path, data string) {
	t.Helper()
	ctx := within(t, patience)
	_, err := cli.Set(ctx, path, []byte(data), framework.AnyVersion)
	if errors.Is(err, framework.ErrNoNode) {
		_, err = cli.Create(ctx, path, []byte(data), framework.Parents)
	}
	require.NoError(t, err)
}

// Ten thousand changes are all told, in order.
func TestRealTreeWatchStorm(t *testing.T) {
	const nodes, rounds = 100, 100
	space := realzk.Shared(t)
	cli, writer := realClient(t, space.ConnectString()), realClient(t, space.ConnectString())
	for n := range nodes {
		written(t, writer, fmt.Sprintf("/root/%d", n), "0")
	}
	w := watchTree(t, cli, "/root")
	var want []string
	ops := make([]framework.Op, nodes)
	for round := range rounds {
		for n := range nodes {
			path := fmt.Sprintf("/root/%d", (n*7+round)%nodes)
			ops[n] = framework.SetOp(path, fmt.Append(nil, round), framework.AnyVersion)
			want = append(want, "DataChanged "+path)
		}
		_, err := writer.Multi(within(t, patience), ops)
		require.NoError(t, err)
	}
	require.NoError(t, cli.Sync(within(t, patience), "/"))
	events, err := w.Take()
	require.NoError(t, err)
	require.Equal(t, want, spelled(events))
}

// The trap of servers before 3.9, sprung in every way there is, on a server that has it.
func TestRealTreeWatchBesideOneShots(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	writer := realClient(t, space.ConnectString())
	for kind, one := range oneShots {
		for _, order := range []string{"before", "after"} {
			t.Run(kind+" "+order, func(t *testing.T) {
				proxy := realzk.NewProxy(t, space.Addr())
				cli := realClient(t, proxy.Addr()+space.Root(), timeout(20*time.Second))
				session, root := sessionOf(t, cli), "/"+kind+order
				written(t, writer, root+"/a", "0")
				var w *framework.Watch
				if order == "before" {
					w = one.watch(t, session, root)
				}
				m := newMirror(t, session, root)
				if order == "after" {
					w = one.watch(t, session, root)
				}
				follow := func(what string) {
					written(t, writer, root+"/a", what)
					written(t, writer, root+"/"+what, what)
					written(t, writer, root, what)
					require.NoError(t, session.Sync(within(t, patience), "/"))
					m.catchUp()
					for _, path := range []string{root, root + "/a", root + "/" + what} {
						require.Equal(t, what, m.nodes[path], path)
					}
				}
				follow("first")
				follow("second")
				assert.Zero(t, m.resets)
				ev := <-w.C
				assert.Equal(t, one.want, ev.Type)
				proxy.Cut()
				follow("third")
				assert.NotZero(t, m.resets)
				m.watch.Stop()
				again := one.watch(t, session, root)
				written(t, writer, root, "fourth")
				written(t, writer, root+"/fourth", "fourth")
				assert.Equal(t, one.want, (<-again.C).Type, "one-shot watches are their own again")
			})
		}
	}
}

// The link breaks in the middle of a storm, again and again. Nothing is missed.
func TestRealTreeWatchAcrossLinks(t *testing.T) {
	t.Parallel()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	cli, writer := realClient(t, proxy.Addr()+space.Root(), timeout(20*time.Second)), realClient(t, space.ConnectString())
	written(t, writer, "/root/0", "0")
	m := newMirror(t, sessionOf(t, cli), "/root")
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := range 2000 {
			path := fmt.Sprintf("/root/%d", i%50)
			if i%7 == 0 {
				_ = writer.Delete(within(t, patience), path, framework.AnyVersion)
				continue
			}
			_, err := writer.Set(within(t, patience), path, fmt.Append(nil, i), framework.AnyVersion)
			if errors.Is(err, framework.ErrNoNode) {
				_, err = writer.Create(within(t, patience), path, fmt.Append(nil, i))
			}
			assert.NoError(t, err)
		}
	})
	next := follow(t, cli)
	for range 5 {
		proxy.Cut()
		next(framework.Reconnected)
		m.catchUp()
	}
	writing.Wait()
	require.NoError(t, m.session.Sync(m.ctx(), "/"))
	m.catchUp()
	assert.NotZero(t, m.resets)
	other := newMirror(t, sessionOf(t, writer), "/root")
	require.Equal(t, other.nodes, m.nodes)
}
