package cache_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// Scenario 62: all data was deleted, and written again under the same transactions, or has overtaken them.
func TestOtherDataUnderTheSameTransactions(t *testing.T) {
	for _, nodes := range []int{1, 10, 100} {
		for name, more := range map[string]int{"the same": 0, "overtaken": 500} {
			t.Run(fmt.Sprint(nodes, " nodes, ", name), func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					write := func(data string) {
						for i := range nodes {
							w.Put(fmt.Sprintf("/r/n%d", i), data)
						}
					}
					write("old")
					w.Put("/conf", "old")
					cli := w.Connect("c")
					tree := w.open(cli, "/r")
					value := openValue(w, cli, "/conf", cache.Text())
					r := w.record(tree)
					r.take()
					r.anew = true
					heal := w.Disconnect("c")
					require.NoError(t, w.Restart(zktest.WipeState))
					write("new")
					w.Put("/conf", "new")
					w.Put("/other", "")
					for i := range more {
						w.set("/other", fmt.Sprint(i))
					}
					time.Sleep(2 * timeout)
					heal()
					require.NoError(t, tree.WaitFresh(t.Context()))
					require.NoError(t, value.WaitFresh(t.Context()))
					w.equal(tree, "/r")
					assert.Equal(t, "new", value.Load())
					assert.NoError(t, value.Err())
					lines := r.take()
					assert.Contains(t, lines, "Removed /r/n0")
					assert.Contains(t, lines, `Added /r/n0 "new"`)
					w.set("/r/n0", "goes on")
					w.set("/conf", "goes on")
					require.NoError(t, tree.Sync(t.Context()))
					require.NoError(t, value.Sync(t.Context()))
					w.equal(tree, "/r")
					assert.Equal(t, "goes on", value.Load())
					r.take()
					r.equal(tree)
				})
			})
		}
	}
}

// A part of the history is lost, as when a backup is restored: what was written behind it was never written, and others have
// written other things meanwhile.
func TestALostPartOfTheHistory(t *testing.T) {
	for _, ask := range []bool{false, true} {
		t.Run(fmt.Sprint("asks: ", ask), func(t *testing.T) {
			if ask {
				t.Cleanup(cache.AskAlways())
			}
			bubble(t, func(t *testing.T, w *world) {
				common := func() {
					for i := range 30 {
						w.Put(fmt.Sprintf("/r/n%d", i), "common")
					}
				}
				common()
				cli := w.Connect("c")
				tree := w.open(cli, "/r")
				w.set("/r/n1", "lost")
				require.NoError(t, w.Delete("/r/n2"))
				w.Put("/r/lost", "")
				require.NoError(t, tree.Sync(t.Context()))
				heal := w.Disconnect("c")
				require.NoError(t, w.Restart(zktest.WipeState))
				common()
				for i := range 100 {
					w.set("/r/n3", fmt.Sprint(i))
				}
				time.Sleep(2 * timeout)
				heal()
				require.NoError(t, tree.WaitFresh(t.Context()))
				w.equal(tree, "/r")
			})
		})
	}
}

// The root of a new server has the transaction 0 everywhere.
func TestTheRootOfANewServer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("c")
		value, err := cache.OpenValueOr(t.Context(), cli, "/", func(data []byte) (int, error) { return len(data), nil }, -1, cache.AllowEmpty())
		require.NoError(t, err)
		defer value.Close()
		assert.Zero(t, value.Load())
		assert.Equal(t, "/", value.Read().Node.Path)
		tree := w.open(cli, "/")
		children, err := cache.OpenChildren(t.Context(), cli, "/")
		require.NoError(t, err)
		defer children.Close()
		for name, absence := range absences {
			t.Log(name)
			absence(w, cli, func() { w.Put("/"+name[:3], "") })
			_, ok := children.Child(name[:3])
			assert.True(t, ok)
			_, ok = tree.Get("/" + name[:3])
			assert.True(t, ok)
		}
		w.set("/", "12")
		require.NoError(t, value.Sync(t.Context()))
		assert.Equal(t, 2, value.Load())
	})
}

// A node that was refused for long, and readable since, is tried again soon when it is refused once more.
func TestPatienceBeginsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/r/a", "a")
		o := owner(w)
		for _, name := range []string{"p", "q"} {
			private(w, "/r/"+name)
		}
		tree := w.open(w.Connect("c"), "/r")
		require.Equal(t, 2, tree.Snapshot().RefusedLen())
		time.Sleep(10 * time.Minute)
		allow := func(path string, acl []framework.ACL) {
			t.Helper()
			_, err := o.SetACL(t.Context(), path, acl, framework.AnyVersion)
			require.NoError(t, err)
		}
		allow("/r/p", framework.OpenACL())
		time.Sleep(2 * time.Minute)
		require.Equal(t, 1, tree.Snapshot().RefusedLen(), "the other one stays refused")
		w.raze("/r/p")
		private(w, "/r/p")
		for range 4 { // however often it is asked for meanwhile
			require.NoError(t, tree.Refresh(t.Context()))
		}
		require.Equal(t, 2, tree.Snapshot().RefusedLen())
		time.Sleep(500 * time.Millisecond)
		allow("/r/p", framework.OpenACL())
		begin := time.Now()
		for tree.Snapshot().RefusedLen() > 1 {
			time.Sleep(100 * time.Millisecond)
		}
		assert.LessOrEqual(t, time.Since(begin), 2*time.Second)
	})
}

// In a new session a small cache reads its data, and not only whether it has changed: the servers may count other transactions.
func TestASmallCacheReadsItsDataInANewSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.Put("/r/a", "1")
		cli := w.Connect("c")
		tree := w.open(cli, "/r")
		cost := w.cost("c", func() { w.expire("c", cli, func() {}) })
		assert.EqualValues(t, 2, cost.Requests[zktest.OpGetData])
		w.equal(tree, "/r")
	})
}
