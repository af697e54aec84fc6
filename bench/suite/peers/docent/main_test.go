package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
	"github.com/docent-zk/docent/bench/suite/peers/kit/kittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every workload is done once in the ordinary tests, so that none breaks unseen.
func TestWorkloads(t *testing.T) {
	g := kittest.NewGround(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := map[string]bool{}
	workloads := map[string]line.Args{
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
		"unread":        {"path": "/unread", "n": "205"},
		"waiters":       {"path": "/queue", "clients": "2", "n": "5"},
		"watches":       {"path": "/absent", "n": "7"},
	}
	g.Play(t, version(), openers, workloads)
	for name := range workloads {
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
	g := kittest.NewGround(t)
	args := line.Args{"servers": g.ConnectString(), "path": "/tree", "nodes": "13"}
	w, err := openLoad(t.Context(), args)
	require.NoError(t, err)
	_, err = w.Run(t.Context(), 0, args)
	require.ErrorContains(t, err, "the cache has 12 of 13 nodes")
}
