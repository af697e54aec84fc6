package node_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

const dir = "/services/orders"

const guid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"

// What each mode puts on the servers, byte for byte as Curator's PersistentNode does.
func TestModes(t *testing.T) {
	for name, c := range map[string]struct {
		opts []node.Option
		name string // of the node, as a regular expression
		mode zktest.Mode
		stay bool // the node stays where it is in the next session
	}{
		"default":             {nil, "a", zktest.Ephemeral, true},
		"ephemeral":           {[]node.Option{node.WithMode(framework.Ephemeral)}, "a", zktest.Ephemeral, true},
		"sequential":          {[]node.Option{node.WithMode(framework.EphemeralSequential)}, `a\d{10}`, zktest.Ephemeral, false},
		"persistent":          {[]node.Option{node.WithMode(framework.Persistent)}, "a", zktest.Persistent, true},
		"container":           {[]node.Option{node.WithMode(framework.Container)}, "a", zktest.Container, true},
		"persistent numbered": {[]node.Option{node.WithMode(framework.PersistentSequential)}, `a\d{10}`, zktest.Persistent, true},
		"protected":           {[]node.Option{node.Protected()}, "_c_" + guid + "-a", zktest.Ephemeral, true},
		"protected sequential": {
			[]node.Option{node.WithMode(framework.EphemeralSequential), node.Protected()},
			"_c_" + guid + `-a\d{10}`, zktest.Ephemeral, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				k := w.keep(cli, path, "payload", c.opts...)
				check := func() string {
					names := w.List(dir)
					require.Len(t, names, 1)
					assert.Regexp(t, regexp.MustCompile("^"+c.name+"$"), names[0])
					assert.Equal(t, framework.Join(dir, names[0]), k.Path())
					assert.Equal(t, k.Path(), k.Standing().Path)
					n := w.Dump()[k.Path()]
					assert.Equal(t, "payload", string(n.Data))
					assert.Equal(t, c.mode, n.Mode)
					assert.True(t, k.Standing().Stands)
					assert.Equal(t, w.session(cli), k.Standing().Session)
					return names[0]
				}
				first := check()
				require.NoError(t, w.Delete(k.Path()))
				time.Sleep(time.Second)
				deleted := check()
				assert.Equal(t, c.mode == zktest.Ephemeral && !c.stay || c.name == `a\d{10}`, first != deleted, "a new number")

				w.Cut(zktest.AllConns())
				w.WaitState(cli, framework.Reconnected)
				settle()
				assert.Equal(t, deleted, check())
				w.expire(cli)
				w.WaitState(cli, framework.Connected)
				settle()
				assert.Equal(t, c.stay, deleted == check())
				closed(t, k)
				assert.Empty(t, w.List(dir))
			})
		})
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for want, opts := range map[string][]node.Option{
			"use WithTTL":                            {node.WithMode(framework.PersistentTTL)},
			"Mode(77)":                               {node.WithMode(77)},
			"WithTTL keeps a container":              {node.WithTTL(time.Minute), node.WithMode(framework.Ephemeral)},
			"not in whole milliseconds from 100ms":   {node.WithTTL(0)},
			"a TTL of 1m0.0001s is not in whole mil": {node.WithTTL(time.Minute + 100*time.Microsecond)},
		} {
			_, err := node.Keep(t.Context(), cli, path, nil, opts...)
			require.ErrorContains(t, err, want)
			assert.ErrorContains(t, err, path)
		}
		for _, bad := range []string{"", "/", "/a/", "a//b", "/a/../b", "/a\x00"} {
			_, err := node.Keep(t.Context(), cli, bad, nil)
			require.ErrorIs(t, err, framework.ErrInvalidPath, "%q", bad)
		}
		assert.Empty(t, cli.Recipes())
		k, err := node.Keep(t.Context(), cli, "relative/path", nil)
		require.NoError(t, err)
		assert.Equal(t, "/relative/path", k.Path())
	})
}

func TestWithACL(t *testing.T) {
	bubbleWith(t, zktest.Config{TickTime: 4 * time.Second}, func(t *testing.T, w *world) {
		user := func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("user:s3cr3t")}}
		}
		cli, stranger := w.Connect("a", user), w.Connect("b")
		acl := framework.CreatorACL()
		k := w.keep(cli, path, "secret", node.WithACL(acl))
		acl[0].Perms = 0
		check := func(p string) {
			_, err := stranger.Get(t.Context(), p)
			require.ErrorIs(t, err, framework.ErrNoAuth)
			_, err = cli.Get(t.Context(), p)
			require.NoError(t, err)
		}
		check(path)
		w.ghost(cli)
		standing(t, k)
		assert.EqualValues(t, 1, w.Counts().Requests[zktest.OpMulti])
		check(path)
		lasting := w.keep(cli, "/lasting", "", node.WithACL(framework.CreatorACL()), node.WithTTL(time.Minute))
		check("/lasting")
		check("/lasting/touch")
		w.keep(cli, "/open", "")
		_, err := stranger.Get(t.Context(), "/open")
		require.NoError(t, err)
		closed(t, lasting)
		closed(t, k)
	})
}

func TestNamespace(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, err := w.Connect("a").Namespace("/app")
		require.NoError(t, err)
		k := w.keep(cli, "presence/a", "")
		assert.Equal(t, "/presence/a", k.Path())
		assert.True(t, w.Exists("/app/presence/a"))
		closed(t, k)
		assert.False(t, w.Exists("/app/presence/a"))
	})
}

// The number of a sequential node changes with the session; the ghost goes in the transaction that creates the new one, so that
// whoever lists sees one of them, never none and never both.
func TestLeftoverOfASequentialNodeIsReplaced(t *testing.T) {
	for name, opts := range map[string][]node.Option{"plain": nil, "protected": {node.Protected()}} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, zktest.Config{TickTime: 4 * time.Second}, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				k := w.keep(cli, path, "", append(opts, node.WithMode(framework.EphemeralSequential))...)
				wrong, cuts := 0, 0
				stop := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if len(w.List(dir)) != 1 {
						wrong++
					}
					if f.Stage == zktest.Request && f.Op == zktest.OpMulti && cuts == 0 {
						cuts++ // it has to look for what became of it
						return zktest.Cut
					}
					return zktest.Pass
				})
				first := k.Path()
				ghost := w.ghost(cli)
				standing(t, k)
				settle()
				assert.Contains(t, w.sessions(), ghost)
				assert.NotEqual(t, first, k.Path())
				time.Sleep(time.Minute)
				stop()
				assert.Zero(t, wrong)
				assert.Equal(t, 1, cuts)
				assert.Len(t, w.List(dir), 1)
				closed(t, k)
				assert.Empty(t, w.List(dir))
			})
		})
	}
}

// Without a GUID the node whose create was not answered is found by name, owner and age, and each of many by its own Keeper.
func TestSequentialNodesWithLostAnswers(t *testing.T) {
	sequential, persistent := node.WithMode(framework.EphemeralSequential), node.WithMode(framework.PersistentSequential)
	for name, opts := range map[string][]node.Option{
		"plain": {sequential}, "protected": {node.Protected(), sequential}, "persistent": {node.Protected(), persistent},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				const n = 20
				cli := w.Connect("a")
				w.Put(dir+"/a-is-not-one", "")
				w.Put(dir+"/a0000000099x", "")
				w.createFor(w.Connect("other"), dir+"/a9999999999", "theirs")
				id := w.session(cli)
				var starts []<-chan kept
				lose := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					switch {
					case f.Stage != zktest.Reply || f.Op != zktest.OpCreate2:
						return zktest.Pass
					case len(w.List(dir)) < 4+n/2:
						return zktest.Drop // what comes behind it is dropped too
					}
					_, err := w.CreateFor(id, dir+"/ax", []byte("the application's"), zktest.Ephemeral)
					assert.NoError(t, err)
					return zktest.Cut
				})
				for i := range n {
					c := make(chan kept, 1)
					go func() {
						k, err := node.Keep(t.Context(), cli, path, fmt.Append(nil, i), opts...)
						c <- kept{k, err}
					}()
					starts = append(starts, c)
				}
				w.WaitState(cli, framework.Reconnected)
				lose()
				var paths []string
				var keepers []*node.Keeper
				for i, c := range starts {
					r := <-c
					require.NoError(t, r.err)
					require.NoError(t, r.k.Set(t.Context(), fmt.Append(nil, i)))
					paths, keepers = append(paths, r.k.Path()), append(keepers, r.k)
				}
				settle()
				assert.Len(t, w.List(dir), 4+n, "one each, and no orphan")
				seen := map[string]bool{}
				for i, p := range paths {
					assert.False(t, seen[p], "%s is one Keeper's only", p)
					seen[p] = true
					assert.Equal(t, fmt.Sprint(i), w.data(p))
				}
				for _, k := range keepers {
					closed(t, k)
				}
				assert.Len(t, w.List(dir), 4)
				assert.Equal(t, "the application's", w.data(dir+"/ax"))
			})
		})
	}
}

// The session is lost as well, and the servers have it still: what its create has made is a ghost that goes with the new create.
func TestLeftoverOfALostReplyIsFound(t *testing.T) {
	bubbleWith(t, zktest.Config{TickTime: 4 * time.Second}, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		w.Put(dir, "")
		id := w.session(cli)
		remove := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 {
				w.Blackhole(zktest.SessionConns(id), zktest.Both)
				w.Refuse()
			}
			return zktest.Pass
		})
		waiting := keeping(t.Context(), cli, path, "", node.WithMode(framework.EphemeralSequential))
		w.WaitState(cli, framework.Lost)
		require.Len(t, w.List(dir), 1)
		remove()
		require.NoError(t, w.Accept())
		r := <-waiting
		require.NoError(t, r.err)
		assert.Contains(t, w.sessions(), id)
		assert.Equal(t, []string{"a0000000001"}, w.List(dir))
		closed(t, r.k)
	})
}

// A node that belongs to no session is taken over as it is found, with new data, and goes with the Keeper.
func TestPersistentNodeThatIsThere(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put(path, "old")
		cli := w.Connect("a")
		k := w.keep(cli, path, "new", node.WithMode(framework.Persistent))
		assert.Equal(t, "new", w.data(path))
		_, stat, err := w.Get(path)
		require.NoError(t, err)
		assert.EqualValues(t, 1, stat.Version, "it was not created anew")
		closed(t, k)
		assert.False(t, w.Exists(path))

		w.Put(path, "same")
		cost := w.cost(func() { k = w.keep(cli, path, "same", node.WithMode(framework.Persistent)) })
		assert.Zero(t, cost.Requests[zktest.OpSetData])
		closed(t, k)
	})
}

// A persistent node does not hang on the session: a new one costs one look, and what others have made of it is put right.
func TestPersistentNodeOverSessions(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "payload", node.WithMode(framework.Persistent))
		since := k.Standing().Since
		cost := w.cost(func() {
			w.expire(cli)
			w.WaitState(cli, framework.Connected)
			settle()
		})
		assert.Equal(t, requests{zktest.OpGetData: 1}, cost.Requests)
		assert.Equal(t, node.Standing{Stands: true, Since: since, Path: path, Session: w.session(cli)}, k.Standing())

		over := w.Outage()
		w.WaitState(cli, framework.Lost)
		assert.True(t, k.Standing().Stands, "a session less is no reason to fall")
		require.NoError(t, w.Delete(path))
		_, err := w.Create(path, []byte("theirs"), zktest.Persistent)
		require.NoError(t, err)
		over()
		w.WaitState(cli, framework.Connected)
		settle()
		assert.Equal(t, "payload", w.data(path), "it was created anew, if not by the Keeper")
		closed(t, k)
		assert.False(t, w.Exists(path))
	})
}

// A container with children of others stays when the Keeper goes.
func TestContainerWithChildren(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		k := w.keep(cli, path, "", node.WithMode(framework.Container))
		w.Put(path+"/child", "")
		closed(t, k)
		assert.True(t, w.Exists(path+"/child"))

		p := w.keep(cli, "/persistent", "", node.WithMode(framework.Persistent))
		w.Put("/persistent/child", "")
		require.ErrorIs(t, p.Close(t.Context()), framework.ErrNotEmpty)
	})
}

// A container in the place of somebody's ephemeral node cannot be made in one transaction, but it is made.
func TestContainerReplacesAnEphemeralNode(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.createFor(w.Connect("other"), path, "theirs")
		cli := w.Connect("a")
		waiting := keeping(t.Context(), cli, path, "mine", node.WithMode(framework.Container))
		time.Sleep(time.Minute)
		require.Empty(t, waiting)
		k := w.keep(cli, path, "mine", node.WithMode(framework.Container), node.Replace())
		assert.Equal(t, zktest.Container, w.Dump()[path].Mode)
		r := <-waiting
		require.NoError(t, r.err)
		closed(t, k)
		closed(t, r.k)
		assert.False(t, w.Exists(path))
	})
}
