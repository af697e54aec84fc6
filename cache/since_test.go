package cache_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// absences are the ways to miss something.
var absences = map[string]func(w *world, cli *framework.Client, f func()){
	"blip":        func(w *world, _ *framework.Client, f func()) { w.away("c", f) },
	"new session": func(w *world, cli *framework.Client, f func()) { w.expire("c", cli, f) },
}

// What has happened meanwhile is told exactly: no more and no less, and what was created again is told as that.
func TestTheExactDifference(t *testing.T) {
	for name, absence := range absences {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				for i := range 30 {
					w.Put(fmt.Sprintf("/r/same/%d", i), "")
				}
				w.Put("/r/again/kid/kid", "old")
				w.Put("/r/again/other", "old")
				w.Put("/r/set/kid", "old")
				w.Put("/r/gone/kid/kid", "old")
				cli := w.Connect("c")
				r := w.record(w.open(cli, "/r"))
				for range 3 {
					r.take()
					absence(w, cli, func() {
						w.raze("/r/again")
						w.Put("/r/again/kid/kid", "new")
						w.set("/r/set/kid", "new")
						w.raze("/r/gone")
						w.Put("/r/fresh/kid/kid", "new")
					})
					got := slices.DeleteFunc(r.take(), func(l string) bool { return strings.HasSuffix(l, " /r") })
					slices.Sort(got)
					want := []string{
						`Added /r/again ""`, `Added /r/again/kid ""`, `Added /r/again/kid/kid "new"`,
						`Added /r/fresh ""`, `Added /r/fresh/kid ""`, `Added /r/fresh/kid/kid "new"`, `Changed /r/set/kid "new"`,
						"Removed /r/again", "Removed /r/again/kid", "Removed /r/again/kid/kid", "Removed /r/again/other",
						"Removed /r/gone", "Removed /r/gone/kid", "Removed /r/gone/kid/kid",
					}
					require.Equal(t, want, got)
					absence(w, cli, func() {
						w.raze("/r/fresh")
						w.Put("/r/gone/kid/kid", "old")
						w.Put("/r/again/other", "old")
					})
				}
			})
		})
	}
}

// Things happen between the parts of the question what has changed, at nodes that were asked for already.
func TestChangesWhileItAsks(t *testing.T) {
	for name, absence := range absences {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				pad := strings.Repeat("x", 160)
				for i := range 40 {
					for j := range 25 {
						w.Put(fmt.Sprintf("/r/%02d-%s/%s-%02d", i, pad, pad, j), "")
					}
				}
				cli := w.Connect("c")
				tree := w.open(cli, "/r")
				r := w.record(tree)
				asked := make(chan int, 100)
				n := 0
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Op == zktest.OpSetWatches && f.Stage == zktest.Reply {
						if n++; n < 20 { // with one-shot watches there are more
							asked <- n
						}
					}
					return zktest.Pass
				})
				stop := make(chan struct{})
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					for {
						select {
						case i := <-asked:
							dir := fmt.Sprintf("/r/%02d-%s", i, pad)
							w.Put(dir+"/fresh/kid", "new")
							again := fmt.Sprintf("/r/%02d-%s", 39-i, pad)
							w.raze(again)
							w.Put(again+"/kid/kid", "new")
							w.set(fmt.Sprintf("%s/%s-00", dir, pad), "new")
						case <-stop:
							return
						}
					}
				}()
				absence(w, cli, func() {
					w.raze(fmt.Sprintf("/r/%02d-%s", 20, pad))
					w.Put(fmt.Sprintf("/r/%02d-%s/kid", 20, pad), "new")
				})
				close(stop)
				<-ended
				require.NoError(t, tree.WaitFresh(t.Context()))
				require.NoError(t, tree.Sync(t.Context()))
				synctest.Wait()
				if len(w.opts) == 0 {
					assert.Greater(t, n, 4, "it has asked in several parts")
				}
				w.equal(tree, "/r")
				r.equal(tree)
			})
		})
	}
}

// A tree that never rests is asked about as of a while ago, and not from the beginning.
func TestChangedSinceOfATreeThatKeepsChanging(t *testing.T) {
	once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
		for i := range 200 {
			w.Put(fmt.Sprintf("/r/%d", i), "")
		}
		cli := w.Connect("c")
		tree := w.open(cli, "/r")
		stop, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(200 * time.Microsecond):
					_ = w.Set(fmt.Sprintf("/r/%d", i%100), fmt.Append(nil, i))
				}
			}
		}()
		time.Sleep(time.Second)
		heal := w.Disconnect("c")
		close(stop)
		<-ended
		time.Sleep(time.Second)
		cost := w.cost("c", func() {
			heal()
			require.NoError(t, tree.WaitFresh(t.Context()))
		})
		assert.Less(t, cost.RoundTrips(), int64(130), "%v", cost.Requests)
		w.equal(tree, "/r")
	})
}

// What was refused is tried again when the cache asks what has changed: permissions do not count as changes.
func TestTheRefusedAreTriedAgain(t *testing.T) {
	t.Cleanup(cache.AskAlways())
	for name, absence := range absences {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.Put("/a/b", "1")
				w.Put("/a/c", "1")
				private(w, "/a/private")
				cli := w.Connect("c")
				tree := w.open(cli, "/a")
				o := owner(w)
				_, err := o.SetACL(t.Context(), "/a/b", framework.CreatorACL(), framework.AnyVersion)
				require.NoError(t, err)
				w.set("/a/b", "2")
				w.expire("c", cli, func() {})
				assert.Equal(t, 2, tree.Snapshot().RefusedLen())
				time.Sleep(10 * time.Minute) // tried again ever less often
				absence(w, cli, func() {
					w.set("/a/c", "2")
					for _, path := range []string{"/a/b", "/a/private"} {
						_, err := o.SetACL(t.Context(), path, framework.OpenACL(), framework.AnyVersion)
						require.NoError(t, err)
					}
				})
				if len(w.opts) == 0 || name == "new session" {
					w.equal(tree, "/a")
					assert.Zero(t, tree.Snapshot().RefusedLen())
				}
			})
		})
	}
}

// On servers that cannot be asked everything is looked at.
func TestServersThatCannotTell(t *testing.T) {
	for name, absence := range absences {
		t.Run(name, func(t *testing.T) {
			once(t, zktest.Config{}, nil, func(t *testing.T, w *world) {
				w.wood()
				cli := w.Connect("c")
				tree := w.open(cli, "/r")
				asked := 0
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Op == zktest.OpSetWatches && f.Stage == zktest.Request {
						asked++
						return zktest.Cut
					}
					return zktest.Pass
				})
				for range 2 {
					absence(w, cli, func() { w.set("/r/d1/n1", "new") })
					time.Sleep(timeout)
					require.NoError(t, tree.WaitFresh(t.Context()))
					w.equal(tree, "/r")
				}
				assert.LessOrEqual(t, asked, 6)
				known := asked
				absence(w, cli, func() { w.set("/r/d1/n1", "newer") })
				require.NoError(t, tree.WaitFresh(t.Context()))
				w.equal(tree, "/r")
				assert.Equal(t, known, asked, "no more")
			})
		})
	}
}
