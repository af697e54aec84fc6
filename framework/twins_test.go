package framework_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/zktest"
)

var twinNames = []string{"latch-", "lock-", "__lock__"}

// requireTwins checks nodes against what the server has: a set of twins, in order.
func requireTwins(t *testing.T, s *zktest.Server, session *framework.Session, nodes []framework.Node) {
	t.Helper()
	require.Len(t, nodes, len(twinNames))
	first := seqnode.Parse(nodes[0].Path[len("/q/"):])
	require.NotEmpty(t, first.GUID)
	for i, node := range nodes {
		want := "/q/" + seqnode.Protected(first.GUID, twinNames[i]) + seqnode.FormatSeq(first.Seq+int32(i))
		require.Equal(t, want, node.Path)
		require.Equal(t, nodes[0].Stat.Czxid, node.Stat.Czxid)
		require.Equal(t, session.ID(), node.Stat.EphemeralOwner)
		requireAsAtServer(t, s, "", node)
	}
}

func TestCreateTwinsInQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		session := sessionOf(t, cli)
		nodes, names, err := recipekit.CreateTwinsInQueue(t.Context(), session, "/q", twinNames, []byte("data"))
		require.NoError(t, err)
		requireTwins(t, s, session, nodes)
		assert.Len(t, names, 3)
		assert.Equal(t, zktest.Persistent, s.Dump()["/q"].Mode, "no server takes the directory away from the others")

		before, start := s.Counts(), time.Now()
		more, names, err := recipekit.CreateTwinsInQueue(t.Context(), session, "/q", twinNames, nil)
		require.NoError(t, err)
		assert.Less(t, time.Since(start), 700*time.Microsecond, "one round trip, not two")
		requireTwins(t, s, session, more)
		assert.Greater(t, more[0].Stat.Czxid, nodes[0].Stat.Czxid)
		assert.Len(t, names, 6, "nothing but the nodes")
		assert.Equal(t, map[zktest.Op]int64{zktest.OpMulti: 1, zktest.OpGetChildren2: 1}, s.Counts().Sub(before).Requests)
	})
}

func TestParentsOfTwins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		session := sessionOf(t, connected(t, s))
		_, _, err := recipekit.CreateTwinsInQueue(t.Context(), session, "/a/b/q", twinNames, nil)
		require.NoError(t, err)
		for path, mode := range map[string]zktest.Mode{"/a": zktest.Container, "/a/b": zktest.Container, "/a/b/q": zktest.Persistent} {
			assert.Equal(t, mode, s.Dump()[path].Mode, path)
		}
	})
}

// Numbers and names that are given are taken as they are, and nothing is listed.
func TestCreateTwinsWithNumbers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		session := sessionOf(t, connected(t, s))
		before := s.Counts()
		nodes, err := recipekit.CreateTwins(t.Context(), session, "/q", []string{"lock-0000000007", "__lock__0000000008"}, nil, framework.Ephemeral)
		require.NoError(t, err)
		assert.Zero(t, s.Counts().Sub(before).Requests[zktest.OpGetChildren2])
		require.Len(t, nodes, 2)
		assert.True(t, strings.HasSuffix(nodes[0].Path, "-lock-0000000007"), nodes[0].Path)
		assert.True(t, strings.HasSuffix(nodes[1].Path, "-__lock__0000000008"), nodes[1].Path)
		assert.Len(t, children(t, s, "/q"), 2)
	})
}

func TestTwinsThatCannotBe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		session := sessionOf(t, connected(t, s))
		for _, c := range []struct {
			dir   string
			names []string
			opts  []framework.CreateOption
		}{
			{"/q//r", twinNames, nil},
			{"/q", nil, nil},
			{"/q", []string{"lock-", ""}, nil},
			{"/q", []string{"lock-", "../lock-"}, nil},
			{"/q", []string{"lock-", "\x00"}, nil},
			{"/q", twinNames, []framework.CreateOption{framework.Persistent}},
			{"/q", twinNames, []framework.CreateOption{framework.Container}},
		} {
			_, err := recipekit.CreateTwins(t.Context(), session, c.dir, c.names, nil, c.opts...)
			var refused *framework.OpError
			require.ErrorAs(t, err, &refused, "%+v", c)
			assert.Zero(t, refused.Attempts)
		}
		assert.False(t, s.Exists("/q"))
		var refused *framework.OpError
		require.ErrorAs(t, recipekit.DeleteTwins(t.Context(), session, []string{"/q/"}), &refused)
		require.NoError(t, recipekit.DeleteTwins(t.Context(), session, nil))
		mustCreate(t, s, "/q", "")
		_, err := recipekit.CreateTwins(t.Context(), session, "/q", twinNames, make([]byte, 400<<10))
		require.ErrorIs(t, err, framework.ErrTooLarge, "the sum counts")
	})
}

// Requests and replies are lost, once or again and again: one set, and a list that has it.
func TestTwinsWithLostReplies(t *testing.T) {
	for _, op := range []zktest.Op{zktest.OpMulti, zktest.OpGetChildren2} {
		for name, stage := range map[string]zktest.Stage{"request": zktest.Request, "reply": zktest.Reply} {
			for _, times := range []int{1, 3} {
				t.Run(fmt.Sprintf("%v %s %d times", op, name, times), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						s := startServer(t, zktest.Config{})
						mustCreate(t, s, "/q", "")
						session := sessionOf(t, connected(t, s))
						cut := 0
						defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
							if f.Stage != stage || f.Op != op || cut == times {
								return zktest.Pass
							}
							cut++
							return zktest.Cut
						})()
						nodes, names, err := recipekit.CreateTwinsInQueue(t.Context(), session, "/q", twinNames, []byte("data"))
						require.NoError(t, err)
						requireTwins(t, s, session, nodes)
						assert.ElementsMatch(t, children(t, s, "/q"), names)
						assert.Len(t, names, 3)
						assert.Positive(t, cut)
					})
				})
			}
		}
	}
}

// Somebody deletes one of the nodes before it could be looked for: what is left goes, and the set is made anew.
func TestTwinsOfWhichOneIsDeletedMeanwhile(t *testing.T) {
	for which := range twinNames {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			mustCreate(t, s, "/q", "")
			session := sessionOf(t, connected(t, s))
			loseReply(t, s, zktest.OpMulti, time.Second)
			time.AfterFunc(500*time.Millisecond, func() {
				names := children(t, s, "/q")
				assert.Len(t, names, 3)
				for _, name := range names {
					if strings.Contains(name, twinNames[which]) {
						assert.NoError(t, s.Delete("/q/"+name))
					}
				}
			})
			nodes, names, err := recipekit.CreateTwinsInQueue(t.Context(), session, "/q", twinNames, nil)
			require.NoError(t, err)
			requireTwins(t, s, session, nodes)
			assert.Len(t, names, 3)
			assert.Contains(t, nodes[0].Path, "0000000004", "the next ones: the first set took four numbers")
		})
	}
}

// Somebody puts a node of its own in place of one of them: the set is not complete.
func TestTwinThatWasReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/q", "")
		session := sessionOf(t, connected(t, s))
		loseReply(t, s, zktest.OpMulti, time.Second)
		replaced := ""
		time.AfterFunc(500*time.Millisecond, func() {
			replaced = "/q/" + children(t, s, "/q")[1]
			assert.NoError(t, s.Delete(replaced))
			_, err := s.Create(replaced, nil, zktest.Persistent)
			assert.NoError(t, err)
		})
		nodes, _, err := recipekit.CreateTwinsInQueue(t.Context(), session, "/q", twinNames, nil)
		require.NoError(t, err)
		requireTwins(t, s, session, nodes)
		assert.True(t, s.Exists(replaced), "what is somebody else's stays")
		assert.Len(t, children(t, s, "/q"), 4)
	})
}

// A forged name with our GUID is not taken for one of the nodes.
func TestTwinsBesideAForgedName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/q", "")
		session := sessionOf(t, connected(t, s))
		loseReply(t, s, zktest.OpMulti, time.Second)
		forged := ""
		time.AfterFunc(500*time.Millisecond, func() {
			for _, name := range children(t, s, "/q") {
				if at := strings.Index(name, "lock-"); at > 0 {
					forged = "/q/" + name[:at] + "lock-7"
				}
				assert.NoError(t, s.Delete("/q/"+name))
			}
			_, err := s.CreateFor(session.ID(), forged, nil, zktest.Ephemeral)
			assert.NoError(t, err)
		})
		nodes, _, err := recipekit.CreateTwinsInQueue(t.Context(), session, "/q", twinNames, nil)
		require.NoError(t, err)
		requireTwins(t, s, session, nodes)
		assert.True(t, s.Exists(forged))
	})
}

// The caller leaves at any moment: nothing stays.
func TestTwinsThatAreLeft(t *testing.T) {
	for after := range 30 {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			session := sessionOf(t, connected(t, s))
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(after)*100*time.Microsecond)
			defer cancel()
			nodes, _, err := recipekit.CreateTwinsInQueue(ctx, session, "/q/sub", twinNames, nil)
			time.Sleep(time.Second)
			if err != nil && nodes == nil && s.Exists("/q/sub") {
				assert.Empty(t, children(t, s, "/q/sub"), "left after %v", after)
			}
		})
	}
}

func TestTwinsAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		session := sessionOf(t, connected(t, s))
		mustCreate(t, s, "/q", "")
		_, err := s.CreateFor(session.ID(), "/leaf", nil, zktest.Ephemeral)
		require.NoError(t, err)
		_, _, err = recipekit.CreateTwinsInQueue(t.Context(), session, "/leaf", twinNames, nil)
		require.ErrorIs(t, err, framework.ErrNoChildrenForEphemerals)
	})
}

// made creates a set of twins and returns their paths.
func made(t *testing.T, session *framework.Session) []string {
	t.Helper()
	nodes, _, err := recipekit.CreateTwinsInQueue(t.Context(), session, "/q", twinNames, nil)
	require.NoError(t, err)
	var paths []string
	for _, node := range nodes {
		paths = append(paths, node.Path)
	}
	return paths
}

func TestDeleteTwins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		session := sessionOf(t, connected(t, s))
		paths := made(t, session)
		before := s.Counts()
		require.NoError(t, recipekit.DeleteTwins(t.Context(), session, paths))
		assert.Equal(t, map[zktest.Op]int64{zktest.OpMulti: 1}, s.Counts().Sub(before).Requests)
		assert.Empty(t, children(t, s, "/q"))

		paths = made(t, session)
		require.NoError(t, s.Delete(paths[1]))
		require.ErrorIs(t, recipekit.DeleteTwins(t.Context(), session, paths), framework.ErrNoNode)
		assert.Empty(t, children(t, s, "/q"), "one was gone, and the others went")
	})
}

func TestDeleteTwinsWithLostReplies(t *testing.T) {
	for name, stage := range map[string]zktest.Stage{"request": zktest.Request, "reply": zktest.Reply} {
		for missing, op := range map[bool]zktest.Op{false: zktest.OpMulti, true: zktest.OpDelete} {
			t.Run(fmt.Sprint(name, ", one missing: ", missing), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := startServer(t, zktest.Config{})
					session := sessionOf(t, connected(t, s))
					paths := made(t, session)
					if missing {
						require.NoError(t, s.Delete(paths[0]))
					}
					onceOn(t, s, stage, op, zktest.Cut, nothing)
					err := recipekit.DeleteTwins(t.Context(), session, paths)
					if missing {
						require.ErrorIs(t, err, framework.ErrNoNode)
					} else {
						require.NoError(t, err)
					}
					assert.Empty(t, children(t, s, "/q"))
				})
			})
		}
	}
}

// A server has said that one twin is gone, and then the answer to the removal of the last one is lost.
func TestDeleteTwinsRemembersThatOneWasMissing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		session := sessionOf(t, connected(t, s))
		paths := made(t, session)
		require.NoError(t, s.Delete(paths[0]))
		s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpDelete && f.Path == paths[len(paths)-1] {
				return zktest.Cut
			}
			return zktest.Pass
		})
		require.ErrorIs(t, recipekit.DeleteTwins(t.Context(), session, paths), framework.ErrNoNode)
		assert.Empty(t, children(t, s, "/q"))
	})
}

// What ctx leaves undone is done when the servers are back, and not to nodes of others.
func TestDeleteTwinsInTheBackground(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		session := sessionOf(t, connected(t, s))
		paths := made(t, session)
		require.NoError(t, s.Delete(paths[2]))
		_, err := s.Create(paths[2], nil, zktest.Persistent)
		require.NoError(t, err)
		s.Refuse()
		s.Cut(zktest.AllConns())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, recipekit.DeleteTwins(ctx, session, paths), context.DeadlineExceeded)
		require.NoError(t, s.Accept())
		time.Sleep(time.Second)
		assert.Equal(t, []string{paths[2][len("/q/"):]}, children(t, s, "/q"), "somebody else's stays")
	})
}
