package framework_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// loseReply makes the servers commit the next request with the opcode, lose the answer with the connection, and refuse
// connections for a while.
func loseReply(t *testing.T, s *zktest.Server, op zktest.Op, outage time.Duration) {
	t.Helper()
	lost := false
	remove := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if lost || f.Stage != zktest.Reply || f.Op != op || f.Err != 0 {
			return zktest.Pass
		}
		lost = true
		if outage > 0 {
			s.Refuse()
			time.AfterFunc(outage, func() { assert.NoError(t, s.Accept()) })
		}
		return zktest.Cut
	})
	t.Cleanup(func() {
		remove()
		assert.True(t, lost, "no reply was lost: the test tests nothing")
	})
}

// children lists what is below a node at the server.
func children(t *testing.T, s *zktest.Server, path string) []string {
	t.Helper()
	names, err := s.Children(path)
	require.NoError(t, err)
	return names
}

var decidable = map[string][]framework.CreateOption{
	"ephemeral":                         {framework.Ephemeral},
	"protected ephemeral":               {framework.Ephemeral, framework.Protected},
	"protected ephemeral sequential":    {framework.EphemeralSequential, framework.Protected},
	"protected persistent":              {framework.Persistent, framework.Protected},
	"protected persistent sequential":   {framework.PersistentSequential, framework.Protected},
	"protected TTL":                     {framework.PersistentTTL, framework.Protected, framework.WithTTL(time.Hour)},
	"protected, said to be idempotent":  {framework.EphemeralSequential, framework.Protected, framework.Idempotent},
	"protected, ACL of one's own":       {framework.EphemeralSequential, framework.Protected, framework.WithACL(framework.CreatorACL())},
	"ephemeral, where nobody may read":  {framework.Ephemeral, framework.WithACL(framework.DigestACL(2, "some", "s3cr3t")), framework.Protected},
	"protected, with parents to create": {framework.EphemeralSequential, framework.Protected, framework.Parents},
}

// The create was committed and its answer lost: the one node that exists is returned.
func TestCreateWithALostReply(t *testing.T) {
	for name, opts := range decidable {
		for _, outage := range []time.Duration{0, 300 * time.Millisecond, 2500 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s, outage of %v", name, outage), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := startServer(t, zktest.Config{})
					mustCreate(t, s, "/dir", "")
					cli := connected(t, s, func(c *framework.Config) {
						c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("me:s3cr3t")}}
					})
					loseReply(t, s, createOp(opts), outage)
					node, err := cli.Create(t.Context(), "/dir/node", []byte("data"), opts...)
					require.NoError(t, err)
					names := children(t, s, "/dir")
					require.Len(t, names, 1)
					assert.Equal(t, "/dir/"+names[0], node.Path)
					assert.Equal(t, []byte("data"), node.Data)
					_, stat, err := s.Get(node.Path)
					require.NoError(t, err)
					assert.EqualValues(t, stat, node.Stat)
					time.Sleep(time.Minute)
					assert.Len(t, children(t, s, "/dir"), 1, "and stays the only one")
				})
			})
		}
	}
}

// createOp is how a create with the options goes over the wire.
func createOp(opts []framework.CreateOption) zktest.Op {
	for _, o := range opts {
		if o == framework.PersistentTTL {
			return zktest.OpCreateTTL
		}
	}
	return zktest.OpCreate2
}

func TestCreateThatWasNotCommittedIsRepeated(t *testing.T) {
	for name, opts := range decidable {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/dir", "")
				cli := connected(t, s, func(c *framework.Config) {
					c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("me:s3cr3t")}}
				})
				cuts, most := 0, 3
				if createOp(opts) == zktest.OpCreateTTL {
					most = 1 // after two, the server counts as one that does not know the request
				}
				defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage != zktest.Request || f.Op != createOp(opts) && f.Op != zktest.OpCreate || cuts == most {
						return zktest.Pass
					}
					cuts++
					return zktest.Cut
				})()
				node, err := cli.Create(t.Context(), "/dir/node", nil, opts...)
				require.NoError(t, err)
				assert.Equal(t, most, cuts)
				assert.Equal(t, []string{node.Path[len("/dir/"):]}, children(t, s, "/dir"))
			})
		})
	}
}

// What nobody can decide is said to be unknown, and is not tried twice.
func TestCreateThatCannotBeDecided(t *testing.T) {
	for name, opts := range map[string][]framework.CreateOption{
		"persistent":            {framework.Persistent},
		"container":             {framework.Container},
		"persistent sequential": {framework.PersistentSequential},
		"ephemeral sequential":  {framework.EphemeralSequential},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/dir", "")
				cli := connected(t, s)
				op := zktest.OpCreate2
				if name == "container" {
					op = zktest.OpCreateContainer
				}
				loseReply(t, s, op, 0)
				_, err := cli.Create(t.Context(), "/dir/node", []byte("data"), opts...)
				require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
				var opErr *framework.OpError
				require.ErrorAs(t, err, &opErr)
				assert.Equal(t, "/dir/node", opErr.Path)
				assert.Equal(t, 1, opErr.Attempts)
				assert.Len(t, children(t, s, "/dir"), 1)
			})
		})
	}
}

// One that is not sequential can still be decided when it certainly was not created, and when somebody else's is there.
func TestPersistentCreateWithALostRequest(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, s *zktest.Server)
		want      error
	}{
		"nothing there":        {func(*testing.T, *zktest.Server) {}, nil},
		"somebody else's node": {func(t *testing.T, s *zktest.Server) { mustCreate(t, s, "/node", "theirs") }, framework.ErrNodeExists},
		"might be ours":        {func(t *testing.T, s *zktest.Server) { mustCreate(t, s, "/node", "ours") }, framework.ErrOutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s)
				cut := false
				defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if cut || f.Stage != zktest.Request || f.Op != zktest.OpCreate2 {
						return zktest.Pass
					}
					cut = true
					c.meanwhile(t, s)
					return zktest.Cut
				})()
				node, err := cli.Create(t.Context(), "/node", []byte("ours"))
				require.ErrorIs(t, err, c.want)
				if c.want == nil {
					assert.Equal(t, "/node", node.Path)
				}
			})
		})
	}
}

// An ephemeral node that was there before, of whoever, is not taken for the one that was asked for.
func TestEphemeralCreateDoesNotAdoptAnOlderNode(t *testing.T) {
	for name, owner := range map[string]func(cli *framework.Client) int64{
		"of another session": func(*framework.Client) int64 { return 0 },
		"of this session":    func(cli *framework.Client) int64 { return cli.State().SessionID },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				other := connected(t, s)
				cli := connected(t, s)
				id := owner(cli)
				if id == 0 {
					id = other.State().SessionID
				}
				_, err := s.CreateFor(id, "/node", nil, zktest.Ephemeral)
				require.NoError(t, err)
				require.NoError(t, cli.Sync(t.Context(), "/"))
				cut := false
				defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if cut || f.Stage != zktest.Request || f.Op != zktest.OpCreate2 {
						return zktest.Pass
					}
					cut = true
					return zktest.Cut
				})()
				_, err = cli.Create(t.Context(), "/node", nil, framework.Ephemeral)
				require.ErrorIs(t, err, framework.ErrNodeExists)
			})
		})
	}
}

// The same, and nobody is there to take the node: it is removed as soon as the servers are back.
func TestOrphanIsRemovedLater(t *testing.T) {
	for name, c := range map[string]struct {
		change configure
		ctx    func(t *testing.T) context.Context
	}{
		"the policy allows no retry": {func(c *framework.Config) { c.RetryPolicy = never }, func(t *testing.T) context.Context { return t.Context() }},
		"ctx ends":                   {func(*framework.Config) {}, func(t *testing.T) context.Context { return within(t, 500*time.Millisecond) }},
		"OperationTimeout passes":    {func(c *framework.Config) { c.OperationTimeout = time.Second }, func(t *testing.T) context.Context { return t.Context() }},
	} {
		for kind, mode := range map[string]framework.Mode{"ephemeral": framework.EphemeralSequential, "persistent": framework.PersistentSequential} {
			t.Run(name+", "+kind, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := startServer(t, zktest.Config{})
					mustCreate(t, s, "/dir", "")
					cli := connected(t, s, c.change)
					loseReply(t, s, zktest.OpCreate2, 2*time.Second)
					_, err := cli.Create(c.ctx(t), "/dir/node", nil, mode, framework.Protected)
					require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
					require.Len(t, children(t, s, "/dir"), 1, "the orphan")
					awaitState(t, cli, framework.Reconnected)
					time.Sleep(100 * time.Millisecond)
					assert.Empty(t, children(t, s, "/dir"))
				})
			})
		}
	}
}

// The caller leaves while the request is under way, before it is committed: the clean-up waits for it.
func TestCreateThatWasLeftIsRemoved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/dir", "")
		cli := connected(t, s)
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpCreate2 {
				return zktest.DelayBy(time.Second)
			}
			return zktest.Pass
		})()
		_, err := cli.Create(within(t, 100*time.Millisecond), "/dir/node", nil, framework.EphemeralSequential, framework.Protected)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Empty(t, children(t, s, "/dir"), "not yet committed")
		seen := 0
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 {
				seen++
			}
			return zktest.Pass
		})()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, 1, seen, "it was created")
		assert.Empty(t, children(t, s, "/dir"), "and removed")
	})
}

// The session expires before the look-up: the dead session's node is never adopted, even while it is still there.
func TestNodeOfADeadSessionIsNotAdopted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{TickTime: 10 * time.Second, MinSessionTimeout: time.Second})
		mustCreate(t, s, "/dir", "")
		cli := connected(t, s, func(c *framework.Config) { c.OperationTimeout = time.Minute })
		dead := cli.State().SessionID
		// The client counts the session as lost after 4 s; the server, with its long tick, keeps it and its node.
		loseReply(t, s, zktest.OpCreate2, 5*time.Second)
		done := make(chan struct{})
		var node framework.Node
		var err error
		go func() {
			defer close(done)
			node, err = cli.Create(t.Context(), "/dir/node", nil, framework.EphemeralSequential, framework.Protected)
		}()
		awaitState(t, cli, framework.Lost)
		<-done
		require.NoError(t, err)
		assert.NotEqual(t, dead, node.Stat.EphemeralOwner)
		assert.Equal(t, cli.State().SessionID, node.Stat.EphemeralOwner)
		require.Len(t, children(t, s, "/dir"), 2, "the dead session's node is still there")
		time.Sleep(time.Minute)
		assert.Equal(t, []string{node.Path[len("/dir/"):]}, children(t, s, "/dir"))
	})
}

// And again, with the answer in the new session lost as well: of the two nodes with one GUID the right one is found.
func TestNodeIsFoundBesideOneOfADeadSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{TickTime: 10 * time.Second, MinSessionTimeout: time.Second})
		mustCreate(t, s, "/dir", "")
		cli := connected(t, s, func(c *framework.Config) { c.OperationTimeout = time.Minute })
		replies := 0
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage != zktest.Reply || f.Op != zktest.OpCreate2 || f.Err != 0 {
				return zktest.Pass
			}
			if replies++; replies == 1 {
				s.Refuse()
				time.AfterFunc(5*time.Second, func() { assert.NoError(t, s.Accept()) })
			}
			return zktest.Cut
		})()
		node, err := cli.Create(t.Context(), "/dir/node", nil, framework.EphemeralSequential, framework.Protected)
		require.NoError(t, err)
		assert.Equal(t, 2, replies, "one create in each session")
		assert.Equal(t, cli.State().SessionID, node.Stat.EphemeralOwner)
		require.Len(t, children(t, s, "/dir"), 2)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{node.Path[len("/dir/"):]}, children(t, s, "/dir"))
	})
}

// In a session of its own the operation ends with the session.
func TestSessionCreateEndsWithTheSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/dir", "")
		cli := connected(t, s)
		session := sessionOf(t, cli)
		loseReply(t, s, zktest.OpCreate2, 20*time.Second)
		_, err := session.Create(t.Context(), "/dir/node", nil, framework.EphemeralSequential, framework.Protected)
		require.ErrorIs(t, err, framework.ErrSessionLost)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		awaitState(t, cli, framework.Connected)
		time.Sleep(time.Minute)
		assert.Empty(t, children(t, s, "/dir"))
	})
}

// The look at what became of a create may itself be refused: that is no answer to the create.
func TestCreateThatCannotBeLookedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		admin, cli := connected(t, s, as("admin", "s3cr3t")), connected(t, s)
		_, err := admin.Create(t.Context(), "/dir", nil, framework.WithACL(append(
			framework.DigestACL(zk.PermAll, "admin", "s3cr3t"), zk.WorldACL(zk.PermCreate)...)))
		require.NoError(t, err)
		loseReply(t, s, zktest.OpCreate2, 0)
		_, err = cli.Create(t.Context(), "/dir/n-", nil, framework.EphemeralSequential, framework.Protected)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		require.ErrorIs(t, err, framework.ErrNoAuth)
		require.ErrorContains(t, err, "the read that would tell is refused")
		assert.Len(t, children(t, s, "/dir"), 1)
	})
}

// The look goes behind a sync: the server may be another one than before, which lags behind.
func TestLookGoesBehindASync(t *testing.T) {
	for name, do := range map[string]func(ctx context.Context, cli *framework.Client) error{
		"create": func(ctx context.Context, cli *framework.Client) error {
			_, err := cli.Create(ctx, "/n-", nil, framework.EphemeralSequential, framework.Protected)
			return err
		},
		"set": func(ctx context.Context, cli *framework.Client) error {
			_, err := cli.Set(ctx, "/node", nil, 0)
			return err
		},
		"delete": func(ctx context.Context, cli *framework.Client) error { return cli.Delete(ctx, "/node", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				setNode(t, s)
				cli := connected(t, s)
				require.NoError(t, cli.Sync(t.Context(), "/"))
				cut := false
				var then []zktest.Op
				defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					switch {
					case f.Stage != zktest.Request || f.Op == zktest.OpConnect || f.Op == zktest.OpPing:
					case cut:
						then = append(then, f.Op)
					default:
						cut = true
						return zktest.Cut
					}
					return zktest.Pass
				})()
				require.NoError(t, do(t.Context(), cli))
				require.NotEmpty(t, then)
				assert.Equal(t, zktest.OpSync, then[0])
			})
		})
	}
}

// A persistent node that was asked for in a session which the servers still keep may be created late.
func TestProtectedCreateInALostSessionMayComeLate(t *testing.T) {
	for name, c := range map[string]struct {
		mode framework.Mode
		want error
	}{
		"persistent": {framework.PersistentSequential, framework.ErrOutcomeUnknown},
		"ephemeral":  {framework.EphemeralSequential, nil}, // and would go with that session
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{TickTime: 20 * time.Second, MinSessionTimeout: time.Second})
				cli := connected(t, s, func(c *framework.Config) { c.OperationTimeout = time.Minute })
				onceOn(t, s, zktest.Request, zktest.OpCreate2, zktest.Cut, func() {
					s.Refuse()
					time.AfterFunc(5*time.Second, func() { assert.NoError(t, s.Accept()) })
				})
				_, err := cli.Create(t.Context(), "/n-", nil, c.mode, framework.Protected)
				require.ErrorIs(t, err, c.want)
				assert.EqualValues(t, 2, cli.State().Epoch)
			})
		})
	}
}

// Somebody else's ephemeral node is no doubt about one's own, even if it looks the same.
func TestEphemeralCreateMeetsAnothersNode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		other, cli := connected(t, s), connected(t, s)
		id := other.State().SessionID
		onceOn(t, s, zktest.Request, zktest.OpCreate2, zktest.Cut, func() {
			_, err := s.CreateFor(id, "/node", []byte("same"), zktest.Ephemeral)
			assert.NoError(t, err)
		})
		_, err := cli.Create(t.Context(), "/node", []byte("same"), framework.Ephemeral)
		require.ErrorIs(t, err, framework.ErrNodeExists)
		require.NotErrorIs(t, err, framework.ErrOutcomeUnknown)
	})
}
