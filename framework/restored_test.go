package framework_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// restored is a client whose servers were restored from a backup, between two sessions of it: they have given away 100 zxids that
// the client has seen, and will give them away again.
func restored(t *testing.T) (*zktest.Server, *framework.Client) {
	t.Helper()
	s := startServer(t, zktest.Config{})
	mustCreate(t, s, "/node", "old")
	cli := connected(t, s)
	seeMuch(t, cli)
	restore(t, s, cli)
	return s, cli
}

func seeMuch(t *testing.T, cli *framework.Client) {
	t.Helper()
	for range 100 {
		_, err := cli.Set(t.Context(), "/node", []byte("old"), framework.AnyVersion)
		require.NoError(t, err)
	}
}

func restore(t *testing.T, s *zktest.Server, cli *framework.Client) {
	t.Helper()
	require.NoError(t, s.Restart(zktest.WipeState))
	mustCreate(t, s, "/node", "old")
	awaitState(t, cli, framework.Lost)
	awaitState(t, cli, framework.Connected)
}

// overtake has the servers give away more zxids than were seen before they were restored.
func overtake(t *testing.T, s *zktest.Server) {
	t.Helper()
	if !s.Exists("/others") {
		mustCreate(t, s, "/others", "")
	}
	for range 200 {
		require.NoError(t, s.Set("/others", nil))
	}
}

// The first write behind a restore whose answer is lost is applied once, or nobody is told that it was, whether or not others have
// written so much in between that the zxids seen before have been given away again.
func TestFirstWriteAfterARestoreWhoseAnswerIsLost(t *testing.T) {
	for name, meanwhile := range map[string]func(*testing.T, *zktest.Server){
		"":            func(*testing.T, *zktest.Server) {},
		", overtaken": overtake,
	} {
		t.Run("set"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, cli := restored(t)
				onceOn(t, s, zktest.Reply, zktest.OpSetData, zktest.Cut, func() { meanwhile(t, s) })
				_, err := cli.Set(t.Context(), "/node", []byte("new"), framework.AnyVersion)
				require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
				_, stat, err := s.Get("/node")
				require.NoError(t, err)
				assert.EqualValues(t, 1, stat.Version, "it was applied more than once")
			})
		})
		t.Run("set with a version"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, cli := restored(t)
				onceOn(t, s, zktest.Reply, zktest.OpSetData, zktest.Cut, func() { meanwhile(t, s) })
				_, err := cli.Set(t.Context(), "/node", []byte("new"), 0)
				require.ErrorIs(t, err, framework.ErrOutcomeUnknown, "it was applied: there is no conflict")
			})
		})
		t.Run("setACL"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, cli := restored(t)
				onceOn(t, s, zktest.Reply, zktest.OpSetACL, zktest.Cut, func() { meanwhile(t, s) })
				_, err := cli.SetACL(t.Context(), "/node", framework.OpenACL(), 0)
				require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
			})
		})
		t.Run("create"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, cli := restored(t)
				onceOn(t, s, zktest.Reply, zktest.OpCreate2, zktest.Cut, func() { meanwhile(t, s) })
				_, err := cli.Create(t.Context(), "/made", []byte("new"))
				require.ErrorIs(t, err, framework.ErrOutcomeUnknown, "it was applied: there is no conflict")
				assert.True(t, s.Exists("/made"))
			})
		})
		t.Run("ephemeral create"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, cli := restored(t)
				onceOn(t, s, zktest.Reply, zktest.OpCreate2, zktest.Cut, func() { meanwhile(t, s) })
				node, err := cli.Create(t.Context(), "/made", []byte("new"), framework.Ephemeral)
				require.NoError(t, err, "its owner says that it was applied")
				assert.Equal(t, cli.State().SessionID, node.Stat.EphemeralOwner)
			})
		})
		t.Run("delete"+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, cli := restored(t)
				onceOn(t, s, zktest.Reply, zktest.OpDelete, zktest.Cut, func() {
					mustCreate(t, s, "/node", "theirs")
					meanwhile(t, s)
				})
				require.ErrorIs(t, cli.Delete(t.Context(), "/node", framework.AnyVersion), framework.ErrOutcomeUnknown)
				assert.True(t, s.Exists("/node"), "somebody else's node was deleted")
			})
		})
	}
}

// A guaranteed delete that was given up before a restore never deletes what others have created since.
func TestGuaranteedDeleteAfterARestore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "old")
		cli := connected(t, s)
		seeMuch(t, cli)
		s.Refuse()
		s.Cut(zktest.AllConns())
		awaitState(t, cli, framework.Suspended)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := cli.Delete(ctx, "/node", framework.AnyVersion, framework.Guaranteed)
		require.Error(t, err)
		syncs := 0
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage != zktest.Request || f.Op != zktest.OpSync {
				return zktest.Pass
			}
			if syncs++; syncs > 1 {
				return zktest.Pass
			}
			return zktest.AnswerWith(-127) // whose zxid shows that they were restored
		})()
		require.NoError(t, s.Restart(zktest.WipeState))
		mustCreate(t, s, "/node", "theirs")
		require.NoError(t, s.Accept())
		awaitState(t, cli, framework.Connected)
		_, _, err = cli.Exists(t.Context(), "/")
		require.NoError(t, err)
		overtake(t, s)
		time.Sleep(time.Minute)
		assert.True(t, s.Exists("/node"), "somebody else's node was deleted")
		assert.Positive(t, syncs)
	})
}

// Servers that were restored may give the id of a session away that this client had: it is not a former one any more.
func TestFormerSessionsAfterARestore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "old")
		cli := connected(t, s)
		seeMuch(t, cli)
		first := sessionOf(t, cli)
		restore(t, s, cli)
		second := sessionOf(t, cli)
		require.True(t, second.Former(first.ID()))
		assert.Zero(t, second.LastZxid(), "what was seen before counts no more")
		require.NoError(t, second.Sync(t.Context(), "/"))
		assert.False(t, second.Former(first.ID()))
		assert.Less(t, second.LastZxid(), int64(100))
	})
}
