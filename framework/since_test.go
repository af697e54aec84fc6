package framework_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// zxidOf is the newest transaction of the server.
func zxidOf(t *testing.T, cli *framework.Client) int64 {
	t.Helper()
	require.NoError(t, cli.Sync(within(t, patience), "/"))
	return sessionOf(t, cli).LastZxid()
}

// since asks about the same nodes twice: whether they have changed, and their children.
func since(t *testing.T, s *framework.Session, zxid int64, paths ...string) framework.Changed {
	t.Helper()
	changed, err := s.ChangedSince(within(t, patience), zxid, paths, paths)
	require.NoError(t, err)
	return changed
}

// eachMode runs f on both kinds of servers.
func eachMode(t *testing.T, f func(t *testing.T, s *zktest.Server)) {
	for version, modes := range watchModes {
		t.Run(version, func(t *testing.T) {
			bubble(t, func(t *testing.T) { f(t, startServer(t, zktest.Config{Watches: modes})) })
		})
	}
}

// everything makes each kind of change below /app, and returns what is to be told of it. The names are those in namespace app.
func everything(t *testing.T, s *zktest.Server) (all []string, want framework.Changed) {
	t.Helper()
	require.NoError(t, s.Set("/app/set", []byte("new")))
	require.NoError(t, s.Delete("/app/gone"))
	require.NoError(t, s.Delete("/app/again"))
	mustCreate(t, s, "/app/again", "")
	mustCreate(t, s, "/app/gains/kid", "")
	require.NoError(t, s.Delete("/app/loses/kid"))
	mustCreate(t, s, "/app/fresh", "")
	all = []string{"/same", "/fresh", "/gains", "/set", "/gone", "/again", "/loses", "/never", "/loses/kid"}
	return all, framework.Changed{
		Nodes:    []string{"/fresh", "/set", "/gone", "/again", "/never", "/loses/kid"},
		Children: []string{"/fresh", "/gains", "/gone", "/again", "/loses", "/never", "/loses/kid"},
	}
}

// Whoever asks is told what has changed, in whatever session he asks, and whoever else.
func TestChangedSince(t *testing.T) {
	eachMode(t, func(t *testing.T, s *zktest.Server) {
		for _, name := range []string{"same", "set", "gone", "again", "gains", "loses/kid"} {
			mustCreate(t, s, "/app/"+name, "")
		}
		in := func(c *framework.Config) { c.Namespace = "app" }
		before := connected(t, s, in)
		zxid := zxidOf(t, before)
		all, want := everything(t, s)
		assert.Equal(t, want, since(t, sessionOf(t, before), zxid, all...))
		assert.Equal(t, want, since(t, sessionOf(t, before), zxid, all...), "the watches that are there now change nothing")
		after := sessionOf(t, connected(t, s, in))
		assert.Equal(t, want, since(t, after, zxid, all...))
		now := zxidOf(t, before)
		gone := []string{"/gone", "/never", "/loses/kid"}
		assert.Equal(t, framework.Changed{Nodes: gone, Children: gone}, since(t, after, now, all...))
		only, err := after.ChangedSince(t.Context(), zxid, []string{"/set", "/gains"}, []string{"/same", "/loses", "/set"})
		require.NoError(t, err)
		assert.Equal(t, framework.Changed{Nodes: []string{"/set"}, Children: []string{"/loses"}}, only, "as it was asked")
		none, err := after.ChangedSince(t.Context(), zxid, nil, nil)
		require.NoError(t, err)
		assert.Empty(t, none)
		_, err = after.ChangedSince(t.Context(), zxid, []string{"/a"}, []string{"/a//b"})
		require.ErrorIs(t, err, framework.ErrInvalidPath)
		require.ErrorContains(t, err, "/a//b")
	})
}

// A recursive watch above the nodes goes on, tells of the answer, and of each later change once. So does one on a node that is
// asked about.
func TestChangedSinceBesideTreeWatches(t *testing.T) {
	eachMode(t, func(t *testing.T, s *zktest.Server) {
		mustCreate(t, s, "/root/a/x", "")
		mustCreate(t, s, "/root/b", "")
		cli := connected(t, s)
		above, on := watchTree(t, cli, "/root"), watchTree(t, cli, "/root/a")
		zxid := zxidOf(t, cli)
		require.NoError(t, s.Set("/root/b", nil))
		mustCreate(t, s, "/root/a/y", "")
		assert.Len(t, told(t, above), 2)
		assert.Len(t, told(t, on), 1)
		paths := []string{"/root", "/root/a", "/root/b", "/root/a/x"}
		for range 2 {
			changed := since(t, sessionOf(t, cli), zxid, paths...)
			assert.Equal(t, framework.Changed{Nodes: []string{"/root/b"}, Children: []string{"/root/a"}}, changed)
			events, err := above.Take()
			require.NoError(t, err)
			assert.Equal(t, []string{"DataChanged /root/b"}, spelled(events), "before the call returns")
			assert.Empty(t, told(t, on))
		}
		for i := range 3 {
			require.NoError(t, s.Set("/root", nil))
			require.NoError(t, s.Set("/root/a", nil))
			require.NoError(t, s.Set("/root/a/x", nil))
			mustCreate(t, s, fmt.Sprint("/root/a/x/", i), "")
			require.NoError(t, s.Delete(fmt.Sprint("/root/a/x/", i)))
			below := []string{"DataChanged /root/a", "DataChanged /root/a/x", fmt.Sprint("Created /root/a/x/", i), fmt.Sprint("Deleted /root/a/x/", i)}
			assert.Equal(t, below, told(t, on))
			assert.Equal(t, append([]string{"DataChanged /root"}, below...), told(t, above))
		}
		require.NoError(t, s.Delete("/root/a/x"))
		assert.Equal(t, []string{"Deleted /root/a/x"}, told(t, on), "once, although three watches are on it")
		zxid = zxidOf(t, cli)
		require.NoError(t, s.Set("/root", nil))
		mustCreate(t, s, "/root/a/x", "")
		assert.Len(t, told(t, above), 3) // what is told later would count
		changed := since(t, sessionOf(t, cli), zxid, "/root", "/root/a")
		assert.Equal(t, framework.Changed{Nodes: []string{"/root"}, Children: []string{"/root/a"}}, changed)
	})
}

// A watch that was there before is there afterwards, although it may fire.
func TestChangedSinceBesideOneShots(t *testing.T) {
	trap(t, func(t *testing.T, s *zktest.Server, kind string) {
		session := sessionOf(t, connected(t, s))
		w := oneShots[kind].watch(t, session, "/root")
		assert.Empty(t, since(t, session, session.LastZxid(), "/root"))
		assert.Empty(t, w.C)
		require.NoError(t, oneShots[kind].fire(s, "/root"))
		assert.Equal(t, oneShots[kind].want, (<-w.C).Type)
		w = oneShots[kind].watch(t, session, "/root")
		assert.Equal(t, 1, len(since(t, session, 0, "/root").Nodes))
		s.Cut(zktest.AllConns())
		require.NoError(t, session.Sync(within(t, patience), "/"))
		if len(w.C) == 0 {
			_ = s.Delete("/root/fired")
			require.NoError(t, s.Set("/root", nil))
		}
		<-w.C
	})
}

// It costs a request for each 128 KiB of paths, and one with each.
func TestWhatChangedSinceCosts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{MaxRequestSize: 130 << 10})
		mustCreate(t, s, "/dir", "")
		var paths []string
		size := 0
		for i := range 5000 {
			path := fmt.Sprintf("/dir/%04d-%s", i, strings.Repeat("x", i%100))
			mustCreate(t, s, path, "")
			paths = append(paths, path)
			size += 2 * (4 + len(path))
		}
		cli := connected(t, s)
		zxid := zxidOf(t, cli)
		require.NoError(t, s.Set(paths[4321], nil))
		require.NoError(t, s.Set(paths[1234], nil))
		before := s.Counts()
		changed := since(t, sessionOf(t, cli), zxid, paths...)
		assert.Equal(t, framework.Changed{Nodes: []string{paths[1234], paths[4321]}}, changed, "in the order of the question")
		cost := s.Counts().Sub(before)
		n := int64(size/(128<<10) + 1)
		assert.Equal(t, map[zktest.Op]int64{zktest.OpSetWatches: n}, cost.Requests)
		assert.EqualValues(t, 2*len(paths)-2, cost.Watches, "the price: what has not changed is watched")
	})
}

// The link breaks at every single frame of a question, and while things change: nothing that has changed is missing.
func TestChangedSinceCutAtEveryFrame(t *testing.T) {
	for _, how := range []zktest.Verdict{zktest.Cut, zktest.CutAfter} {
		for n, more := 0, true; more; n++ {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				for _, name := range []string{"same", "set", "gone", "again", "gains", "loses/kid"} {
					mustCreate(t, s, "/app/"+name, "")
				}
				cli := connected(t, s, timeout(time.Minute), func(c *framework.Config) { c.Namespace = "app" })
				zxid := zxidOf(t, cli)
				happened := cutAt(s, n, how)
				all, want := everything(t, s)
				require.Equal(t, want, since(t, sessionOf(t, cli), zxid, all...), n)
				more = happened()
			})
		}
	}
}

// Whatever happens while the question is under way, what has changed before it is in the answer, and what changes behind it is told
// to a recursive watch.
func TestChangedSinceAgainstAnOracle(t *testing.T) {
	for seed := range uint64(60) {
		bubble(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 3))
			s := startServer(t, zktest.Config{Seed: seed, Watches: zktest.WatchModes(seed % 2)})
			mustCreate(t, s, "/root", "")
			var paths []string
			for i := range 4 {
				paths = append(paths, fmt.Sprintf("/root/%d", i))
				for j := range 3 {
					paths = append(paths, fmt.Sprintf("/root/%d/%d", i, j))
				}
			}
			session := sessionOf(t, connected(t, s, timeout(time.Minute)))
			w, err := session.WatchTree(t.Context(), "/root")
			require.NoError(t, err)
			for range 20 {
				zxid := w.Zxid()
				events, err := w.Take()
				require.NoError(t, err)
				if zxid == 0 || slices.Contains(spelled(events), "Reset /root") {
					time.Sleep(time.Second)
					continue
				}
				hurt(s, random)
				changed := since(t, session, zxid, paths...)
				for _, path := range paths {
					_, stat, err := s.Get(path)
					require.Equal(t, err != nil || stat.Mzxid > zxid, slices.Contains(changed.Nodes, path), "%s, seed %d", path, seed)
					if err != nil || stat.Pzxid > zxid {
						require.Contains(t, changed.Children, path, "seed %d", seed)
					}
				}
			}
		})
	}
}

// hurt changes some nodes and breaks the connection now and then, in a bubble.
func hurt(s *zktest.Server, random *rand.Rand) {
	for range random.IntN(6) {
		change(s, random)
		if random.IntN(6) == 0 {
			s.Cut(zktest.AllConns())
		}
		time.Sleep(time.Duration(random.IntN(int(time.Millisecond))))
	}
}

// A server that has not seen what it is asked about, or cannot be asked, says so, and harms nobody.
func TestChangedSinceReturnsErrNotTold(t *testing.T) {
	t.Run("behind", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			cli := connected(t, s)
			zxid := zxidOf(t, cli)
			before := s.Counts()
			_, err := sessionOf(t, cli).ChangedSince(t.Context(), zxid+1, []string{"/"}, nil)
			require.ErrorIs(t, err, framework.ErrNotTold)
			require.ErrorContains(t, err, fmt.Sprintf("newest transaction is %#x", zxid))
			assert.EqualValues(t, 1, s.Counts().Sub(before).Requests[zktest.OpSync], "it might have been slow")
		})
	})
	t.Run("hangs up", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			asked := 0
			s.OnFrame(func(f zktest.Frame) zktest.Verdict {
				if f.Stage == zktest.Request && f.Op == zktest.OpSetWatches {
					asked++
					return zktest.Cut
				}
				return zktest.Pass
			})
			cli := connected(t, s, timeout(time.Minute))
			for range 3 {
				_, err := sessionOf(t, cli).ChangedSince(t.Context(), 0, []string{"/"}, nil)
				require.ErrorIs(t, err, framework.ErrNotTold)
			}
			assert.Equal(t, 2, asked, "and then no more")
		})
	})
	t.Run("hangs up later", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{MaxRequestSize: 1000})
			cli := connected(t, s, timeout(time.Minute))
			long := make([]string, 300)
			for i := range long {
				long[i] = fmt.Sprint("/", i)
			}
			for range 3 {
				assert.Empty(t, since(t, sessionOf(t, cli), 0, "/"))
				before := s.Counts()
				_, err := sessionOf(t, cli).ChangedSince(t.Context(), 0, long, nil)
				require.ErrorIs(t, err, framework.ErrNotTold)
				require.ErrorContains(t, err, "jute.maxbuffer")
				assert.LessOrEqual(t, s.Counts().Sub(before).Accepted, int64(3))
			}
		})
	})
	t.Run("given up", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			cli := connected(t, s)
			session := sessionOf(t, cli)
			heal := s.Blackhole(zktest.AllConns(), zktest.Both)
			_, err := session.ChangedSince(within(t, time.Millisecond), 0, []string{"/"}, nil)
			require.Error(t, err)
			heal()
			assert.Empty(t, since(t, sessionOf(t, cli), 0, "/"))
			require.NoError(t, cli.Close())
			_, err = session.ChangedSince(t.Context(), 0, []string{"/"}, nil)
			require.ErrorIs(t, err, framework.ErrClosed)
		})
	})
}
