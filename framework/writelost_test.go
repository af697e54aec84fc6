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

// onceOn runs f at the first frame that matches, and gives the frame its verdict.
func onceOn(t *testing.T, s *zktest.Server, stage zktest.Stage, op zktest.Op, verdict zktest.Verdict, f func()) {
	t.Helper()
	done := false
	remove := s.OnFrame(func(fr zktest.Frame) zktest.Verdict {
		if done || fr.Stage != stage || fr.Op != op || fr.Err != 0 {
			return zktest.Pass
		}
		done = true
		f()
		return verdict
	})
	t.Cleanup(func() {
		remove()
		assert.True(t, done, "the frame did not come: the test tests nothing")
	})
}

func nothing() {}

// setNode is a node whose version tells how often it was set.
func setNode(t *testing.T, s *zktest.Server) (version func() int32) {
	t.Helper()
	mustCreate(t, s, "/node", "old")
	return func() int32 {
		_, stat, err := s.Get("/node")
		require.NoError(t, err)
		return stat.Version
	}
}

// A set is applied exactly once, or nobody is told that it was.
func TestSetWithALostReply(t *testing.T) {
	for name, c := range map[string]struct {
		stage     zktest.Stage
		meanwhile func(s *zktest.Server)
		version   int32
		opts      []framework.WriteOption
		want      error
		writes    int32
	}{
		"never arrived":                     {stage: zktest.Request, version: 0, writes: 1},
		"never arrived, any version":        {stage: zktest.Request, version: framework.AnyVersion, writes: 1},
		"applied":                           {stage: zktest.Reply, version: 0, want: framework.ErrOutcomeUnknown, writes: 1},
		"applied, any version":              {stage: zktest.Reply, version: framework.AnyVersion, want: framework.ErrOutcomeUnknown, writes: 1},
		"never arrived, set by others":      {stage: zktest.Request, version: 0, meanwhile: setByOthers, want: framework.ErrOutcomeUnknown, writes: 1},
		"never arrived, deleted by others":  {stage: zktest.Request, version: 0, meanwhile: deleteAndCreate, want: framework.ErrOutcomeUnknown},
		"applied, said to be idempotent":    {stage: zktest.Reply, version: framework.AnyVersion, opts: idempotent, writes: 2},
		"applied, idempotent, with version": {stage: zktest.Reply, version: 0, opts: idempotent, want: framework.ErrBadVersion, writes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				version := setNode(t, s)
				cli := connected(t, s)
				require.NoError(t, cli.Sync(t.Context(), "/"))
				onceOn(t, s, c.stage, zktest.OpSetData, zktest.Cut, func() {
					if c.meanwhile != nil {
						c.meanwhile(s)
					}
				})
				stat, err := cli.Set(t.Context(), "/node", []byte("new"), c.version, c.opts...)
				require.ErrorIs(t, err, c.want)
				assert.Equal(t, c.writes, version())
				if c.want == nil {
					assert.Equal(t, c.writes, stat.Version)
				}
			})
		})
	}
}

var idempotent = []framework.WriteOption{framework.Idempotent}

func setByOthers(s *zktest.Server) { _ = s.Set("/node", []byte("theirs")) }

func deleteAndCreate(s *zktest.Server) {
	_ = s.Delete("/node")
	_, _ = s.Create("/node", nil, zktest.Persistent)
}

// A client that has seen nothing of the tree yet cannot tell old from new.
func TestFirstSetWithALostReplyIsUnknown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		version := setNode(t, s)
		cli := connected(t, s)
		onceOn(t, s, zktest.Reply, zktest.OpSetData, zktest.Cut, nothing)
		_, err := cli.Set(t.Context(), "/node", nil, framework.AnyVersion)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		assert.EqualValues(t, 1, version())
	})
}

// What the session before has seen is no yardstick for the first write of the next one: the servers may have been restored from a
// backup. What the session itself has seen is one.
func TestFirstSetInANewSession(t *testing.T) {
	for name, sync := range map[string]bool{"nothing seen": false, "something seen": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				version := setNode(t, s)
				cli := connected(t, s)
				require.NoError(t, cli.Sync(t.Context(), "/"))
				events["expired"](t, s, cli)
				if sync {
					require.NoError(t, cli.Sync(t.Context(), "/"))
				}
				onceOn(t, s, zktest.Request, zktest.OpSetData, zktest.Cut, nothing)
				_, err := cli.Set(t.Context(), "/node", nil, framework.AnyVersion)
				if sync {
					require.NoError(t, err)
					assert.EqualValues(t, 1, version())
				} else {
					require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
					assert.EqualValues(t, 0, version())
				}
			})
		})
	}
}

// An ensemble that has lost its data counts transactions from 1 again: what was seen of the old one says nothing.
func TestEnsembleThatLostItsData(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		setNode(t, s)
		cli := connected(t, s)
		for range 100 {
			_, err := cli.Set(t.Context(), "/node", nil, framework.AnyVersion)
			require.NoError(t, err)
		}
		require.NoError(t, s.Restart(zktest.WipeState))
		awaitState(t, cli, framework.Lost)
		awaitState(t, cli, framework.Connected)
		version := setNode(t, s)
		require.NoError(t, cli.Sync(t.Context(), "/"))
		onceOn(t, s, zktest.Reply, zktest.OpSetData, zktest.Cut, nothing)
		_, err := cli.Set(t.Context(), "/node", nil, framework.AnyVersion)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		assert.EqualValues(t, 1, version())
	})
}

func TestDeleteWithALostReply(t *testing.T) {
	for name, c := range map[string]struct {
		stage     zktest.Stage
		meanwhile func(s *zktest.Server)
		version   int32
		want      error
		left      bool
	}{
		"never arrived":                     {stage: zktest.Request},
		"applied":                           {stage: zktest.Reply},
		"applied, created anew by others":   {stage: zktest.Reply, meanwhile: createByOthers, want: framework.ErrOutcomeUnknown, left: true},
		"never arrived, deleted by others":  {stage: zktest.Request, meanwhile: func(s *zktest.Server) { _ = s.Delete("/node") }},
		"never arrived, replaced by others": {stage: zktest.Request, meanwhile: deleteAndCreate, want: framework.ErrOutcomeUnknown, left: true},
		"never arrived, set by others":      {stage: zktest.Request, meanwhile: setByOthers, want: framework.ErrBadVersion, left: true},
		"never arrived, set, any version":   {stage: zktest.Request, meanwhile: setByOthers, version: framework.AnyVersion},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				setNode(t, s)
				cli := connected(t, s)
				require.NoError(t, cli.Sync(t.Context(), "/"))
				onceOn(t, s, c.stage, zktest.OpDelete, zktest.Cut, func() {
					if c.meanwhile != nil {
						c.meanwhile(s)
					}
				})
				require.ErrorIs(t, cli.Delete(t.Context(), "/node", c.version), c.want)
				assert.Equal(t, c.left, s.Exists("/node"))
			})
		})
	}
}

// A node that is newer than what the client has seen may have been there when the delete was sent: that it is there now does
// not say that the delete was applied.
func TestDeleteOfANodeNotSeenBefore(t *testing.T) {
	for name, sync := range map[string]bool{"first request of the client": false, "created since the last answer": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s)
				if sync {
					require.NoError(t, cli.Sync(t.Context(), "/"))
				}
				mustCreate(t, s, "/node", "")
				onceOn(t, s, zktest.Request, zktest.OpDelete, zktest.Cut, nothing)
				require.ErrorIs(t, cli.Delete(t.Context(), "/node", 0), framework.ErrOutcomeUnknown)
				assert.True(t, s.Exists("/node"))
			})
		})
	}
}

func createByOthers(s *zktest.Server) { _, _ = s.Create("/node", nil, zktest.Persistent) }

func TestSetACLWithALostReply(t *testing.T) {
	for name, c := range map[string]struct {
		stage   zktest.Stage
		version int32
		want    error
	}{
		"never arrived":              {zktest.Request, 0, nil},
		"applied":                    {zktest.Reply, 0, framework.ErrOutcomeUnknown},
		"never arrived, any version": {zktest.Request, framework.AnyVersion, framework.ErrOutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				setNode(t, s)
				cli := connected(t, s)
				require.NoError(t, cli.Sync(t.Context(), "/"))
				onceOn(t, s, c.stage, zktest.OpSetACL, zktest.Cut, nothing)
				stat, err := cli.SetACL(t.Context(), "/node", framework.OpenACL(), c.version)
				require.ErrorIs(t, err, c.want)
				if c.want == nil {
					assert.EqualValues(t, 1, stat.Aversion)
				}
			})
		})
	}
}

func TestMultiWithALostReply(t *testing.T) {
	for name, c := range map[string]struct {
		stage  zktest.Stage
		opts   []framework.WriteOption
		want   error
		writes int32
	}{
		"never arrived":             {zktest.Request, nil, framework.ErrOutcomeUnknown, 0},
		"applied":                   {zktest.Reply, nil, framework.ErrOutcomeUnknown, 1},
		"never arrived, idempotent": {zktest.Request, idempotent, nil, 1},
		"applied, idempotent":       {zktest.Reply, idempotent, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				version := setNode(t, s)
				cli := connected(t, s)
				onceOn(t, s, c.stage, zktest.OpMulti, zktest.Cut, nothing)
				_, err := cli.Multi(t.Context(), []framework.Op{framework.SetOp("/node", nil, framework.AnyVersion)}, c.opts...)
				require.ErrorIs(t, err, c.want)
				assert.Equal(t, c.writes, version())
			})
		})
	}
}

// A hundred increments by compare and set over a link that breaks all the time: none is lost, none is doubled.
func TestIncrementsOverABadLink(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/counter", "")
		cli := connected(t, s)
		frames := 0
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Op != zktest.OpSetData {
				return zktest.Pass
			}
			frames++
			switch frames % 5 {
			case 0:
				return zktest.Cut
			case 3:
				return zktest.CutAfter
			}
			return zktest.Pass
		})()
		for i := range 100 {
			increment(t, cli, byte(i))
		}
		data, _, err := s.Get("/counter")
		require.NoError(t, err)
		assert.Len(t, data, 100)
		assert.Greater(t, frames, 150, "requests and answers")
	})
}

// increment appends mark to the counter once. With an unknown outcome it looks whether it is there.
func increment(t *testing.T, cli *framework.Client, mark byte) {
	t.Helper()
	for {
		node, err := cli.Get(t.Context(), "/counter")
		require.NoError(t, err)
		if n := len(node.Data); n > 0 && node.Data[n-1] == mark {
			return
		}
		_, err = cli.Set(t.Context(), "/counter", append(node.Data, mark), node.Stat.Version)
		if err == nil {
			return
		}
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
	}
}

// Data belongs to the caller again as soon as a call has returned, also when it was left under way.
func TestDataOfACallThatWasLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		setNode(t, s)
		cli := connected(t, s)
		heal := s.Blackhole(zktest.AllConns(), zktest.ToServer)
		data := []byte("as it was")
		for range 40 {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, _ = cli.Set(ctx, "/node", data, framework.AnyVersion)
			ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
			_, err := cli.Set(ctx, "/node", data, framework.AnyVersion)
			cancel()
			require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		}
		copy(data, "something")
		heal()
		time.Sleep(time.Second)
		got, _, err := s.Get("/node")
		require.NoError(t, err)
		assert.Equal(t, "as it was", string(got))
	})
}
