package framework_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// lacking makes a server that does not know a kind of request, and tells how often it was asked for it.
func lacking(t *testing.T, s *zktest.Server, op zktest.Op, how zktest.Verdict) (asked func() int, upgrade func()) {
	t.Helper()
	var n atomic.Int32
	remove := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request && f.Op == op {
			n.Add(1)
			return how
		}
		return zktest.Pass
	})
	t.Cleanup(remove)
	return func() int { return int(n.Load()) }, remove
}

// howServersLack are the ways in which servers say that they do not know a request, and how often they need to.
var howServersLack = map[string]struct {
	verdict zktest.Verdict
	times   int
}{
	"unimplemented": {zktest.AnswerWith(-6), 1},
	"closed":        {zktest.Cut, 2},
}

// lackedOnce has a client of several callers need something that a server lacks, and asserts that the client has asked for it as
// often as it takes to learn that, said so once in its log, and lists it.
func lackedOnce(t *testing.T, op zktest.Op, request string, need func(ctx context.Context, s *zktest.Server, cli *framework.Client, caller int) error) {
	for name, how := range howServersLack {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				asked, _ := lacking(t, s, op, how.verdict)
				var log bytes.Buffer
				cli := connected(t, s, func(c *framework.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				require.NoError(t, need(within(t, time.Minute), s, cli, 0))
				assert.Equal(t, how.times, asked())
				require.True(t, s.ExpireSession(cli.State().SessionID))
				time.Sleep(sessionTimeout)
				require.EqualValues(t, 2, cli.State().Epoch, "the next session knows what the one before has learnt")
				var callers sync.WaitGroup
				for caller := range 20 {
					callers.Go(func() { assert.NoError(t, need(within(t, time.Minute), s, cli, caller+1)) })
				}
				callers.Wait()
				assert.Equal(t, how.times, asked())
				lacks := cli.Info().Lacks
				require.Len(t, lacks, 1)
				assert.Equal(t, request, lacks[0].Request)
				require.NoError(t, cli.Close())
				assert.Equal(t, 1, strings.Count(log.String(), "the servers do not support a request"), log.String())
				assert.Contains(t, log.String(), "request="+request)
			})
		})
	}
}

func TestParentsOnAServerWithoutContainers(t *testing.T) {
	lackedOnce(t, zktest.OpCreateContainer, "createContainer", func(ctx context.Context, s *zktest.Server, cli *framework.Client, caller int) error {
		path := fmt.Sprintf("/made%d/by/a", caller)
		if _, err := cli.Create(ctx, path, nil, framework.Parents); err != nil {
			return err
		}
		assert.Equal(t, zktest.Persistent, s.Dump()[fmt.Sprintf("/made%d/by", caller)].Mode)
		return nil
	})
}

func TestContainerOnAServerWithoutContainers(t *testing.T) {
	lackedOnce(t, zktest.OpCreateContainer, "createContainer", func(ctx context.Context, _ *zktest.Server, cli *framework.Client, caller int) error {
		_, err := cli.Create(ctx, fmt.Sprint("/box", caller), nil, framework.Container)
		require.ErrorIs(t, err, framework.ErrUnsupported)
		assert.ErrorContains(t, err, "createContainer")
		return nil
	})
}

func TestNodeWithATTLOnAServerWithoutThem(t *testing.T) {
	lackedOnce(t, zktest.OpCreateTTL, "createTTL", func(ctx context.Context, _ *zktest.Server, cli *framework.Client, caller int) error {
		_, err := cli.Create(ctx, fmt.Sprint("/brief", caller), nil, framework.PersistentTTL, framework.WithTTL(time.Hour))
		require.ErrorIs(t, err, framework.ErrUnsupported)
		assert.ErrorContains(t, err, "createTTL")
		return nil
	})
}

func TestNodesOnAServerWithoutCreate2(t *testing.T) {
	lackedOnce(t, zktest.OpCreate2, "create2", func(ctx context.Context, s *zktest.Server, cli *framework.Client, caller int) error {
		node, err := cli.Create(ctx, fmt.Sprint("/n", caller, "-"), nil, framework.PersistentSequential, framework.Protected)
		if err == nil {
			requireAsAtServer(t, s, "", node)
		}
		return err
	})
}

// Many callers need what a server closes the connection over, all at the same moment. That costs two connections all the same, and
// each caller gets what it wants.
func TestManyCallersLearnTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/other", "")
		asked, _ := lacking(t, s, zktest.OpCreateContainer, zktest.Cut)
		cli := connected(t, s)
		states := record(t, cli)
		var callers sync.WaitGroup
		for i := range 50 {
			callers.Go(func() {
				_, err := cli.Create(within(t, time.Minute), fmt.Sprintf("/made%d/a", i), nil, framework.Parents, framework.Idempotent)
				assert.NoError(t, err)
			})
			callers.Go(func() {
				_, err := cli.Get(within(t, time.Minute), "/other")
				assert.NoError(t, err)
			})
		}
		callers.Wait()
		assert.Equal(t, 2, states.count(framework.Suspended))
		assert.Less(t, asked(), 52, "those of the first moment, and one alone")
	})
}

// The servers are upgraded. An hour later the client uses what they have learnt, and says so.
func TestUpgradeOfTheServers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		asked, upgrade := lacking(t, s, zktest.OpCreateContainer, zktest.Cut)
		var log bytes.Buffer
		cli := connected(t, s, func(c *framework.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		create := func(path string) zktest.Mode {
			_, err := cli.Create(within(t, time.Minute), path+"/a", nil, framework.Parents)
			require.NoError(t, err)
			return s.Dump()[path].Mode
		}
		assert.Equal(t, zktest.Persistent, create("/before"))
		time.Sleep(10 * time.Minute)
		upgrade()
		s.Cut(zktest.AllConns())
		time.Sleep(40 * time.Minute)
		assert.Equal(t, zktest.Persistent, create("/soon"))
		assert.Len(t, cli.Info().Lacks, 1)
		time.Sleep(20 * time.Minute)
		assert.Equal(t, zktest.Container, create("/after"))
		assert.Equal(t, zktest.Container, create("/later"))
		assert.Empty(t, cli.Info().Lacks)
		assert.Equal(t, 2, asked())
		require.NoError(t, cli.Close())
		assert.Equal(t, 1, strings.Count(log.String(), "did not support before"))
	})
}

func TestPersistentParents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.PersistentParents = true })
		_, err := cli.Create(t.Context(), "/made/by/a", nil, framework.Parents)
		require.NoError(t, err)
		for _, path := range []string{"/made", "/made/by"} {
			assert.Equal(t, zktest.Persistent, s.Dump()[path].Mode)
		}
		assert.NotContains(t, s.Counts().Requests, zktest.OpCreateContainer)
		assert.Empty(t, cli.Info().Lacks)
	})
}

// A client whose first create is too long for its server does not blame create2.
func TestLongFirstCreate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Path == "/big" && (f.Op == zktest.OpCreate || f.Op == zktest.OpCreate2) {
				return zktest.Cut
			}
			return zktest.Pass
		}))
		cli := connected(t, s)
		_, err := cli.Create(within(t, time.Hour), "/big", make([]byte, 100<<10))
		require.ErrorIs(t, err, framework.ErrTooLarge)
		assert.Empty(t, cli.Info().Lacks)
		node, err := cli.Create(within(t, time.Hour), "/small", nil)
		require.NoError(t, err)
		assert.NotZero(t, node.Stat.Czxid)
		assert.NotZero(t, s.Counts().Requests[zktest.OpCreate2])
	})
}

// watchedOver sets a one-shot watch, and a recursive one if tree says so, and reports whether they tell of changes that are made
// while there is no connection. It runs in a bubble.
func watchedOver(t *testing.T, s *zktest.Server, cli *framework.Client, tree bool) {
	t.Helper()
	ctx := within(t, 10*time.Minute)
	session := sessionOf(t, cli)
	_, once, err := session.WatchData(ctx, "/watched")
	require.NoError(t, err)
	var all *framework.TreeWatch
	if tree {
		all, err = session.WatchTree(ctx, "/tree")
		require.NoError(t, err)
		defer all.Stop()
	}
	s.Cut(zktest.AllConns())
	require.NoError(t, s.Set("/watched", nil))
	time.Sleep(time.Minute)
	assert.Equal(t, framework.EventDataChanged, (<-once.C).Type)
	if !tree {
		return
	}
	ev, err := all.Next(ctx)
	require.NoError(t, err)
	assert.Equal(t, framework.EventReset, ev.Type)
	require.NoError(t, s.Set("/tree", nil))
	for ev.Type == framework.EventReset {
		ev, err = all.Next(ctx)
		require.NoError(t, err)
	}
	assert.Equal(t, framework.EventDataChanged, ev.Type, "it is in force")
}

// Watches are set again after each break of the connection, whatever the servers know, and that they do not is learnt once.
func TestWatchesOnServersThatLackRequests(t *testing.T) {
	for op, request := range map[zktest.Op]string{zktest.OpSetWatches: "setWatches", zktest.OpSetWatches2: "setWatches2"} {
		for name, how := range howServersLack {
			t.Run(request+" "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := startServer(t, zktest.Config{})
					mustCreate(t, s, "/watched", "")
					mustCreate(t, s, "/tree", "")
					asked, _ := lacking(t, s, op, how.verdict)
					cli := connected(t, s)
					for range 4 {
						watchedOver(t, s, cli, op == zktest.OpSetWatches2)
					}
					assert.Equal(t, how.times, asked())
					lacks := cli.Info().Lacks
					require.Len(t, lacks, 1)
					assert.Equal(t, request, lacks[0].Request)
				})
			})
		}
	}
}
