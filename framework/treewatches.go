package framework

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

// trees are the recursive watches of one epoch, by the path as the server knows it. They are guarded by the mutex of the
// one-shot watches, because either table decides by the other.
type trees map[string]*tree

// tree is one watch on the server.
type tree struct {
	at    string
	users []*TreeWatch // in the order in which they came
	armed bool         // it has been in force
	live  bool         // it is in force on the present connection
	era   int          // the connection on which it was asked for first
}

// recursiveMode is addWatch's mode of a watch on a node and everything below it; anyWatcher makes removeWatches take back all watches
// of a path. It is the only type that every version knows which ends a recursive watch.
const (
	recursiveMode = 1
	anyWatcher    = 3
)

// addWatchCall asks for a recursive watch.
func (e *epoch) addWatchCall(at string) *asked[struct{}] {
	body := &jute.PathInt32Request{Path: at, Value: recursiveMode}
	return query[struct{}]{op: jute.OpAddWatch, at: at, body: body, kind: e.core.can.kind(capAddWatch)}.call(e.ctx)
}

// removeWatchesCall takes all watches on a path back.
func (e *epoch) removeWatchesCall(at string) *asked[struct{}] {
	body := &jute.PathInt32Request{Path: at, Value: anyWatcher}
	return query[struct{}]{op: jute.OpRemoveWatches, at: at, body: body, kind: e.core.can.kind(capRemoveWatches)}.call(e.ctx)
}

// treeRefusal is the error for a server's answer. That the node's ACL does not allow it is the only one with a meaning of its own.
func treeRefusal(code int32) error {
	err := ErrNoAuth
	if code != codeNoAuth {
		err = &finalAnswer{errors.New(unknownCode + strconv.Itoa(int(code)))}
	}
	return fmt.Errorf("the server refuses the recursive watch: %w", err)
}

// joinTree makes w a user of the watch on its path, unless lack says why there can be none. It returns the watch, and whether it is in
// force. It may be repeated.
func (t *watches) joinTree(w *TreeWatch, lack error) (tr *tree, live bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != nil {
		return nil, false, t.ended
	}
	tr = t.trees[w.at]
	if tr == nil {
		if lack != nil {
			return nil, false, lack
		}
		tr = &tree{at: w.at, era: t.era}
		if t.trees == nil {
			t.trees = make(trees)
		}
		t.trees[w.at] = tr
	}
	if !slices.Contains(tr.users, w) {
		tr.users = append(tr.users, w)
	}
	return tr, tr.live, nil
}

// lastUser reports whether w is the only user of a watch.
func (t *watches) lastUser(w *TreeWatch) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	tr := t.trees[w.at]
	return tr != nil && len(tr.users) == 1 && tr.users[0] == w
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
		t.surrender(w.at)
	}
}

// treeLive reports whether the watch on a path is in force.
func (t *watches) treeLive(at string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trees[at] != nil && t.trees[at].live
}

// treeServes reports whether w is a user of a watch that is in force.
func (t *watches) treeServes(w *TreeWatch) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	tr := t.trees[w.at]
	return tr != nil && tr.live && slices.Contains(tr.users, w)
}

// treeInForce notes that a server has set a watch. Any time but the first it may have been gone for a while. An answer to a request for
// a watch that was taken back since says nothing of its successor on the path. The mutex is held.
func (t *watches) treeInForce(tr *tree) {
	if t.trees[tr.at] != tr || tr.live {
		return
	}
	tr.live = true
	if !tr.armed {
		tr.armed = true
		t.surrenderUnserved(tr.at, tr)
		return
	}
	for _, w := range tr.users {
		w.push(EventReset, tr.at)
	}
	t.surrender(tr.at)
}

// treeAnswered takes a server's answer to an addWatch for tr.
func (t *watches) treeAnswered(tr *tree, code int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case code == 0:
		t.treeInForce(tr)
	case t.trees[tr.at] == tr:
		t.endTree(tr.at, treeRefusal(code))
	}
}

// addWatchOver takes the answer to an addWatch for tr, or why there is none. It runs in the receiving goroutine if there is one. It
// returns an error that is neither a refusal of this watch nor of all.
func (e *epoch) addWatchOver(tr *tree, err error) error {
	var code *wire.CodeError
	lack := e.core.can.lack(capAddWatch)
	switch {
	case lack != nil:
		e.watches.treesUnsupported(lack)
	case err == nil:
		e.watches.treeAnswered(tr, 0)
	case !errors.As(err, &code), disowns(code.Code), code.Code == codeTooBusy, code.Code == codeUnimplemented:
		return err
	default:
		e.watches.treeAnswered(tr, code.Code)
	}
	return nil
}

// repair sets a recursive watch again that a one-shot watch on the same path has taken the place of: see ZOOKEEPER-4466. It was asked
// for when there was no recursive one. A recursive watch that is left at the same time is taken back before, or after, but not in between.
// It runs in the receiving goroutine, which never holds the mutex of the order.
func (e *epoch) repair(at string) {
	t := &e.watches
	t.order.Lock()
	defer t.order.Unlock()
	t.mu.Lock()
	tr := t.trees[at]
	if tr != nil {
		tr.live = false
	}
	t.mu.Unlock()
	if tr == nil {
		return
	}
	c := &e.addWatchCall(at).Call
	c.Over = func(err error) {
		var code *wire.CodeError
		if err := e.addWatchOver(tr, err); errors.As(err, &code) { // on the next connection it is set again
			e.wire.Break(fmt.Errorf("%w: addWatch is answered with error %d", errNotRearmed, code.Code))
		}
	}
	_ = e.wire.Send(c) // one that is not sent is set again on the next connection
}

// unwatch has the server take back its watches on a path.
func (e *epoch) unwatch(at string) {
	if !e.core.can.has(capRemoveWatches) {
		return
	}
	_ = e.wire.Send(&e.removeWatchesCall(at).Call) // the end of the connection does it too
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
func (t *watches) treesUnsupported(lack error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endTrees(lack)
}

// surrenderUnserved fires the one-shot watches on a path that counted on a recursive watch which was not in force until now: those that
// came since it was asked for, and all of them if that was on another connection, where nobody set them again. Those of sets fire in any case.
func (t *watches) surrenderUnserved(at string, tr *tree) {
	for _, kind := range []watchKind{dataWatch, existsWatch, childWatch} {
		key := watchKey{kind, at}
		entry := t.m[key]
		event := EventDataChanged
		if kind == childWatch {
			event = EventChildrenChanged
		}
		if entry == nil || tr.era == t.era && (entry.armed || entry.arming > 0) {
			t.fireSets(event, at, kind)
			continue
		}
		t.expend(key, event)
	}
}

// surrender fires the one-shot watches on a path, which nothing serves any more, or which may have missed something.
func (t *watches) surrender(at string) {
	t.expend(watchKey{dataWatch, at}, EventDataChanged)
	t.expend(watchKey{existsWatch, at}, EventDataChanged)
	t.expend(watchKey{childWatch, at}, EventChildrenChanged)
}

// expend fires the one-shot watches of a key, if there are any.
func (t *watches) expend(key watchKey, event EventType) {
	t.fireSets(event, key.path, key.kind)
	if entry := t.m[key]; entry != nil {
		t.drop(key)
		entry.fire(event, key.path, nil)
	}
}

// fireTrees delivers a server's event to all watches above it. Lists of children are watched on the side: a server before
// 3.9 that watches a path recursively does not tell of them.
func (t *watches) fireTrees(event EventType, path string) {
	if len(t.trees) == 0 || event == EventChildrenChanged {
		return
	}
	for at := path; ; at, _ = Split(at) {
		if tr := t.trees[at]; tr != nil {
			for _, w := range tr.users {
				w.push(event, path)
			}
		}
		if at == "/" || at == "" {
			break
		}
	}
	parent, _ := Split(path)
	if t.trees[parent] != nil && event != EventDataChanged && path != "/" {
		t.expend(watchKey{childWatch, parent}, EventChildrenChanged)
	}
}
