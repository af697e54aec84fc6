package cache_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// snapshotter is a cache of several nodes.
type snapshotter interface {
	All() iter.Seq2[string, framework.Node]
	Len() int
	Events(ctx context.Context) <-chan cache.Event
}

// recorder applies events as a careful user would, and complains about those that cannot be.
type recorder struct {
	w    *world
	done chan struct{}

	mu    sync.Mutex
	lines []string
	nodes map[string]framework.Node
	dead  map[int64]string // removed nodes, by czxid
	anew  bool             // the servers' data is replaced, and czxids come again
}

func newRecorder(w *world) *recorder {
	return &recorder{w: w, nodes: make(map[string]framework.Node), dead: make(map[int64]string), done: make(chan struct{})}
}

// stepper goes from one Snapshot to another.
type stepper struct {
	*recorder
	last cache.Snapshot
}

// step takes over the differences between the present Snapshot and the one of the step before.
func (s *stepper) step(tree *cache.Tree) {
	now := tree.Snapshot()
	for ev := range now.Since(s.last) {
		s.add(ev)
	}
	s.last = now
}

func (r *recorder) add(ev cache.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := fmt.Sprintf("%v %s", ev.Type, ev.Path)
	known, have := r.nodes[ev.Path]
	t := r.w.t
	switch ev.Type {
	case cache.Added:
		assert.False(t, have, "%v: it is there already", ev)
		parent, _ := framework.Split(ev.Path)
		_, rooted := r.nodes[parent]
		assert.True(t, rooted || len(r.nodes) == 0, "%v: its parent is not there", ev)
		assert.True(t, r.anew || ev.Path != r.dead[ev.New.Stat.Czxid], "%v: it rises from the dead", ev)
		r.nodes[ev.Path] = ev.New
		line += fmt.Sprintf(" %q", ev.New.Data)
	case cache.Changed:
		assert.Equal(t, brief(known), brief(ev.Old), "%v: it was something else", ev)
		assert.Equal(t, known.Stat.Czxid, ev.New.Stat.Czxid, "%v: another node", ev)
		assert.Less(t, known.Stat.Mzxid, ev.New.Stat.Mzxid, "%v: it goes back in time", ev)
		r.nodes[ev.Path] = ev.New
		line += fmt.Sprintf(" %q", ev.New.Data)
	case cache.Removed:
		assert.True(t, have, "%v: it is not there", ev)
		assert.Equal(t, brief(known), brief(ev.Old), "%v: it was something else", ev)
		for path := range r.nodes {
			assert.False(t, strings.HasPrefix(path, ev.Path+"/"), "%v: %s is below it", ev, path)
		}
		delete(r.nodes, ev.Path)
		r.dead[ev.Old.Stat.Czxid] = ev.Path
	}
	r.lines = append(r.lines, line)
}

// take returns the events since the last call, in a bubble, when nothing happens any more.
func (r *recorder) take() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

// equal checks that the state that was rebuilt from the events is the cache's, data and zxids alike.
func (r *recorder) equal(tree snapshotter) {
	r.w.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var got, want []string
	for path, node := range r.nodes {
		assert.Equal(r.w.t, path, node.Path)
		got = append(got, brief(node))
	}
	for _, node := range tree.All() {
		want = append(want, brief(node))
	}
	slices.Sort(got)
	slices.Sort(want)
	require.Equal(r.w.t, want, got)
}

// brief is what events are about: not the counts of children in a Stat.
func brief(n framework.Node) string {
	return fmt.Sprintf("%s %q %d %d", n.Path, n.Data, n.Stat.Czxid, n.Stat.Mzxid)
}
