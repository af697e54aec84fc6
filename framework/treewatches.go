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

// trees are the recursive watches of one epoch, by path in the servers' form. They share the mutex of the one-shot
// watches, because each table depends on the other.
type trees map[string]*tree

// tree is one recursive watch on the server.
type tree struct {
	at    string
	users []*TreeWatch // in the order of their arrival
	armed bool         // the server has set it at least once
	live  bool         // the server has set it on the current connection
	era   int          // the connection on which it was first requested
}

// recursiveMode is addWatch's mode for a recursive watch. anyWatcher makes removeWatches remove all watches of a path;
// it is the only type that ends a recursive watch in every version.
const (
	recursiveMode = 1
	anyWatcher    = 3
)

// addWatchCall returns the request for a recursive watch.
func (e *epoch) addWatchCall(at string) *asked[struct{}] {
	body := &jute.PathInt32Request{Path: at, Value: recursiveMode}
	return query[struct{}]{op: jute.OpAddWatch, at: at, body: body, kind: e.core.can.kind(capAddWatch)}.call(e.ctx)
}

// removeWatchesCall returns the request that removes all watches on a path.
func (e *epoch) removeWatchesCall(at string) *asked[struct{}] {
	body := &jute.PathInt32Request{Path: at, Value: anyWatcher}
	return query[struct{}]{op: jute.OpRemoveWatches, at: at, body: body, kind: e.core.can.kind(capRemoveWatches)}.call(e.ctx)
}

// treeRefusal returns the error for a server's error code. Only a denial by the node's ACL has a meaning of its own.
func treeRefusal(code int32) error {
	err := ErrNoAuth
	if code != codeNoAuth {
		err = &finalAnswer{errors.New(unknownCode + strconv.Itoa(int(code)))}
	}
	return fmt.Errorf("the server refuses the recursive watch: %w", err)
}

// joinTree makes w a user of the watch on its path, unless lack says why there can be none. It returns the watch, and
// whether the server has set it. It may be repeated.
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

// leaveTree removes w as a user, and the watch with its last user.
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

// treeLive reports whether the watch on a path is set.
func (t *watches) treeLive(at string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trees[at] != nil && t.trees[at].live
}

// treeServes reports whether w is a user of a watch that is set.
func (t *watches) treeServes(w *TreeWatch) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	tr := t.trees[w.at]
	return tr != nil && tr.live && slices.Contains(tr.users, w)
}

// treeInForce records that a server has set a watch. Except for the first time, it may have been missing for a while.
// If the watch was removed since, the reply says nothing about the next one on the path. The mutex is held.
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

// treeAnswered handles the reply to an addWatch for tr.
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

// addWatchOver handles the reply to an addWatch for tr, or its error. It runs in the receiving goroutine if there was a
// reply. It returns an error that is neither a refusal of this watch nor of all.
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

// repair sets a recursive watch again that was replaced by a one-shot watch on the same path (ZOOKEEPER-4466), which
// was requested before the recursive one existed. A concurrent removal is sent before or after, never in between.
// repair runs in the receiving goroutine, which never holds the mutex order.
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
		if err := e.addWatchOver(tr, err); errors.As(err, &code) { // it is set again on the next connection
			e.wire.Break(fmt.Errorf("%w: addWatch is answered with error %d", errNotRearmed, code.Code))
		}
	}
	_ = e.wire.Send(c) // if it is not sent, the watch is set again on the next connection
}

// unwatch removes the server's watches on a path.
func (e *epoch) unwatch(at string) {
	if !e.core.can.has(capRemoveWatches) {
		return
	}
	_ = e.wire.Send(&e.removeWatchesCall(at).Call) // the end of the connection removes them too
}

// endTrees ends every watch.
func (t *watches) endTrees(cause error) {
	for _, at := range slices.Sorted(maps.Keys(t.trees)) {
		t.endTree(at, cause)
	}
}

// endTree ends a watch that the server no longer has.
func (t *watches) endTree(at string, cause error) {
	for _, w := range t.trees[at].users {
		w.finish(cause)
	}
	delete(t.trees, at)
	t.surrender(at)
}

// treesUnsupported ends every watch because the server does not support them.
func (t *watches) treesUnsupported(lack error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endTrees(lack)
}

// surrenderUnserved fires the one-shot watches on a path that relied on a recursive watch which was not set until now:
// those that were added since it was requested, or all of them if that was on another connection, where they were not
// set again. Watches of sets fire in any case.
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

// surrender fires the one-shot watches on a path that are no longer served, or may have missed something.
func (t *watches) surrender(at string) {
	t.expend(watchKey{dataWatch, at}, EventDataChanged)
	t.expend(watchKey{existsWatch, at}, EventDataChanged)
	t.expend(watchKey{childWatch, at}, EventChildrenChanged)
}

// expend fires the one-shot watches of a key.
func (t *watches) expend(key watchKey, event EventType) {
	t.fireSets(event, key.path, key.kind)
	if entry := t.m[key]; entry != nil {
		t.drop(key)
		entry.fire(event, key.path, nil)
	}
}

// fireTrees delivers a server's event to all recursive watches above it. Child watches are ignored: a server before 3.9
// does not send their events for a path that is watched recursively.
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
