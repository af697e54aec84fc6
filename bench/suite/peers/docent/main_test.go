package main

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
	"github.com/docent-zk/docent/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ground is a server with what the workloads need.
type ground struct {
	*zktest.Server
	t *testing.T
}

func (g ground) create(path string, data []byte) {
	g.t.Helper()
	_, err := g.Create(path, data, zktest.Persistent)
	require.NoError(g.t, err)
}

func newGround(t *testing.T) ground {
	t.Helper()
	s, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	g := ground{s, t}
	for _, path := range []string{"/node", "/tree", "/tree/dir-000", "/kept", "/queue", "/services", "/services/orders"} {
		g.create(path, kit.Payload(0))
	}
	for i := range 10 {
		g.create(kit.NodePath("/tree", i), kit.Payload(0))
		g.create("/services/orders/"+strconv.Itoa(i), kit.Instance("orders", strconv.Itoa(i), 80))
	}
	return g
}

// Every workload is done once in the ordinary tests, so that none breaks unseen.
func TestWorkloads(t *testing.T) {
	g := newGround(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := map[string]bool{}
	for name, args := range map[string]line.Args{
		"clients":       {"path": "/clients", "n": "2"},
		"election":      {"path": "/election"},
		"get":           {"path": "/node", "callers": "2"},
		"idle":          {"n": "2"},
		"instances":     {"path": "/services", "service": "orders", "n": "10", "changes": "3"},
		"kept":          {"path": "/kept", "n": "3"},
		"load":          {"path": "/tree", "nodes": "12"},
		"load#oneshot":  {"path": "/tree", "nodes": "12", "watches": "oneshot"},
		"lock":          {"path": "/lock", "clients": "2", "callers": "4"},
		"lock#handover": {"path": "/lock2", "callers": "4", "handover": "3"},
		"pick":          {"path": "/services", "service": "orders", "n": "10", "callers": "2"},
		"waiters":       {"path": "/queue", "clients": "2", "n": "5"},
		"watches":       {"path": "/absent", "n": "7"},
	} {
		t.Run(name, func(t *testing.T) {
			p := kit.New(version(), openers)
			args["servers"] = g.ConnectString()
			_, err := p.Handle(line.Command{Verb: line.Prepare, Workload: name, Args: args})
			require.NoError(t, err)
			answer, err := p.Handle(line.Command{Verb: line.Run, Workload: name, For: time.Millisecond, Args: args})
			require.NoError(t, err)
			assert.True(t, answer.Ops > 0 || answer.Text["session"] != "")
			_, err = p.Handle(line.Command{Verb: line.End, Workload: name})
			require.NoError(t, err)
		})
		done[name] = true
	}
	t.Run("follow", func(t *testing.T) {
		w, err := openFollow(ctx, line.Args{"servers": g.ConnectString(), "path": "/tree"})
		require.NoError(t, err)
		for i := range 5 {
			err := g.Set(kit.NodePath("/tree", i), kit.Payload(1))
			require.NoError(t, err)
		}
		answer, err := w.Run(ctx, 0, line.Args{"round": "1", "n": "5"})
		require.NoError(t, err)
		assert.Equal(t, 1, answer.Ops)
		require.NoError(t, w.Close())
		done["follow"] = true
	})
	for name := range openers {
		assert.True(t, done[name], "%s is not tested", name)
	}
}

func TestLoadNoticesThatNodesAreMissing(t *testing.T) {
	g := newGround(t)
	args := line.Args{"servers": g.ConnectString(), "path": "/tree", "nodes": "13"}
	w, err := openLoad(t.Context(), args)
	require.NoError(t, err)
	_, err = w.Run(t.Context(), 0, args)
	require.ErrorContains(t, err, "the cache has 12 of 13 nodes")
}
