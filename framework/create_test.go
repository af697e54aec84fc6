package framework_test

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

// modes are all modes, what a node of each is at the server, and what its name ends with.
var modes = map[string]struct {
	mode   framework.Mode
	server zktest.Mode
	suffix string
	opts   []framework.CreateOption
}{
	"persistent":                {framework.Persistent, zktest.Persistent, "", nil},
	"ephemeral":                 {framework.Ephemeral, zktest.Ephemeral, "", nil},
	"persistent sequential":     {framework.PersistentSequential, zktest.Persistent, "0000000000", nil},
	"ephemeral sequential":      {framework.EphemeralSequential, zktest.Ephemeral, "0000000000", nil},
	"container":                 {framework.Container, zktest.Container, "", nil},
	"persistent TTL":            {framework.PersistentTTL, zktest.PersistentTTL, "", []framework.CreateOption{framework.WithTTL(time.Minute)}},
	"persistent sequential TTL": {framework.PersistentSequentialTTL, zktest.PersistentTTL, "0000000000", []framework.CreateOption{framework.WithTTL(time.Minute)}},
}

func TestCreateInEveryMode(t *testing.T) {
	for name, m := range modes {
		for _, view := range []string{"client", "session"} {
			t.Run(name+", by "+view, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := startServer(t, zktest.Config{})
					mustCreate(t, s, "/app/dir", "")
					cli := connected(t, s, func(c *framework.Config) { c.ConnectString += "/app" })
					create := cli.Create
					if view == "session" {
						create = sessionOf(t, cli).Create
					}
					node, err := create(t.Context(), "/dir/n", []byte("data"), append(m.opts, m.mode)...)
					require.NoError(t, err)
					assert.Equal(t, "/dir/n"+m.suffix, node.Path)
					requireAsAtServer(t, s, "/app", node)
					at := s.Dump()["/app"+node.Path]
					assert.Equal(t, m.server, at.Mode)
					if m.server == zktest.PersistentTTL {
						assert.Equal(t, time.Minute, at.TTL)
					}
					if m.server == zktest.Ephemeral {
						assert.Equal(t, sessionID(t, s), node.Stat.EphemeralOwner)
					}
					assert.Zero(t, s.Counts().Requests[zktest.OpExists], "the Stat costs no request")
				})
			})
		}
	}
}

// requireAsAtServer checks that a node is what the server has.
func requireAsAtServer(t *testing.T, s *zktest.Server, root string, node framework.Node) {
	t.Helper()
	data, stat, err := s.Get(root + node.Path)
	require.NoError(t, err)
	assert.Equal(t, data, node.Data)
	assert.EqualValues(t, stat, node.Stat)
	assert.NotZero(t, node.Stat.Czxid)
}

// An old server answers create with the path only: the Stat is asked for.
func TestCreateOnAServerWithoutCreate2(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Op == zktest.OpCreate2 {
				return zktest.Cut
			}
			return zktest.Pass
		})()
		cli := connected(t, s)
		node, err := cli.Create(t.Context(), "/n", []byte("data"), framework.EphemeralSequential, framework.Protected)
		require.NoError(t, err)
		requireAsAtServer(t, s, "", node)
	})
}

func TestNilDataIsStoredAsEmpty(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		ctx := t.Context()
		_, err := cli.Create(ctx, "/a", nil)
		require.NoError(t, err)
		_, err = cli.Create(ctx, "/b/c", nil, framework.Parents)
		require.NoError(t, err)
		_, err = cli.Multi(ctx, []framework.Op{framework.CreateOp("/d", nil, framework.Persistent)})
		require.NoError(t, err)
		for _, path := range []string{"/a", "/b", "/b/c", "/d"} {
			assert.NotNil(t, s.Dump()[path].Data, path)
		}
		_, err = cli.Set(ctx, "/a", nil, framework.AnyVersion)
		require.NoError(t, err)
		_, err = cli.Multi(ctx, []framework.Op{framework.SetOp("/d", nil, framework.AnyVersion)})
		require.NoError(t, err)
		assert.NotNil(t, s.Dump()["/a"].Data)
		assert.NotNil(t, s.Dump()["/d"].Data)
	})
}

func TestSequentialNodeWithoutAName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/app", "")
		cli := connected(t, s)
		ns, err := cli.Namespace("app")
		require.NoError(t, err)
		for path, want := range map[string]string{"/queue/": "/queue/0000000000", "other/sub/": "/other/sub/0000000000"} {
			node, err := ns.Create(t.Context(), path, nil, framework.PersistentSequential, framework.Parents)
			require.NoError(t, err)
			assert.Equal(t, want, node.Path)
		}
		for _, c := range []*framework.Client{cli, ns} {
			node, err := c.Create(t.Context(), "/", nil, framework.PersistentSequential)
			require.NoError(t, err)
			assert.Regexp(t, "^/[0-9]{10}$", node.Path)
		}
		assert.Len(t, children(t, s, "/app"), 3, "inside the namespace")
		_, err = cli.Create(t.Context(), "/queue/", nil, framework.Persistent)
		require.ErrorIs(t, err, framework.ErrInvalidPath)
		_, err = cli.Create(t.Context(), "//", nil, framework.PersistentSequential)
		require.ErrorIs(t, err, framework.ErrInvalidPath)
	})
}

func TestProtectedNames(t *testing.T) {
	name := regexp.MustCompile(`^/dir/_c_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}-n0000000000$`)
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/dir", "")
		cli := connected(t, s)
		node, err := cli.Create(t.Context(), "/dir/n", nil, framework.EphemeralSequential, framework.Protected)
		require.NoError(t, err)
		assert.Regexp(t, name, node.Path)
		same := connected(t, s) // with the same Random
		again, err := same.Create(t.Context(), "/other", nil, framework.Ephemeral, framework.Protected)
		require.NoError(t, err)
		assert.Equal(t, node.Path[len("/dir/"):len(node.Path)-len("n0000000000")], again.Path[1:len(again.Path)-len("other")],
			"GUIDs come from Config.Random")
	})
}

func TestParents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		acl := framework.DigestACL(31, "me", "s3cr3t")
		cli := connected(t, s, func(c *framework.Config) {
			c.ConnectString += "/made/by/it"
			c.Auth, c.ACL = []framework.Auth{{Scheme: "digest", Credentials: []byte("me:s3cr3t")}}, acl
		})
		ctx := t.Context()
		_, err := cli.Create(ctx, "/a/b/c", nil)
		require.ErrorIs(t, err, framework.ErrNoNode)
		_, err = cli.Create(ctx, "/a/b/c", []byte("data"), framework.Parents, framework.WithACL(framework.OpenACL()))
		require.NoError(t, err)
		dump := s.Dump()
		for _, path := range []string{"/made", "/made/by", "/made/by/it", "/made/by/it/a", "/made/by/it/a/b"} {
			assert.Equal(t, zktest.Container, dump[path].Mode, path)
			assert.Empty(t, dump[path].Data)
		}
		assert.Equal(t, zktest.Persistent, dump["/made/by/it/a/b/c"].Mode)
		got, _, err := cli.ACL(ctx, "/a")
		require.NoError(t, err)
		assert.Equal(t, acl, got, "parents get Config.ACL")
		got, _, err = cli.ACL(ctx, "/a/b/c")
		require.NoError(t, err)
		assert.Equal(t, framework.OpenACL(), got)
		_, err = cli.Create(ctx, "/a/b/c", nil, framework.Parents)
		require.ErrorIs(t, err, framework.ErrNodeExists)
	})
}

// Servers reap empty containers at any time, also between the making of a parent and the create below it.
func TestParentsAreMadeAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{ContainerCheckInterval: time.Second})
		cli := connected(t, s)
		node, err := cli.Create(t.Context(), "/a/b/n", nil, framework.Ephemeral, framework.Parents)
		require.NoError(t, err)
		require.NoError(t, cli.Delete(t.Context(), node.Path, 0))
		time.Sleep(5 * time.Second)
		require.False(t, s.Exists("/a"), "reaped")
		reaps := 0
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreateContainer && f.Err == 0 && f.Path == "/a/b" && reaps < 5 {
				reaps++
				assert.NoError(t, s.Delete("/a/b"))
				assert.NoError(t, s.Delete("/a"))
			}
			return zktest.Pass
		})()
		_, err = cli.Create(t.Context(), "/a/b/n", nil, framework.Ephemeral, framework.Parents)
		require.NoError(t, err)
		assert.Equal(t, 5, reaps)
	})
}

func TestParentsThatAlwaysGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreateContainer {
				_ = s.Delete("/a")
			}
			return zktest.Pass
		})()
		_, err := cli.Create(t.Context(), "/a/n", nil, framework.Parents)
		require.ErrorIs(t, err, framework.ErrNoNode)
		require.ErrorContains(t, err, "create /a/n: ")
		require.ErrorContains(t, err, "the parent was deleted 100 times")
	})
}

// A link that breaks while parents are made leaves no doubt about the node itself.
func TestLostReplyToAParent(t *testing.T) {
	for name, stage := range map[string]zktest.Stage{"request": zktest.Request, "reply": zktest.Reply} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				cli := connected(t, s)
				onceOn(t, s, stage, zktest.OpCreateContainer, zktest.Cut, nothing)
				node, err := cli.Create(t.Context(), "/a/b/n-", nil, framework.PersistentSequential, framework.Parents)
				require.NoError(t, err)
				assert.Equal(t, "/a/b/n-0000000000", node.Path)
				assert.Len(t, children(t, s, "/a/b"), 1)
			})
		})
	}
}

func TestParentThatIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.Namespace = "ns" })
		_, err := cli.Create(t.Context(), "/e", nil, framework.Ephemeral, framework.Parents)
		require.NoError(t, err)
		_, err = cli.Create(t.Context(), "/e/sub/n", nil, framework.Parents)
		require.ErrorIs(t, err, framework.ErrNoChildrenForEphemerals)
		require.ErrorContains(t, err, "parent /e/sub", "as the client knows it")
	})
}

func TestCreateOptionsThatMakeNoSense(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		for name, opts := range map[string][]framework.CreateOption{
			"TTL mode without a TTL":  {framework.PersistentTTL},
			"TTL without a TTL mode":  {framework.WithTTL(time.Second)},
			"TTL on an ephemeral":     {framework.Ephemeral, framework.WithTTL(time.Second)},
			"negative TTL":            {framework.PersistentTTL, framework.WithTTL(-time.Second)},
			"TTL below a millisecond": {framework.PersistentTTL, framework.WithTTL(time.Microsecond)},
			"TTL of 1.5 milliseconds": {framework.PersistentTTL, framework.WithTTL(1500 * time.Microsecond)},
			"protected container":     {framework.Container, framework.Protected},
		} {
			_, err := cli.Create(t.Context(), "/node", nil, opts...)
			require.ErrorIs(t, err, zk.ErrInvalidFlags, name)
			require.ErrorContains(t, err, "create /node: ", name)
		}
		_, err := cli.Create(t.Context(), "/node", nil, framework.Mode(99))
		require.ErrorIs(t, err, zk.ErrInvalidFlags)
		assert.False(t, s.Exists("/node"))
	})
}

func TestTTLNodeGoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{ContainerCheckInterval: time.Second})
		cli := connected(t, s)
		node, err := cli.Create(t.Context(), "/n", nil, framework.PersistentSequentialTTL, framework.WithTTL(5*time.Second))
		require.NoError(t, err)
		time.Sleep(4 * time.Second)
		assert.True(t, s.Exists(node.Path))
		time.Sleep(4 * time.Second)
		assert.False(t, s.Exists(node.Path))
	})
}

func TestCreateInQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		session := sessionOf(t, cli)
		before := s.Counts()
		first, names, err := recipekit.CreateInQueue(t.Context(), session, "/locks/one", "lock-", []byte("data"))
		require.NoError(t, err)
		requireAsAtServer(t, s, "", first)
		assert.Equal(t, []string{first.Path[len("/locks/one/"):]}, names)
		assert.Equal(t, zktest.Container, s.Dump()["/locks/one"].Mode)
		t.Logf("first in a queue: %v", s.Counts().Sub(before).Requests)

		before = s.Counts()
		start := time.Now()
		second, names, err := recipekit.CreateInQueue(t.Context(), session, "/locks/one", "lock-", nil)
		require.NoError(t, err)
		assert.Less(t, time.Since(start), 700*time.Microsecond, "one round trip, not two")
		assert.Len(t, names, 2)
		assert.Contains(t, names, second.Path[len("/locks/one/"):])
		assert.Equal(t, map[zktest.Op]int64{zktest.OpCreate2: 1, zktest.OpGetChildren2: 1}, s.Counts().Sub(before).Requests)

		_, _, err = recipekit.CreateInQueue(t.Context(), session, "/locks//one", "lock-", nil)
		require.ErrorIs(t, err, framework.ErrInvalidPath)
	})
}

// The answers to the create, to the list, or to both are lost: one node, and a list that has it.
func TestCreateInQueueWithLostReplies(t *testing.T) {
	for _, op := range []zktest.Op{zktest.OpCreate2, zktest.OpGetChildren2} {
		for name, stage := range map[string]zktest.Stage{"request": zktest.Request, "reply": zktest.Reply} {
			t.Run(fmt.Sprintf("%v %s", op, name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := startServer(t, zktest.Config{})
					mustCreate(t, s, "/q", "")
					cli := connected(t, s)
					session := sessionOf(t, cli)
					onceOn(t, s, stage, op, zktest.Cut, nothing)
					node, names, err := recipekit.CreateInQueue(t.Context(), session, "/q", "n-", nil)
					require.NoError(t, err)
					assert.Equal(t, children(t, s, "/q"), names)
					assert.Equal(t, []string{node.Path[len("/q/"):]}, names)
				})
			})
		}
	}
}

// The caller leaves at any moment: no node stays.
func TestCreateInQueueThatIsLeft(t *testing.T) {
	for after := range 30 {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			cli := connected(t, s)
			session := sessionOf(t, cli)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(after)*100*time.Microsecond)
			defer cancel()
			node, _, err := recipekit.CreateInQueue(ctx, session, "/q/sub", "n-", nil)
			time.Sleep(time.Second)
			if err != nil && node.Path == "" && s.Exists("/q/sub") {
				assert.Empty(t, children(t, s, "/q/sub"), "left after %v", after)
			}
		})
	}
}

// A request that cannot even be sent does not hang for the list that should come behind it.
func TestCreateInQueueThatIsNotSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		session := sessionOf(t, cli)
		s.Blackhole(zktest.AllConns(), zktest.Both)
		for range 1100 { // more than there is room for
			go func() { _, _, _ = session.Exists(context.Background(), "/") }()
		}
		synctest.Wait()
		start := time.Now()
		_, _, err := recipekit.CreateInQueue(context.Background(), session, "/q", "n-", nil)
		// Room comes free when the link breaks, at the same moment at which nothing more can be sent on it. A request that
		// was handed over in between is reported as unknown, to be on the safe side.
		require.ErrorIs(t, err, framework.ErrSessionLost)
		assert.LessOrEqual(t, time.Since(start), sessionTimeout)
	})
}
