package framework

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/internal/wire"
)

// trees are the recursive watches of one epoch, by the path as the server knows it. They are guarded by the mutex of the
// one-shot watches, because either table decides by the other.
type trees map[string]*tree

// tree is one watch on the server.
type tree struct {
	users []*TreeWatch // in the order in which they came
	armed bool         // it has been in force
}

// treeServer asks the server for recursive watches; the wire does.
type treeServer interface {
	WatchTree(path string) bool
	UnwatchTree(path string)
	TreeZxid(path string) int64
}

// codeNoAuth is the only refusal that has a meaning of its own here.
const codeNoAuth = -102

// treeRefusal is the error for a server's answer.
func treeRefusal(code int32) error {
	err := error(ErrNoAuth)
	if code != codeNoAuth {
		err = &finalAnswer{errors.New(unknownCode + strconv.Itoa(int(code)))}
	}
	return fmt.Errorf("the server refuses the recursive watch: %w", err)
}

// joinTree makes w a user of the watch on its path, and has the watch set if it is the first. It may be repeated.
func (t *watches) joinTree(w *TreeWatch) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return t.ended
	}
	tr := t.trees[w.at]
	if tr == nil {
		if t.server == nil || !t.server.WatchTree(w.at) {
			return ErrUnsupported
		}
		tr = &tree{}
		if t.trees == nil {
			t.trees = make(trees)
		}
		t.trees[w.at] = tr
	}
	if !slices.Contains(tr.users, w) {
		tr.users = append(tr.users, w)
	}
	return nil
}

// leaveTree takes w out. With the last user the watch goes.
func (t *watches) leaveTree(w *TreeWatch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tr := t.trees[w.at]
	if tr == nil {
		return
	}
	i := slices.Index(tr.users, w)
	if i < 0 {
		return
	}
	if tr.users = slices.Delete(tr.users, i, i+1); len(tr.users) == 0 {
		delete(t.trees, w.at)
		t.server.UnwatchTree(w.at)
		t.surrender(w.at)
	}
}

// treeArmed reports whether the watch on a path has been in force.
func (t *watches) treeArmed(at string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trees[at] != nil && t.trees[at].armed
}

// treeZxid is up to where everything was told to w.
func (t *watches) treeZxid(w *TreeWatch) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tr := t.trees[w.at]; tr == nil || !slices.Contains(tr.users, w) {
		return 0
	}
	return t.server.TreeZxid(w.at)
}

// treeAnswered takes a server's answer to the request for a watch. Any but the first means that the watch was gone for a
// while. It runs in the driver's receiving goroutine.
func (t *watches) treeAnswered(at string, code int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tr := t.trees[at]
	switch {
	case tr == nil:
	case code != 0:
		t.endTree(at, treeRefusal(code))
	case !tr.armed:
		tr.armed = true
	default:
		for _, w := range tr.users {
			w.push(EventReset, at)
		}
		t.surrender(at)
	}
}

// endTrees ends every watch.
func (t *watches) endTrees(cause error) {
	for _, at := range slices.Sorted(maps.Keys(t.trees)) {
		t.endTree(at, cause)
	}
}

// endTree ends a watch that the server does not have any more.
func (t *watches) endTree(at string, cause error) {
	for _, w := range t.trees[at].users {
		w.finish(cause)
	}
	delete(t.trees, at)
	t.surrender(at)
}

// treesUnsupported ends every watch because the server does not know such watches.
func (t *watches) treesUnsupported() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endTrees(ErrUnsupported)
}

// surrender fires the one-shot watches on a path, which nothing serves any more, or which may have missed something.
func (t *watches) surrender(at string) {
	t.expend(watchKey{dataWatch, at}, EventDataChanged)
	t.expend(watchKey{existsWatch, at}, EventDataChanged)
	t.expend(watchKey{childWatch, at}, EventChildrenChanged)
}

// expend fires the one-shot watch of a key, if there is one.
func (t *watches) expend(key watchKey, event EventType) {
	if entry := t.m[key]; entry != nil {
		t.drop(key)
		entry.fire(event, key.path, nil)
	}
}

// fireTrees delivers a server's event to all watches above it. Lists of children are watched on the side: a server before
// 3.9 that watches a path recursively does not tell of them.
func (t *watches) fireTrees(ev zk.Event) {
	event, _ := watchesOf(ev.Type)
	if len(t.trees) == 0 || event == 0 || event == EventChildrenChanged {
		return
	}
	for at := ev.Path; ; at, _ = Split(at) {
		if tr := t.trees[at]; tr != nil {
			for _, w := range tr.users {
				w.push(event, ev.Path)
			}
		}
		if at == "/" || at == "" {
			break
		}
	}
	parent, _ := Split(ev.Path)
	if t.trees[parent] != nil && event != EventDataChanged && ev.Path != "/" {
		t.expend(watchKey{childWatch, parent}, EventChildrenChanged)
	}
}

// treeSupport is what a client has learnt of its servers.
type treeSupport struct {
	known  atomic.Bool // one has set such a watch
	denied atomic.Bool // one does not know them

	inquiries inquirySupport
}

// openWire makes the epoch's wire session. It is asked for recursive watches unless they are known not to be there.
func (e *epoch) openWire() {
	opt, support := e.wireOptions(), &e.core.trees
	opt.OnTree, opt.OnTreesUnsupported, opt.TreesSupported = e.onTree, e.onTreesUnsupported, support.known.Load()
	e.wire = wire.NewSession(opt)
	if !support.denied.Load() {
		e.watches.server = e.wire
	}
}

// onTree is called with a server's answer to a request for a recursive watch.
func (e *epoch) onTree(at string, code int32) {
	if code == 0 {
		e.core.trees.known.Store(true)
	}
	e.watches.treeAnswered(at, code)
}

// onTreesUnsupported is called when a server does not know recursive watches.
func (e *epoch) onTreesUnsupported() {
	e.core.trees.denied.Store(true)
	e.watches.treesUnsupported()
}
