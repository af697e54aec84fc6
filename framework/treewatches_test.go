package framework

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// treeOrders notes what was asked of the server.
type treeOrders struct {
	orders  []string
	refuses bool
}

func (o *treeOrders) WatchTree(path string) bool {
	o.orders = append(o.orders, "watch "+path)
	return !o.refuses
}

func (o *treeOrders) UnwatchTree(path string) { o.orders = append(o.orders, "unwatch "+path) }

func (o *treeOrders) TreeZxid(path string) int64 { return int64(len(path)) }

// treeTable is a table whose server is there, and what it asks of it.
func treeTable() (*watches, *treeOrders) {
	orders := &treeOrders{}
	return &watches{server: orders}, orders
}

func treeUser(t *testing.T, table *watches, at string) *TreeWatch {
	t.Helper()
	w := &TreeWatch{at: at, table: table, ready: make(chan struct{}, 1)}
	require.NoError(t, table.joinTree(w))
	return w
}

func (w *TreeWatch) taken(t *testing.T) []Event {
	t.Helper()
	events, err := w.Take()
	require.NoError(t, err)
	return events
}

func changed(path string) zk.Event { return zk.Event{Type: zk.EventNodeDataChanged, Path: path} }

// All users of a path share one watch, which the last one takes back.
func TestTreeWatchesShare(t *testing.T) {
	table, server := treeTable()
	one, two := treeUser(t, table, "/a"), treeUser(t, table, "/a")
	require.NoError(t, table.joinTree(one), "again")
	assert.Len(t, table.trees["/a"].users, 2)
	table.fire(changed("/a/b"))
	assert.Equal(t, one.taken(t), two.taken(t))
	one.Stop()
	one.Stop()
	assert.Equal(t, []string{"watch /a"}, server.orders)
	table.fire(changed("/a/b"))
	assert.Len(t, two.taken(t), 1)
	two.Stop()
	assert.Equal(t, []string{"watch /a", "unwatch /a"}, server.orders)
	events, err := two.Take()
	assert.Empty(t, events)
	require.ErrorIs(t, err, ErrWatchStopped)
	assert.Empty(t, table.trees)
}

// An event goes to every watch above it, and to no other.
func TestTreeWatchesAbove(t *testing.T) {
	table, _ := treeTable()
	root, a, ab, other := treeUser(t, table, "/"), treeUser(t, table, "/a"), treeUser(t, table, "/a/b"), treeUser(t, table, "/a/bc")
	for _, path := range []string{"/a/b/c", "/a/b", "/a", "/", "/z"} {
		table.fire(changed(path))
	}
	assert.Len(t, root.taken(t), 5)
	assert.Len(t, a.taken(t), 3)
	assert.Len(t, ab.taken(t), 2)
	assert.Empty(t, other.taken(t))
	table.fire(zk.Event{Type: zk.EventNodeChildrenChanged, Path: "/a"})
	table.fire(zk.Event{Type: zk.EventNotWatching, Path: "/a"})
	assert.Empty(t, a.taken(t), "neither is an event of a recursive watch")
}

// The first answer means that the watch is in force, every later one that it was not for a while.
func TestTreeWatchResets(t *testing.T) {
	table, _ := treeTable()
	w := treeUser(t, table, "/a")
	assert.False(t, table.treeArmed("/a"))
	table.treeAnswered("/a", 0)
	assert.True(t, table.treeArmed("/a"))
	assert.Empty(t, w.taken(t))
	table.fire(changed("/a/b"))
	table.fire(changed("/a/c"))
	table.treeAnswered("/a", 0)
	table.fire(changed("/a/d"))
	assert.Equal(t, []Event{{Type: EventReset, Path: "/a"}, {Type: EventDataChanged, Path: "/a/d"}}, w.taken(t), "what was not read gives way")
	table.treeAnswered("/nobody", 0)
	table.treeAnswered("/nobody", -1)
}

func TestTreeWatchRefused(t *testing.T) {
	for code, want := range map[int32]error{-102: ErrNoAuth, -5: nil} {
		table, server := treeTable()
		w := treeUser(t, table, "/a")
		table.fire(changed("/a"))
		table.treeAnswered("/a", code)
		events, err := w.Take()
		assert.Len(t, events, 1, "what was told before counts")
		require.ErrorContains(t, err, "refuses the recursive watch")
		assert.Equal(t, answered, outcomeOf(err), "final")
		if want != nil {
			require.ErrorIs(t, err, want)
		}
		w.Stop()
		assert.Equal(t, []string{"watch /a"}, server.orders, "there is nothing to take back")
	}
}

func TestTreeWatchUnsupported(t *testing.T) {
	table, server := treeTable()
	w := treeUser(t, table, "/a")
	table.treesUnsupported()
	_, err := w.Take()
	require.ErrorIs(t, err, ErrUnsupported)
	assert.Equal(t, answered, outcomeOf(err), "final")
	server.refuses = true
	require.ErrorIs(t, table.joinTree(w), ErrUnsupported)
	table.server = nil
	require.ErrorIs(t, table.joinTree(w), ErrUnsupported)
	assert.Empty(t, table.trees)
}

func TestTreeWatchesEndWithTheSession(t *testing.T) {
	table, server := treeTable()
	w, stopped := treeUser(t, table, "/a"), treeUser(t, table, "/b")
	stopped.Stop()
	table.end(ErrSessionLost)
	for want, w := range map[error]*TreeWatch{ErrSessionLost: w, ErrWatchStopped: stopped} {
		_, err := w.Take()
		require.ErrorIs(t, err, want)
		_, err = w.Next(t.Context())
		require.ErrorIs(t, err, want)
	}
	require.ErrorIs(t, table.joinTree(w), ErrSessionLost)
	w.Stop()
	assert.Equal(t, []string{"watch /a", "watch /b", "unwatch /b"}, server.orders)
}

// One-shot watches on the path itself live on what the recursive one tells.
func TestTreeWatchStandsInForOneShots(t *testing.T) {
	created, deleted := zk.EventNodeCreated, zk.EventNodeDeleted
	for _, c := range []struct {
		kind watchKind
		on   zk.Event
		want Event
	}{
		{dataWatch, changed("/a"), Event{Type: EventDataChanged, Path: "/a"}},
		{dataWatch, zk.Event{Type: deleted, Path: "/a"}, Event{Type: EventDeleted, Path: "/a"}},
		{existsWatch, zk.Event{Type: created, Path: "/a"}, Event{Type: EventCreated, Path: "/a"}},
		{childWatch, zk.Event{Type: created, Path: "/a/b"}, Event{Type: EventChildrenChanged, Path: "/a"}},
		{childWatch, zk.Event{Type: deleted, Path: "/a/b"}, Event{Type: EventChildrenChanged, Path: "/a"}},
		{childWatch, zk.Event{Type: deleted, Path: "/a"}, Event{Type: EventDeleted, Path: "/a"}},
	} {
		t.Run(fmt.Sprint(c.kind, c.on.Type, c.on.Path), func(t *testing.T) {
			table, _ := treeTable()
			treeUser(t, table, "/a")
			w, armed := table.join("", watchKey{c.kind, "/a"})
			assert.True(t, armed, "a plain read will do")
			table.fire(changed("/a/x"))
			table.fire(changed("/ab"))
			table.fire(zk.Event{Type: created, Path: "/ab/c"})
			table.fire(zk.Event{Type: created, Path: "/a/b/c"})
			assert.Empty(t, w.C)
			table.fire(c.on)
			assert.Equal(t, c.want, <-w.C)
			assert.Empty(t, table.m)
			assert.Zero(t, table.size())
		})
	}
	t.Run("the root", func(t *testing.T) {
		table, _ := treeTable()
		treeUser(t, table, "/")
		w, _ := table.join("", watchKey{childWatch, "/"})
		table.fire(changed("/"))
		assert.Empty(t, w.C)
		table.fire(zk.Event{Type: created, Path: "/a"})
		assert.Equal(t, Event{Type: EventChildrenChanged, Path: "/"}, <-w.C)
	})
	t.Run("stopped", func(t *testing.T) {
		table, _ := treeTable()
		treeUser(t, table, "/a")
		w, _ := table.join("", watchKey{dataWatch, "/a"})
		w.Stop()
		assert.Empty(t, table.m, "no server has it")
		w, armed := table.join("", watchKey{dataWatch, "/a/b"})
		assert.False(t, armed, "only the path itself")
		table.attempted(w, &glimpse{})
	})
}

// When nothing stands in for them any more, or something may have been missed, they fire to be on the safe side.
func TestTreeWatchSurrendersOneShots(t *testing.T) {
	for name, end := range map[string]func(table *watches, w *TreeWatch){
		"stopped":     func(_ *watches, w *TreeWatch) { w.Stop() },
		"reset":       func(table *watches, _ *TreeWatch) { table.treeAnswered("/a", 0) },
		"refused":     func(table *watches, _ *TreeWatch) { table.treeAnswered("/a", -1) },
		"unsupported": func(table *watches, _ *TreeWatch) { table.treesUnsupported() },
	} {
		t.Run(name, func(t *testing.T) {
			table, _ := treeTable()
			before, armed := table.join("", watchKey{childWatch, "/a"})
			assert.False(t, armed)
			table.attempted(before, &glimpse{})
			elsewhere, _ := table.join("", watchKey{dataWatch, "/a/b"})
			tree := treeUser(t, table, "/a")
			table.treeAnswered("/a", 0)
			data, _ := table.join("", watchKey{dataWatch, "/a"})
			exists, _ := table.join("", watchKey{existsWatch, "/a"})
			arming, _ := table.join("", watchKey{dataWatch, "/b"})
			for _, w := range []*Watch{before, data, exists, elsewhere, arming} {
				assert.Empty(t, w.C)
			}
			end(table, tree)
			assert.Equal(t, Event{Type: EventDataChanged, Path: "/a"}, <-data.C)
			assert.Equal(t, Event{Type: EventDataChanged, Path: "/a"}, <-exists.C)
			assert.Equal(t, Event{Type: EventChildrenChanged, Path: "/a"}, <-before.C)
			assert.Empty(t, elsewhere.C)
			assert.Empty(t, arming.C)
		})
	}
}

// A reader who does not read costs no more than the backlog, and is told that he has missed something.
func TestTreeWatchOverflow(t *testing.T) {
	table, _ := treeTable()
	w := treeUser(t, table, "/a")
	long := "/a/" + strings.Repeat("x", 1000)
	fits := treeBacklog / (eventCost + len(long))
	for range fits {
		table.fire(changed(long))
	}
	assert.Len(t, w.events, fits)
	for range 10 * fits {
		table.fire(changed(long))
		require.LessOrEqual(t, w.cost, treeBacklog)
	}
	table.fire(changed("/a/last"))
	events := w.taken(t)
	assert.Equal(t, Event{Type: EventReset, Path: "/a"}, events[0])
	assert.Equal(t, Event{Type: EventDataChanged, Path: "/a/last"}, events[len(events)-1])
	assert.Zero(t, w.cost)
	table.fire(changed("/a/next"))
	assert.Equal(t, []Event{{Type: EventDataChanged, Path: "/a/next"}}, w.taken(t))
}

// Next and Take account for the same backlog.
func TestTreeWatchNextAndTake(t *testing.T) {
	table, _ := treeTable()
	w := treeUser(t, table, "/a")
	for i := range 10 {
		table.fire(changed(fmt.Sprintf("/a/%d", i)))
	}
	for i := range 5 {
		ev, err := w.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("/a/%d", i), ev.Path)
	}
	assert.Len(t, w.taken(t), 5)
	assert.Zero(t, w.cost)
	table.fire(changed("/a"))
	_, err := w.Next(t.Context())
	require.NoError(t, err)
	assert.Zero(t, w.cost)
	assert.Nil(t, w.events)
	assert.Len(t, w.Ready(), 1, "a token may be left over")
	w.finish(errors.New("over"))
	_, err = w.Next(t.Context())
	require.EqualError(t, err, "over")
}
