package realzk

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// modes counts the members by mode; the key "" counts those that do not serve.
func modes(t *testing.T, c *Cluster) map[Mode]int {
	t.Helper()
	count := make(map[Mode]int)
	for _, s := range c.Servers() {
		mode, _ := s.probe(within(t))
		count[mode]++
	}
	return count
}

func TestEnsemble(t *testing.T) {
	machine.require(t)
	var c *Cluster
	t.Run("lives", func(t *testing.T) {
		c = Ensemble(t, 3, Options{InitLimit: 5, SyncLimit: 4})
		require.Len(t, c.Servers(), 3)
		assert.Len(t, strings.Split(c.ConnectString(), ","), 3)
		assert.Equal(t, map[Mode]int{ModeLeader: 1, ModeFollower: 2}, modes(t, c))
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
			require.NoError(t, c.WaitReady(within(t)))
			require.Equal(t, map[Mode]int{ModeLeader: 1, ModeFollower: 2}, modes(t, c), "after: %s", fault.name)
			require.Zero(t, directConnections(t, c), "members must know each other by proxies only; after: %s", fault.name)
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
		mode, err := leader.probe(within(t))
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
	still, err := c.Leader(within(t))
	require.NoError(t, err)
	assert.Same(t, leader, still, "the majority keeps its leader")
	require.NoError(t, createNode(within(t), leader.Addr(), "/partition-of-follower"))

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
	assert.ErrorContains(t, err, "not serving")

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
		_, err := s.probe(within(t))
		return err != nil
	}, "a member without quorum must stop serving")
}

func TestEnsembleThatCannotStart(t *testing.T) {
	_, err := startEnsemble(installation{java: "/nonexistent/java"}, 3, Options{}, reserve)
	require.ErrorContains(t, err, "/nonexistent/java")
}
