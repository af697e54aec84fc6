package node_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

const group = "/groups/workers"

// describe shows members in one line.
func describe(members []node.Member) string {
	var all []string
	for _, m := range members {
		s := m.ID + "=" + string(m.Data)
		if m.Err != nil {
			s = m.ID + "?"
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

// join joins the group.
func (w *world) join(cli *framework.Client, id, payload string, opts ...node.Option) *node.Keeper {
	w.t.Helper()
	k, err := node.Join(w.t.Context(), cli, group, id, []byte(payload), opts...)
	require.NoError(w.t, err)
	settle()
	return k
}

// latest is the group that a channel has, which it must.
func latest(t *testing.T, c <-chan node.Group) node.Group {
	t.Helper()
	settle()
	select {
	case g, open := <-c:
		require.True(t, open)
		return g
	default:
		t.Fatal("there is no news")
		panic("unreachable")
	}
}

// silent fails the test if a channel has news.
func silent(t *testing.T, c <-chan node.Group) {
	t.Helper()
	settle()
	select {
	case g, open := <-c:
		t.Fatalf("news: %v %v", open, g)
	default:
	}
}

// The layout is that of Curator's GroupMember.
func TestJoin(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.join(cli, "one", "payload")
		n := w.Dump()[group+"/one"]
		assert.Equal(t, zktest.Ephemeral, n.Mode)
		assert.Equal(t, "payload", string(n.Data))
		assert.Equal(t, zktest.Container, w.Dump()[group].Mode)
		k2, err := node.Join(t.Context(), cli, group, "two", nil)
		require.NoError(t, err)
		assert.Equal(t, []byte{}, w.Dump()[group+"/two"].Data)
		closed(t, k)
		closed(t, k2)
		for _, bad := range []string{"", "a/b", "/a", "..", "a\x00"} {
			_, err := node.Join(t.Context(), cli, group, bad, nil)
			require.ErrorIs(t, err, framework.ErrInvalidPath, "%q", bad)
		}
		_, err = node.Join(t.Context(), cli, "", "a", nil)
		require.ErrorIs(t, err, framework.ErrInvalidPath)
	})
}

func TestMembers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		members, err := node.Members(t.Context(), b, group)
		require.NoError(t, err)
		assert.Empty(t, members, "nobody has ever joined")
		two := w.join(a, "two", "2")
		w.join(b, "one", "1")
		w.Put(group+"/static", "s")
		members, err = node.Members(t.Context(), b, group)
		require.NoError(t, err)
		assert.Equal(t, "one=1 static=s two=2", describe(members))
		assert.Equal(t, w.session(b), members[0].Stat.EphemeralOwner)
		assert.Zero(t, members[1].Stat.EphemeralOwner)
		closed(t, two)
		members, err = node.Members(t.Context(), b, group)
		require.NoError(t, err)
		assert.Equal(t, "one=1 static=s", describe(members))
	})
}

// One who may not be read is a member all the same; one who leaves during the look is not.
func TestMembersThatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		user := func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("user:s3cr3t")}}
		}
		a, b := w.Connect("a", user), w.Connect("b")
		w.join(a, "closed", "1", node.WithACL(framework.CreatorACL()))
		w.join(a, "leaving", "2")
		w.join(a, "open", "3")
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpGetData && f.Path == group+"/leaving" && w.Exists(f.Path) {
				assert.NoError(t, w.Delete(f.Path))
			}
			return zktest.Pass
		})
		members, err := node.Members(t.Context(), b, group)
		require.NoError(t, err)
		assert.Equal(t, "closed? open=3", describe(members))
		require.ErrorIs(t, members[0].Err, framework.ErrNoAuth)

		_, err = a.SetACL(t.Context(), group, framework.CreatorACL(), framework.AnyVersion)
		require.NoError(t, err)
		_, err = node.Members(t.Context(), b, group)
		require.ErrorIs(t, err, framework.ErrNoAuth)
		assert.ErrorContains(t, err, group)
	})
}

// Who joins, leaves, or has another payload is news; each costs what the documentation says.
func TestWatchMembers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		one := w.join(a, "one", "1")
		news := node.WatchMembers(t.Context(), b, group)
		assert.Equal(t, "one=1", describe(latest(t, news).Members))
		silent(t, news)
		count := func(f func()) zktest.Counts {
			before := w.ClientCounts("b")
			f()
			settle()
			return w.ClientCounts("b").Sub(before)
		}

		var two *node.Keeper
		cost := count(func() { two = w.join(a, "two", "2") })
		assert.Equal(t, "one=1 two=2", describe(latest(t, news).Members))
		assert.Equal(t, requests{zktest.OpGetChildren2: 1, zktest.OpGetData: 1}, cost.Requests)

		cost = count(func() { require.NoError(t, one.Set(t.Context(), []byte("new"))) })
		assert.Equal(t, "one=new two=2", describe(latest(t, news).Members))
		assert.Equal(t, requests{zktest.OpGetData: 1}, cost.Requests)

		cost = count(func() { closed(t, two) })
		assert.Equal(t, "one=new", describe(latest(t, news).Members))
		assert.Equal(t, requests{zktest.OpGetChildren2: 1}, cost.Requests)
		silent(t, news)

		cost = count(func() { time.Sleep(time.Hour) })
		assert.Empty(t, unchecked(t, cost, 2, time.Hour))
		closed(t, one)
		g := latest(t, news)
		assert.Empty(t, g.Members)
		require.NoError(t, g.Err)
	})
}

// A group that does not exist is empty, and is seen to begin, to end and to begin again.
func TestWatchMembersOfNoGroup(t *testing.T) {
	bubbleWith(t, zktest.Config{ContainerCheckInterval: time.Second}, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		news := node.WatchMembers(t.Context(), b, group)
		g := latest(t, news)
		assert.Empty(t, g.Members)
		require.NoError(t, g.Err)
		for range 3 {
			k := w.join(a, "one", "1")
			assert.Equal(t, "one=1", describe(latest(t, news).Members))
			closed(t, k)
			assert.Empty(t, latest(t, news).Members)
			time.Sleep(3 * time.Second)
			require.False(t, w.Exists(group), "the container was removed")
			silent(t, news)
		}
	})
}

// Whoever does not read gets the latest group, and delays nobody.
func TestWatchMembersWithASlowReader(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		news := node.WatchMembers(t.Context(), b, group)
		k := w.join(a, "one", "0")
		for i := range 100 {
			require.NoError(t, k.Set(t.Context(), fmt.Append(nil, i)))
			settle()
		}
		assert.Equal(t, "one=99", describe(latest(t, news).Members))
		silent(t, news)
	})
}

// A member that was replaced by another session's, with the same id and payload, is news.
func TestWatchMembersSeesARestart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		w.join(a, "one", "1")
		news := node.WatchMembers(t.Context(), w.Connect("watcher"), group)
		before := latest(t, news).Members[0].Stat
		w.join(b, "one", "1", node.Replace())
		var seen []int
		after := before
		for len(news) > 0 {
			g := <-news
			seen = append(seen, len(g.Members))
			after = g.Members[0].Stat
		}
		assert.Equal(t, []int{1}, seen, "the id was never absent")
		assert.NotEqual(t, before.Czxid, after.Czxid)
		assert.Equal(t, w.session(b), after.EphemeralOwner)
	})
}

// What happens while the connection is away is found out when it is back, in the same session and in the next.
func TestWatchMembersOverOutages(t *testing.T) {
	for name, lost := range map[string]bool{"same session": false, "next session": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				a, b := w.Connect("a"), w.Connect("b")
				w.join(a, "one", "1")
				two := w.join(a, "two", "2")
				w.join(a, "same", "0")
				news := node.WatchMembers(t.Context(), b, group)
				assert.Equal(t, "one=1 same=0 two=2", describe(latest(t, news).Members))
				away := func() {
					heal := w.Silence("b")
					require.NoError(t, two.Close(t.Context()))
					w.join(a, "three", "3")
					require.NoError(t, w.Set(group+"/one", []byte("new")))
					if lost {
						w.WaitState(b, framework.Lost)
					} else {
						time.Sleep(timeout / 4)
					}
					silent(t, news)
					heal()
				}
				before := w.ClientCounts("b")
				away()
				time.Sleep(timeout)
				assert.Equal(t, "one=new same=0 three=3", describe(latest(t, news).Members))
				cost := w.ClientCounts("b").Sub(before)
				reads := int64(2) // what has changed
				if lost {
					reads = 3
				}
				assert.Equal(t, reads, cost.Requests[zktest.OpGetData])
				assert.EqualValues(t, 1, cost.Requests[zktest.OpGetChildren2])

				heal := w.Silence("b")
				time.Sleep(5 * timeout)
				heal()
				time.Sleep(timeout)
				silent(t, news)
			})
		})
	}
}

// The list of children and the members' own watches tell of a change twice, in any order. What is left is what there is.
func TestWatchMembersWhileEverythingChanges(t *testing.T) {
	for seed := range uint64(20) {
		bubbleWith(t, zktest.Config{Seed: seed, Latency: time.Millisecond}, func(t *testing.T, w *world) {
			news := node.WatchMembers(t.Context(), w.Connect("watcher"), group)
			w.Put(group, "")
			for i := range 300 {
				p := fmt.Sprintf("%s/%d", group, (i*i+int(seed))%7)
				switch {
				case !w.Exists(p):
					_, err := w.Create(p, fmt.Append(nil, i), zktest.Persistent)
					require.NoError(t, err)
				case i%3 == 0:
					require.NoError(t, w.Set(p, fmt.Append(nil, i)))
				default:
					require.NoError(t, w.Delete(p))
				}
				if i%50 == 25 {
					w.Cut(zktest.ClientConns("watcher"))
				}
				time.Sleep(time.Duration(i%4) * time.Millisecond)
			}
			time.Sleep(timeout)
			var want []string
			for _, name := range w.List(group) {
				want = append(want, name+"="+w.data(group+"/"+name))
			}
			assert.Equal(t, strings.Join(want, " "), describe(latest(t, news).Members), "seed %d", seed)
		})
	}
}

func TestWatchMembersThatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		user := func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("user:s3cr3t")}}
		}
		a, b := w.Connect("a", user), w.Connect("b")
		w.Put(group, "")
		w.join(a, "closed", "1", node.WithACL(framework.CreatorACL()))
		w.join(a, "open", "2")
		news := node.WatchMembers(t.Context(), b, group)
		assert.Equal(t, "closed? open=2", describe(latest(t, news).Members))

		_, err := a.SetACL(t.Context(), group+"/closed", framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		silent(t, news)
		w.join(a, "third", "3")
		assert.Equal(t, "closed=1 open=2 third=3", describe(latest(t, news).Members), "tried again with the next list")

		_, err = a.SetACL(t.Context(), group, framework.CreatorACL(), framework.AnyVersion)
		require.NoError(t, err)
		w.expire(b)
		before := w.ClientCounts("b")
		time.Sleep(time.Minute)
		assert.Less(t, w.ClientCounts("b").Sub(before).RoundTrips(), int64(20), "with pauses")
		g := latest(t, news)
		require.ErrorIs(t, g.Err, framework.ErrNoAuth)
		assert.Equal(t, "closed=1 open=2 third=3", describe(g.Members), "as seen last")
		_, err = a.SetACL(t.Context(), group, framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		g = latest(t, news)
		require.NoError(t, g.Err)
		assert.Equal(t, "closed=1 open=2 third=3", describe(g.Members))

		g = latest(t, node.WatchMembers(t.Context(), b, "/bad/"))
		require.ErrorIs(t, g.Err, framework.ErrInvalidPath)
	})
}

// The channel ends with ctx and with the client; nothing of it is left.
func TestWatchMembersEnds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		w.join(cli, "one", "1")
		ctx := within(t, time.Minute)
		news, other := node.WatchMembers(ctx, cli, group), node.WatchMembers(t.Context(), cli, group)
		settle()
		require.Len(t, cli.Recipes(), 3)
		time.Sleep(2 * time.Minute)
		assert.Equal(t, "one=1", describe((<-news).Members), "what was not read is still there")
		_, open := <-news
		assert.False(t, open)
		require.Len(t, cli.Recipes(), 2)
		require.NoError(t, cli.Close())
		synctest.Wait()
		<-other
		_, open = <-other
		assert.False(t, open)
	})
}

// However often it is watched and left, the server has one watch per member and one on the list.
func TestWatchMembersLeaksNoWatch(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		for i := range 10 {
			w.join(a, fmt.Sprint(i), string(bytes.Repeat([]byte("x"), i)))
		}
		before := w.ClientCounts("b")
		for range 50 {
			news := node.WatchMembers(within(t, time.Second), b, group)
			assert.Len(t, latest(t, news).Members, 10)
			time.Sleep(2 * time.Second)
		}
		assert.EqualValues(t, 11, w.ClientCounts("b").Sub(before).Watches)
		assert.Empty(t, b.Recipes())
	})
}
