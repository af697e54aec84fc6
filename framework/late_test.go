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

// lateWrites are the operations of a client that leave something behind when they are applied, and what that is.
var lateWrites = map[string]struct {
	op    zktest.Op
	write func(ctx context.Context, cli *framework.Client) error
	done  func(s *zktest.Server) bool
}{
	"set": {zktest.OpSetData, func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Set(ctx, "/node", []byte("new"), framework.AnyVersion)
		return err
	}, wasSet},
	"set of a version": {zktest.OpSetData, func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Set(ctx, "/node", []byte("new"), 0)
		return err
	}, wasSet},
	"delete": {zktest.OpDelete, func(ctx context.Context, cli *framework.Client) error {
		return cli.Delete(ctx, "/node", framework.AnyVersion)
	}, wasDeleted},
	"delete of a version": {zktest.OpDelete, func(ctx context.Context, cli *framework.Client) error {
		return cli.Delete(ctx, "/node", 0)
	}, wasDeleted},
	"setACL of a version": {zktest.OpSetACL, func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.SetACL(ctx, "/node", framework.OpenACL(), 0)
		return err
	}, func(s *zktest.Server) bool {
		_, stat, _ := s.Get("/node")
		return stat.Aversion == 1
	}},
	"persistent create": {zktest.OpCreate2, func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Create(ctx, "/node/new", nil)
		return err
	}, wasCreated},
	"container": {zktest.OpCreateContainer, func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Create(ctx, "/node/new", nil, framework.Container)
		return err
	}, wasCreated},
	"protected persistent create": {zktest.OpCreate2, func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Create(ctx, "/node/new", nil, framework.Protected)
		return err
	}, wasCreated},
	"multi": {zktest.OpMulti, func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Multi(ctx, []framework.Op{framework.SetOp("/node", []byte("new"), 0)})
		return err
	}, wasSet},
}

func wasSet(s *zktest.Server) bool {
	data, stat, _ := s.Get("/node")
	return string(data) == "new" && stat.Version == 1
}

func wasDeleted(s *zktest.Server) bool { return !s.Exists("/node") }

func wasCreated(s *zktest.Server) bool {
	names, _ := s.Children("/node")
	return len(names) == 1
}

// heldBack makes a network hold back the first request of a kind, which this server never gets: what would become of it is for
// the test to do. The client cannot reach a server until it has lost its session, which the servers keep. The result counts
// the requests of that kind.
func heldBack(t *testing.T, s *zktest.Server, op zktest.Op) (sent *int) {
	t.Helper()
	sent = new(int)
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage != zktest.Request || f.Op != op {
			return zktest.Pass
		}
		if *sent++; *sent > 1 {
			return zktest.Pass
		}
		s.Refuse()
		time.AfterFunc(sessionTimeout+time.Second, func() { assert.NoError(t, s.Accept()) })
		return zktest.Cut
	}))
	return sent
}

// slowToExpire is a server that keeps sessions for longer than its clients count on.
var slowToExpire = zktest.Config{TickTime: 20 * time.Second, MinSessionTimeout: time.Second}

// Seen from the next session nobody can know whether a request of the one before, which the servers may still keep, will be
// applied. So the outcome is unknown, and nothing is sent a second time.
func TestWriteThatMayComeLate(t *testing.T) {
	for name, c := range lateWrites {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, slowToExpire)
				cli := lateClient(t, s)
				sent := heldBack(t, s, c.op)
				err := c.write(within(t, time.Hour), cli)
				require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
				assert.Equal(t, 1, *sent)
				assert.False(t, c.done(s))
				time.Sleep(2 * sessionTimeout)
				assert.Len(t, s.Sessions(), 2, "the servers keep the old one")
			})
		})
	}
}

// The same when the session is known to be over, by the servers' word: what was not applied then never will be.
func TestWriteThatCannotComeLate(t *testing.T) {
	for name, c := range lateWrites {
		if c.op == zktest.OpMulti {
			continue // nobody can tell what became of it
		}
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := lateClient(t, s)
				onceOn(t, s, zktest.Request, c.op, zktest.Cut, func() { s.ExpireSession(cli.State().SessionID) })
				require.NoError(t, c.write(within(t, time.Hour), cli))
				assert.EqualValues(t, 2, cli.State().Epoch)
				assert.True(t, c.done(s))
			})
		})
	}
}

// Somebody else has deleted the node: the delete of the lost session may yet hit the next one at its path.
func TestDeleteThatMayHitAnotherNode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, slowToExpire)
		cli := lateClient(t, s)
		heldBack(t, s, zktest.OpDelete)
		time.AfterFunc(time.Second, func() { assert.NoError(t, s.Delete("/node")) })
		err := cli.Delete(within(t, time.Hour), "/node", framework.AnyVersion)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "may be later")
	})
}

// A late create of an ephemeral node goes with the session that it belongs to: no reason to hold up the next one.
func TestEphemeralCreateThatMayComeLate(t *testing.T) {
	for name, opts := range map[string][]framework.CreateOption{
		"plain":     {framework.Ephemeral},
		"protected": {framework.EphemeralSequential, framework.Protected},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, slowToExpire)
				cli := lateClient(t, s)
				old := cli.State().SessionID
				sent := heldBack(t, s, zktest.OpCreate2)
				node, err := cli.Create(within(t, time.Hour), "/node/new", nil, opts...)
				require.NoError(t, err)
				assert.Equal(t, 2, *sent)
				assert.Equal(t, cli.State().SessionID, node.Stat.EphemeralOwner)
				assert.NotEqual(t, old, node.Stat.EphemeralOwner)
			})
		})
	}
}

// lateClient is a client that has seen a node of version 0.
func lateClient(t *testing.T, s *zktest.Server) *framework.Client {
	t.Helper()
	mustCreate(t, s, "/node", "old")
	cli := connected(t, s)
	require.NoError(t, cli.Sync(t.Context(), "/"))
	return cli
}
