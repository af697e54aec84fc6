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

// asked is one operation of a session, whose request is of the kind op.
type asked struct {
	name string
	op   zktest.Op
	do   func(ctx context.Context, s *framework.Session) error
}

func askedOperations() []asked {
	return []asked{
		{"get", zktest.OpGetData, func(ctx context.Context, s *framework.Session) error { _, err := s.Get(ctx, "/node"); return err }},
		{"exists", zktest.OpExists, func(ctx context.Context, s *framework.Session) error { _, _, err := s.Exists(ctx, "/node"); return err }},
		{"children", zktest.OpGetChildren2, func(ctx context.Context, s *framework.Session) error {
			_, _, err := s.Children(ctx, "/node")
			return err
		}},
		{"sync", zktest.OpSync, func(ctx context.Context, s *framework.Session) error { return s.Sync(ctx, "/node") }},
		{"getACL", zktest.OpGetACL, func(ctx context.Context, s *framework.Session) error { _, _, err := s.ACL(ctx, "/node"); return err }},
		{"watch", zktest.OpGetData, func(ctx context.Context, s *framework.Session) error {
			_, _, err := s.WatchData(ctx, "/node")
			return err
		}},
		{"watchTree", zktest.OpAddWatch, func(ctx context.Context, s *framework.Session) error { _, err := s.WatchTree(ctx, "/node"); return err }},
		{"create", zktest.OpCreate2, func(ctx context.Context, s *framework.Session) error {
			_, err := s.Create(ctx, "/node/n-", nil, framework.PersistentSequential)
			return err
		}},
		{"protected create", zktest.OpCreate2, func(ctx context.Context, s *framework.Session) error {
			_, err := s.Create(ctx, "/node/n-", nil, framework.EphemeralSequential, framework.Protected)
			return err
		}},
		{"set", zktest.OpSetData, func(ctx context.Context, s *framework.Session) error {
			_, err := s.Set(ctx, "/node", []byte("new"), framework.AnyVersion)
			return err
		}},
		{"setACL", zktest.OpSetACL, func(ctx context.Context, s *framework.Session) error {
			_, err := s.SetACL(ctx, "/node", framework.OpenACL(), 0)
			return err
		}},
		{"multi", zktest.OpMulti, func(ctx context.Context, s *framework.Session) error {
			_, err := s.Multi(ctx, []framework.Op{framework.SetOp("/node", []byte("new"), framework.AnyVersion)})
			return err
		}},
		{"delete", zktest.OpDelete, func(ctx context.Context, s *framework.Session) error {
			return s.Delete(ctx, "/node/leaf", framework.AnyVersion)
		}},
	}
}

// A server answers out of turn, and is known for it. A reply that it then loses costs no more than a session timeout and the
// time to connect.
func TestReplyLostByAServerThatAnswersOutOfTurn(t *testing.T) {
	for _, a := range askedOperations() {
		t.Run(a.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node/leaf", "old")
				cli := connected(t, s)
				outOfTurn(t, s, cli)
				states := record(t, cli)
				lost := false
				t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Reply && f.Op == a.op && !lost {
						lost = true
						return zktest.Drop
					}
					return zktest.Pass
				}))
				begun := time.Now()
				err := a.do(within(t, time.Hour), sessionOf(t, cli))
				took := time.Since(begun)
				t.Logf("it took %.2f session timeouts: %v; %d breaks", took.Seconds()/sessionTimeout.Seconds(), err, states.count(framework.Suspended))
				if err != nil {
					assert.ErrorIs(t, err, framework.ErrOutcomeUnknown)
				}
				assert.LessOrEqual(t, took, 2*sessionTimeout)
				assert.LessOrEqual(t, states.count(framework.Suspended), 1)
			})
		})
	}
}

// outOfTurn has a server answer reads of several callers out of turn, for a while, so that a client can learn that it does. It runs
// in a bubble.
func outOfTurn(t *testing.T, s *zktest.Server, cli *framework.Client) {
	t.Helper()
	n := 0
	remove := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if n++; f.Stage == zktest.Reply && f.Op == zktest.OpExists && n%3 == 0 {
			return zktest.Overtaken
		}
		return zktest.Pass
	})
	defer remove()
	done := make(chan error, 4)
	for range cap(done) {
		go func() {
			for range 25 {
				if _, _, err := cli.Exists(within(t, time.Minute), "/node"); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
}

// A server that answers out of turn for an hour: callers get their answers, and connections are not broken in a loop.
func TestServerThatAnswersOutOfTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "old")
		cli := connected(t, s)
		states := record(t, cli)
		for range 10 {
			outOfTurn(t, s, cli)
			time.Sleep(6 * time.Minute)
		}
		breaks := states.count(framework.Suspended)
		t.Logf("%d breaks", breaks)
		assert.LessOrEqual(t, breaks, 3)
		assert.Zero(t, states.count(framework.Lost))
	})
}
