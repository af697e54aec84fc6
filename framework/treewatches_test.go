package framework

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// treeTable is a table of watches that are in force, and the paths whose watches it has had taken back.
func treeTable() (*watches, *[]string) {
	back := new([]string)
	return &watches{unwatch: func(path string) { *back = append(*back, path) }, zxid: func() int64 { return 7 }}, back
}

func treeUser(t *testing.T, table *watches, at string) *TreeWatch {
	t.Helper()
	w := &TreeWatch{at: at, table: table, ready: make(chan struct{}, 1)}
	_, _, err := table.joinTree(w, nil)
	require.NoError(t, err)
	return w
}

// relink is another connection, on which nothing is in force.
func (t *watches) relink() {
	for _, tr := range t.trees {
		tr.live = false
	}
}

func (w *TreeWatch) taken(t *testing.T) []Event {
	t.Helper()
	events, err := w.Take()
	require.NoError(t, err)
	return events
}

// happening is an event of a server.
type happening struct {
	event EventType
	path  string
}

func (t *watches) happens(h happening) { t.fire(h.event, h.path) }

func changed(path string) happening { return happening{EventDataChanged, path} }

// All users of a path share one watch, which the last one takes back.
func TestTreeWatchesShare(t *testing.T) {
	table, back := treeTable()
	one, two := treeUser(t, table, "/a"), treeUser(t, table, "/a")
	_, _, err := table.joinTree(one, nil)
	require.NoError(t, err, "again")
	assert.Len(t, table.trees["/a"].users, 2)
	table.happens(changed("/a/b"))
	assert.Equal(t, one.taken(t), two.taken(t))
	one.Stop()
	one.Stop()
	assert.Empty(t, *back)
	table.happens(changed("/a/b"))
	assert.Len(t, two.taken(t), 1)
	two.Stop()
	assert.Equal(t, []string{"/a"}, *back)
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
		table.happens(changed(path))
	}
	assert.Len(t, root.taken(t), 5)
	assert.Len(t, a.taken(t), 3)
	assert.Len(t, ab.taken(t), 2)
	assert.Empty(t, other.taken(t))
	table.happens(happening{EventChildrenChanged, "/a"})
	assert.Empty(t, a.taken(t), "it is no event of a recursive watch")
}

// The first answer means that the watch is in force, every later one that it was not for a while.
func TestTreeWatchResets(t *testing.T) {
	table, _ := treeTable()
	w := treeUser(t, table, "/a")
	assert.False(t, table.treeLive("/a"))
	table.treeAnswered(table.trees["/a"], 0)
	assert.True(t, table.treeLive("/a"))
	assert.Empty(t, w.taken(t))
	table.happens(changed("/a/b"))
	table.happens(changed("/a/c"))
	table.treeAnswered(table.trees["/a"], 0)
	assert.Len(t, w.events, 2, "it was in force all the time")
	table.relink()
	assert.Zero(t, w.Zxid())
	table.treeAnswered(table.trees["/a"], 0)
	assert.EqualValues(t, 7, w.Zxid())
	table.happens(changed("/a/d"))
	assert.Equal(t, []Event{{Type: EventReset, Path: "/a"}, {Type: EventDataChanged, Path: "/a/d"}}, w.taken(t), "what was not read gives way")
	former := table.trees["/a"]
	w.Stop()
	w = treeUser(t, table, "/a")
	table.treeAnswered(former, 0)
	assert.False(t, table.treeLive("/a"), "that was of the watch before")
	table.treeAnswered(former, -1)
	assert.NoError(t, w.err())
}

func TestTreeWatchRefused(t *testing.T) {
	for code, want := range map[int32]error{-102: ErrNoAuth, -5: nil} {
		table, back := treeTable()
		w := treeUser(t, table, "/a")
		table.happens(changed("/a"))
		table.treeAnswered(table.trees["/a"], code)
		events, err := w.Take()
		assert.Len(t, events, 1, "what was told before counts")
		require.ErrorContains(t, err, "refuses the recursive watch")
		assert.Equal(t, answered, outcomeOf(err), "final")
		if want != nil {
			require.ErrorIs(t, err, want)
		}
		w.Stop()
		assert.Empty(t, *back, "there is nothing to take back")
	}
}

func TestTreeWatchUnsupported(t *testing.T) {
	table, _ := treeTable()
	w := treeUser(t, table, "/a")
	table.treesUnsupported(ErrUnsupported)
	_, err := w.Take()
	require.ErrorIs(t, err, ErrUnsupported)
	assert.Equal(t, answered, outcomeOf(err), "final")
	_, _, err = table.joinTree(w, ErrUnsupported)
	require.ErrorIs(t, err, ErrUnsupported)
	assert.Empty(t, table.trees)
}

func TestTreeWatchesEndWithTheSession(t *testing.T) {
	table, back := treeTable()
	w, stopped := treeUser(t, table, "/a"), treeUser(t, table, "/b")
	stopped.Stop()
	table.end(ErrSessionLost)
	for want, w := range map[error]*TreeWatch{ErrSessionLost: w, ErrWatchStopped: stopped} {
		_, err := w.Take()
		require.ErrorIs(t, err, want)
		_, err = w.Next(t.Context())
		require.ErrorIs(t, err, want)
	}
	_, _, err := table.joinTree(w, nil)
	require.ErrorIs(t, err, ErrSessionLost)
	w.Stop()
	assert.Equal(t, []string{"/b"}, *back)
}

// One-shot watches on the path itself live on what the recursive one tells.
func TestTreeWatchServesOneShots(t *testing.T) {
	created, deleted := EventCreated, EventDeleted
	for _, c := range []struct {
		kind watchKind
		on   happening
		want Event
	}{
		{dataWatch, changed("/a"), Event{Type: EventDataChanged, Path: "/a"}},
		{dataWatch, happening{deleted, "/a"}, Event{Type: EventDeleted, Path: "/a"}},
		{existsWatch, happening{created, "/a"}, Event{Type: EventCreated, Path: "/a"}},
		{childWatch, happening{created, "/a/b"}, Event{Type: EventChildrenChanged, Path: "/a"}},
		{childWatch, happening{deleted, "/a/b"}, Event{Type: EventChildrenChanged, Path: "/a"}},
		{childWatch, happening{deleted, "/a"}, Event{Type: EventDeleted, Path: "/a"}},
	} {
		t.Run(fmt.Sprint(c.kind, c.on.event, c.on.path), func(t *testing.T) {
			table, _ := treeTable()
			treeUser(t, table, "/a")
			w, armed := table.join("", watchKey{c.kind, "/a"})
			assert.True(t, armed, "a plain read will do")
			table.happens(changed("/a/x"))
			table.happens(changed("/ab"))
			table.happens(happening{created, "/ab/c"})
			table.happens(happening{created, "/a/b/c"})
			assert.Empty(t, w.C)
			table.happens(c.on)
			assert.Equal(t, c.want, <-w.C)
			assert.Empty(t, table.m)
		})
	}
	t.Run("the root", func(t *testing.T) {
		table, _ := treeTable()
		treeUser(t, table, "/")
		w, _ := table.join("", watchKey{childWatch, "/"})
		table.happens(changed("/"))
		assert.Empty(t, w.C)
		table.happens(happening{created, "/a"})
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
		table.attempted(w, &nodeState{})
	})
}

// When nothing stands in for them any more, or something may have been missed, they fire to be on the safe side.
func TestTreeWatchSurrendersOneShots(t *testing.T) {
	for name, end := range map[string]func(table *watches, w *TreeWatch){
		"stopped":     func(_ *watches, w *TreeWatch) { w.Stop() },
		"reset":       func(table *watches, _ *TreeWatch) { table.relink(); table.treeAnswered(table.trees["/a"], 0) },
		"refused":     func(table *watches, _ *TreeWatch) { table.treeAnswered(table.trees["/a"], -1) },
		"unsupported": func(table *watches, _ *TreeWatch) { table.treesUnsupported(ErrUnsupported) },
	} {
		t.Run(name, func(t *testing.T) {
			table, _ := treeTable()
			before, armed := table.join("", watchKey{childWatch, "/a"})
			assert.False(t, armed)
			table.attempted(before, &nodeState{})
			elsewhere, _ := table.join("", watchKey{dataWatch, "/a/b"})
			tree := treeUser(t, table, "/a")
			table.treeAnswered(table.trees["/a"], 0)
			assert.Empty(t, before.C, "it was set, on this connection")
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
		table.happens(changed(long))
	}
	assert.Len(t, w.events, fits)
	for range 10 * fits {
		table.happens(changed(long))
		require.LessOrEqual(t, w.cost, treeBacklog)
	}
	table.happens(changed("/a/last"))
	events := w.taken(t)
	assert.Equal(t, Event{Type: EventReset, Path: "/a"}, events[0])
	assert.Equal(t, Event{Type: EventDataChanged, Path: "/a/last"}, events[len(events)-1])
	assert.Zero(t, w.cost)
	table.happens(changed("/a/next"))
	assert.Equal(t, []Event{{Type: EventDataChanged, Path: "/a/next"}}, w.taken(t))
}

// Next and Take account for the same backlog.
func TestTreeWatchNextAndTake(t *testing.T) {
	table, _ := treeTable()
	w := treeUser(t, table, "/a")
	for i := range 10 {
		table.happens(changed(fmt.Sprintf("/a/%d", i)))
	}
	for i := range 5 {
		ev, err := w.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("/a/%d", i), ev.Path)
	}
	assert.Len(t, w.taken(t), 5)
	assert.Zero(t, w.cost)
	table.happens(changed("/a"))
	_, err := w.Next(t.Context())
	require.NoError(t, err)
	assert.Zero(t, w.cost)
	assert.Nil(t, w.events)
	assert.Len(t, w.Ready(), 1, "a token may be left over")
	w.finish(errors.New("over"))
	_, err = w.Next(t.Context())
	require.EqualError(t, err, "over")
}

// Until a recursive watch is in force it serves nobody: one-shot watches that counted on it fire then.
func TestOneShotsOnAPathThatIsNotWatchedYet(t *testing.T) {
	for _, relinked := range []bool{false, true} {
		table, _ := treeTable()
		before, _ := table.join("", watchKey{dataWatch, "/a"})
		table.attempted(before, &nodeState{})
		treeUser(t, table, "/a")
		during, armed := table.join("", watchKey{childWatch, "/a"})
		assert.True(t, armed, "a plain read will do")
		if relinked {
			table.era++ // where before was not set again
		}
		table.treeAnswered(table.trees["/a"], 0)
		assert.Len(t, during.C, 1, "it may have missed something")
		assert.Equal(t, relinked, len(before.C) == 1)
	}
}
