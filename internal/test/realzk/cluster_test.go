package realzk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requireModes waits until one of three members leads and the others follow.
func requireModes(t *testing.T, c *Cluster, when string) {
	t.Helper()
	eventually(t, func() bool {
		count := make(map[Mode]int)
		for _, s := range c.Servers() {
			mode, _ := s.probe(t.Context())
			count[mode]++
		}
		return count[ModeLeader] == 1 && count[ModeFollower] == 2
	}, when)
}

func TestEnsemble(t *testing.T) {
	machine.require(t)
	var c *Cluster
	t.Run("lives", func(t *testing.T) {
		c = Ensemble(t, 3, Options{InitLimit: 8, SyncLimit: 8})
		require.Len(t, c.Servers(), 3)
		assert.Len(t, strings.Split(c.ConnectString(), ","), 3)
		requireModes(t, c, "when it has started")
		for _, fault := range []struct {
			name string
			test func(*testing.T, *Cluster, *Server)
		}{
			{"leader is killed", leaderIsKilled},
			{"leader is paused", leaderIsPaused},
			{"leader is partitioned", leaderIsPartitioned},
			{"follower is partitioned", followerIsPartitioned},
			{"majority is paused", majorityIsPaused},
			{"majority is stopped", majorityIsStopped},
		} {
			leader, err := c.Leader(within(t))
			require.NoError(t, err)
			require.True(t, t.Run(fault.name, func(t *testing.T) { fault.test(t, c, leader) }))
			requireModes(t, c, "after: "+fault.name)
			eventually(t, func() bool { return directConnections(t, c) == 0 }, "members must know each other by proxies only; after: "+fault.name)
		}
	})
	for _, s := range c.Servers() {
		assert.False(t, s.Running(), "it must end with its test")
		assert.False(t, exists(t, s.dir.path), "its directory must go")
	}
}

func leaderIsKilled(t *testing.T, c *Cluster, leader *Server) {
	require.NoError(t, createNode(within(t), leader.Addr(), "/kill-before"))
	require.NoError(t, leader.Kill())
	next, err := c.Leader(within(t))
	require.NoError(t, err)
	assert.NotSame(t, leader, next)
	require.NoError(t, createNode(within(t), next.Addr(), "/kill-after"))

	require.NoError(t, leader.Start())
	require.NoError(t, c.WaitReady(within(t)))
	conn := connect(t, leader.Addr())
	requireThere(t, conn, "/kill-before")
	requireThere(t, conn, "/kill-after")
}

func leaderIsPaused(t *testing.T, c *Cluster, leader *Server) {
	require.NoError(t, leader.Pause())
	next, err := c.LeaderOtherThan(within(t), leader)
	require.NoError(t, err)
	assert.NotSame(t, leader, next)
	require.NoError(t, leader.Resume())
	eventually(t, func() bool {
		mode, err := leader.probe(t.Context())
		return err == nil && mode == ModeFollower
	}, "the old leader must follow")
}

func leaderIsPartitioned(t *testing.T, c *Cluster, leader *Server) {
	c.Partition(slices.Index(c.Servers(), leader))
	next, err := c.LeaderOtherThan(within(t), leader)
	require.NoError(t, err)
	assert.NotSame(t, leader, next)
	require.NoError(t, createNode(within(t), next.Addr(), "/partition-of-leader"))
	requireStopsServing(t, leader)

	require.NoError(t, c.Heal())
	require.NoError(t, leader.WaitReady(within(t)))
	requireThere(t, connect(t, leader.Addr()), "/partition-of-leader")
}

func followerIsPartitioned(t *testing.T, c *Cluster, leader *Server) {
	follower := (slices.Index(c.Servers(), leader) + 1) % 3
	alone := c.Servers()[follower]
	c.Partition(follower)
	requireStopsServing(t, alone)
	still, err := c.LeaderOtherThan(within(t), alone)
	require.NoError(t, err, "the majority goes on")
	require.NoError(t, createNode(within(t), still.Addr(), "/partition-of-follower"))

	require.NoError(t, c.Heal())
	require.NoError(t, alone.WaitReady(within(t)))
	requireThere(t, connect(t, alone.Addr()), "/partition-of-follower")
}

func majorityIsStopped(t *testing.T, c *Cluster, leader *Server) {
	others := slices.DeleteFunc(c.Servers(), func(s *Server) bool { return s == leader })
	for _, s := range others {
		require.NoError(t, s.Stop())
	}
	requireStopsServing(t, leader)
	_, err := leader.Mode(within(t))
	require.ErrorIs(t, err, ErrNotServing)
	_, err = c.Leader(briefly(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, leader.Addr())

	for _, s := range others {
		require.NoError(t, s.Start())
	}
	_, err = c.Leader(within(t))
	require.NoError(t, err)
}

// A leader without followers goes on calling itself leader for a while.
func majorityIsPaused(t *testing.T, c *Cluster, leader *Server) {
	for _, s := range c.Servers() {
		if s != leader {
			require.NoError(t, s.Pause())
		}
	}
	_, err := c.Leader(briefly(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	for _, s := range c.Servers() {
		if s != leader {
			require.NoError(t, s.Resume())
		}
	}
	_, err = c.Leader(within(t))
	require.NoError(t, err)
}

func requireStopsServing(t *testing.T, s *Server) {
	t.Helper()
	eventually(t, func() bool {
		_, err := s.Mode(t.Context())
		return errors.Is(err, ErrNotServing)
	}, "a member without quorum must stop serving")
}

func TestEnsembleThatCannotStart(t *testing.T) {
	_, err := startEnsemble(installation{java: "/nonexistent/java"}, 3, Options{}, reserve)
	require.ErrorContains(t, err, "/nonexistent/java")
}
