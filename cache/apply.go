package cache

import (
	"errors"
	"slices"
	"strings"

	"github.com/docent-zk/docent/framework"
)

// takeNode applies the result of a node's read to the mirror. Reads of different nodes complete in any order, so a
// result that is older than the mirror, as its zxids show, is ignored.
func (p *pass) takeNode(a answer) {
	t := a.task
	switch {
	case errors.Is(a.err, framework.ErrNoNode):
		p.remove(t.path)
		return
	case a.err != nil && !t.again && (t.deleted || p.replaced(a)): // another node exists there, which cannot be read
		p.remove(t.path)
		p.refuse(t.work, a.err)
		return
	case a.err != nil:
		p.refuse(t.work, a.err)
		return
	case t.dead != 0 && a.node.Stat.Czxid <= t.dead:
		return
	}
	old := p.find(t.path)
	switch {
	case old != nil && (p.catching > 0 || p.rereading) && p.spec.conflicts(old.node, a.node):
		p.reset()
	case old != nil && old.node.Stat.Czxid >= a.node.Stat.Czxid:
		p.refresh(old, a)
	case p.rooted(a.node, t):
		p.raise(old, a)
	case old != nil: // it is gone; the node in its place is read again when its parent is known
		p.displaced[t.path] = struct{}{}
	}
}

// replaced reports whether the mirror's node has been replaced by another one, which cannot be read.
func (p *pass) replaced(a answer) bool {
	old := p.find(a.task.path)
	return old != nil && a.node.Stat.Czxid > old.node.Stat.Czxid
}

// mustList reports whether new children of a node are only noted after a list of them.
func (p *pass) mustList(path string) bool { return !p.source.covers(work{path: path, list: true}) }

// rooted reports whether the mirror's parent is certainly the one in which the node was created, and not one that was
// deleted meanwhile. If not, the node is ignored until more is known, and then read again.
func (p *pass) rooted(node framework.Node, t *task) bool {
	if t.path == p.spec.root {
		return true
	}
	above := p.spec.parent(t.path)
	parent := p.find(above)
	switch {
	case parent == nil || parent.node.Stat.Czxid > node.Stat.Czxid:
	case parent.listed >= node.Stat.Czxid:
		return true
	case !p.source.everywhere():
		p.source.unfollow(t.path)
		p.mark(work{path: above, list: true}, false, t)
		return false
	case p.verified(above): // and later changes of it are noted
		return true
	}
	if p.tasks[work{path: above}] != nil {
		p.demand(work{path: above}, t).lister = true
	}
	return false
}

// verified reports whether a node in the mirror is known to be current: it was read in this pass, or has not changed.
func (p *pass) verified(path string) bool {
	if t := p.tasks[work{path: path}]; t != nil && t.deleted {
		return false
	}
	if p.seen == nil {
		_, doubtful := p.doubtful[path]
		return !doubtful
	}
	_, ok := p.seen[path]
	return ok
}

// raise inserts a new node, or replaces an older node of the same name.
func (p *pass) raise(old *entry, a answer) {
	t := a.task
	now := &entry{node: a.node, listed: unlisted}
	p.learn(int(a.node.Stat.DataLength))
	kids := a.node.Stat.NumChildren > 0
	p.hold(t, kids && p.spec.lists(a.node))
	p.forget(old)
	if !kids {
		now.listed = a.node.Stat.Pzxid
	}
	p.see(t.path)
	// A one-shot watch from before the pass does not count. Below a held node everything is listed, because its round
	// waits for that.
	announced := !p.await(t) && t.announced && a.node.Stat.Czxid > p.began
	list := p.spec.lists(a.node) && (t.lister || kids && (a.deep || !announced) || p.mustList(t.path))
	p.put(t.work, now)
	if list {
		p.mark(work{path: t.path, list: true}, false, t)
	}
	t.lister = false
}

// refresh updates a node that is still the same, and in a deep look continues with its children.
func (p *pass) refresh(old *entry, a answer) {
	t := a.task
	now := &entry{node: a.node, kids: old.kids, listed: old.listed, lost: old.lost}
	if news, known := a.node.Stat, old.node.Stat; news == known || news.Mzxid < known.Mzxid || news.Pzxid < known.Pzxid {
		now = old
	}
	p.see(t.path)
	p.put(t.work, now)
	switch {
	case !p.spec.lists(a.node):
	case t.lister, a.deep && (p.rereading || old.listed != a.node.Stat.Pzxid || p.mustList(t.path)):
		p.mark(work{path: t.path, list: true}, a.deep, t)
	case a.deep:
		old.kids.each(func(_ string, kid *entry) bool {
			p.mark(work{path: kid.node.Path}, true, t)
			return true
		})
	}
	t.lister = false
}

// takeList compares the names of a node's children with those in the mirror.
func (p *pass) takeList(a answer) {
	t := a.task
	dir := p.find(t.path)
	switch {
	case errors.Is(a.err, framework.ErrNoNode):
		p.mark(work{path: t.path}, false, t)
		return
	case a.err != nil:
		p.refuse(t.work, a.err)
		return
	case dir == nil || a.stat.Czxid < dir.node.Stat.Czxid || a.stat.Pzxid < dir.listed:
		return
	case a.stat.Czxid > dir.node.Stat.Czxid: // of another node of the same name
		p.mark(work{path: t.path}, false, t)
		return
	}
	names := p.wanted(t.path, a.names)
	var listed map[string]struct{}
	if dir.kids.count() > 0 || p.view().refused.count() > 0 {
		listed = setOf(names)
	}
	now := &entry{node: dir.node, kids: p.prune(dir, listed, a.stat.Pzxid), listed: a.stat.Pzxid}
	if a.stat.Mzxid == dir.node.Stat.Mzxid {
		now.node.Stat = a.stat
	}
	p.put(t.work, now)
	p.dropRefused(t.path, listed)
	for _, name := range names {
		p.meet(now.kids.get(name), framework.Join(t.path, name), a)
	}
}

// wanted returns the names of children that belong into the mirror.
func (p *pass) wanted(dir string, names []string) []string {
	if !p.spec.filtered {
		return names
	}
	return slices.DeleteFunc(names, func(name string) bool { return !p.spec.keeps(framework.Join(dir, name)) })
}

func setOf(names []string) map[string]struct{} {
	set := make(map[string]struct{}, len(names))
	for _, name := range names {
		set[name] = struct{}{}
	}
	return set
}

// prune returns the children of dir that are in a list, or were created after it.
func (p *pass) prune(dir *entry, names map[string]struct{}, listed int64) index[*entry] {
	kids := dir.kids
	dir.kids.each(func(name string, kid *entry) bool {
		if _, ok := names[name]; !ok && kid.node.Stat.Czxid <= listed {
			p.unhold(kid.node.Path)
			p.forget(kid)
			kids = kids.without(name)
		}
		return true
	})
	return kids
}

// see records that a node was read in this pass.
func (p *pass) see(path string) {
	if p.seen != nil {
		p.seen[path] = struct{}{}
	}
	delete(p.doubtful, path)
	delete(p.displaced, path)
	if t := p.tasks[work{path: path}]; t != nil && !t.again {
		t.deleted = false
	}
}

// meet checks a child that is in a list, if that is needed.
func (p *pass) meet(kid *entry, path string, a answer) {
	w := work{path: path}
	_, displaced := p.displaced[path]
	switch {
	case kid == nil || displaced:
		p.insist(w, a.task)
	case a.deep:
		p.mark(w, true, a.task)
	case !p.source.covers(w):
		p.insist(w, a.task)
	}
}

// forget records that a node and everything below it are gone. Pending reads may still return them, and others need not
// begin.
func (p *pass) forget(gone *entry) {
	if gone == nil || len(p.tasks) == 0 {
		return
	}
	gone.walk(func(e *entry) bool {
		delete(p.displaced, e.node.Path)
		t := p.tasks[work{path: e.node.Path}]
		switch {
		case t == nil:
		case t.check && !t.running:
			p.drop(t)
		default:
			t.dead = max(t.dead, e.node.Stat.Czxid)
		}
		return true
	})
}

// remove removes a node from the mirror.
func (p *pass) remove(path string) {
	p.unhold(path)
	p.forget(p.find(path))
	p.dropRefused(path, nil)
	p.lose(path)
	p.put(work{path: path}, nil)
}

// lastZxid returns the newest transaction that the session has seen.
func (p *pass) lastZxid() int64 {
	if p.s == nil {
		return 0 // in tests
	}
	return p.s.LastZxid()
}

// lose records at a node's parent up to which transaction the node was deleted, if it existed.
func (p *pass) lose(path string) {
	if path == p.spec.root || p.find(path) == nil {
		return
	}
	p.change(p.spec.parent(path), func(e *entry) *entry {
		return &entry{node: e.node, kids: e.kids, listed: e.listed, lost: p.lastZxid()}
	})
}

// put replaces what is known about the node at a path (nil for no node), and clears its refusal. It is shown together
// with the other replies of the same batch.
func (p *pass) put(w work, now *entry) {
	p.change(w.path, func(*entry) *entry { return now })
	delete(p.retrials, w)
	if p.refusal(w) != nil {
		p.publish(func(v *view) { v.refused = v.refused.without(w.key()) })
	}
}

// refusal returns why a read is refused, or nil.
func (p *pass) refusal(w work) *refusal {
	if p.view().refused.count() == 0 {
		return nil
	}
	return p.view().refused.get(w.key())
}

// refuse shows that a read is refused, and schedules a retry if that may help.
func (p *pass) refuse(w work, err error) {
	r := &refusal{path: w.path, list: w.list, err: err, epoch: p.s.Epoch()}
	first := p.refusal(w) == nil
	p.board.show(func(old *view) *view {
		if former := old.refused.get(w.key()); former != nil && former.epoch == r.epoch && former.err.Error() == err.Error() {
			return old
		}
		v := *old
		v.refused = old.refused.with(w.key(), r)
		return &v
	})
	p.user.shown(p.ctx, p.mirror, p.view())
	if r.passing() {
		p.postpone(w, first)
	}
}

// tooLong reports whether the reply to a read was rejected.
func tooLong(err error) bool { return errors.Is(err, framework.ErrReplyRefused) }

// barred returns why a read is not retried in this session: each attempt transfers the whole reply.
func (p *pass) barred(w work) error {
	r := p.refusal(w)
	if r == nil || r.epoch != p.s.Epoch() || !tooLong(r.err) {
		return nil
	}
	return r.err
}

// unrefuse allows a node that has changed to be read again.
func (p *pass) unrefuse(path string) {
	if p.barred(work{path: path}) != nil {
		p.board.show(func(old *view) *view {
			v := *old
			v.refused = old.refused.without(path)
			return &v
		})
	}
}

// refusedList reports whether the children of a node cannot be listed.
func (p *pass) refusedList(path string) bool {
	return p.refusal(work{path: path, list: true}) != nil
}

// dropRefused drops the refusals of nodes below dir that are not in the list. If the list is nil, it also drops that of
// dir.
func (p *pass) dropRefused(dir string, names map[string]struct{}) {
	if p.view().refused.count() == 0 {
		return
	}
	p.board.show(func(old *view) *view {
		v := *old
		old.refused.each(func(key string, r *refusal) bool {
			rest, _ := strings.CutPrefix(r.path, strings.TrimSuffix(dir, "/")+"/")
			name, _ := cut(rest)
			if _, listed := names[name]; rest != "" && rest != r.path && !listed || names == nil && r.path == dir {
				v.refused = v.refused.without(key)
			}
			return true
		})
		if v.refused == old.refused {
			return old
		}
		return &v
	})
}
