package cache

import (
	"slices"
	"time"
)

// begin makes a round of all current tasks, and calls done when it has ended. In a pass that is ending no round ends,
// because the remaining tasks are not known.
func (p *pass) begin(done func()) {
	if p.ending {
		return
	}
	r := &round{left: 1, done: done}
	for _, t := range p.tasks {
		r.join(t)
	}
	r.leave()
}

// catchUp makes the cache fresh when all current tasks have ended.
func (p *pass) catchUp() {
	p.begin(func() { p.whenShown(p.caught) })
}

// caught ends one catchUp. The last one makes the cache fresh.
func (p *pass) caught() {
	if p.catching--; p.catching > 0 {
		return
	}
	p.seen, p.doubtful, p.wary = nil, nil, false
	p.comparedTo = max(p.comparedTo, p.lookedFrom)
	if p.anew {
		p.showAnew()
	}
	p.freshen(p.link)
	if !p.minority {
		p.progress.Fresh()
	}
	p.nudge() // Syncs may wait for it
}

// showAnew shows what was read since the pass started over.
func (p *pass) showAnew() {
	otherData := p.otherData
	p.anew, p.otherData = false, false
	p.publish(func(v *view) {
		if otherData {
			v.era++
		}
	})
}

// lookAtAll checks every node, and makes the cache fresh when that is done. It works from the root downwards, so that
// no node is inserted below one that no longer exists.
func (p *pass) lookAtAll() {
	p.catching++
	p.distrust()
	p.lookedFrom = p.began
	if p.tree != nil {
		p.seen = make(map[string]struct{})
	}
	p.mark(work{path: p.spec.root}, true, nil)
	p.catchUp()
}

// suspect records that a read was not finished, so nodes may be missing.
func (m *mirror) suspect(w work) {
	if !w.list && w.path != m.spec.root {
		w.path = m.spec.parent(w.path)
	}
	m.suspects[w.path] = struct{}{}
}

// distrust lists the nodes whose children may be missing.
func (p *pass) distrust() {
	p.view().refused.each(func(_ string, r *refusal) bool {
		p.suspect(work{path: r.path, list: r.list})
		return true
	})
	for path := range p.suspects {
		p.change(path, func(e *entry) *entry {
			if e == nil {
				return nil
			}
			return &entry{node: e.node, kids: e.kids, listed: unlisted}
		})
	}
	clear(p.suspects)
}

// again retries refused nodes.
func (p *pass) again(which func(*refusal) bool) {
	p.view().refused.each(func(_ string, r *refusal) bool {
		if which(r) {
			p.mark(work{path: r.path, list: r.list}, true, nil)
		}
		return true
	})
}

// resume is called when the connection's state has changed. The changes of a new connection have to be caught up with.
func (p *pass) resume() {
	state := p.cli.State()
	if !state.State.Connected() || state.Epoch != p.s.Epoch() || state.Time.Equal(p.link) || p.ending {
		return
	}
	p.link = state.Time
	p.progress.Begin()
	p.catching++
	p.read(func() answer {
		err := p.source.resume(p.ctx)
		return answer{then: func() error {
			if err != nil {
				return err
			}
			if err := p.processNotes(); err != nil {
				return err
			}
			p.catchUp()
			return nil
		}}
	})
}

// settleAll serves the waiting calls of Sync and Refresh, whose sync has been answered: each ends when all current
// tasks have ended. If the sync was answered on a connection that has not been caught up with, or in the next session,
// the calls wait for that.
func (p *pass) settleAll() error {
	if p.catching > 0 || p.ending || !p.caughtUp() {
		return nil
	}
	callers := p.takeCallers(p.rereading)
	if len(callers) == 0 {
		return nil
	}
	p.waiting = append(p.waiting, callers...) // the next pass serves them if this one ends first
	if err := p.processNotes(); err != nil {
		return err
	}
	var rereads []caller
	callers = slices.DeleteFunc(callers, func(c caller) bool {
		if c.reread {
			rereads = append(rereads, c)
		}
		return c.reread
	})
	p.begin(func() { p.whenShown(func() { p.serve(callers) }) })
	if len(rereads) > 0 && !p.ending {
		p.rereading = true
		p.mark(work{path: p.spec.root}, true, nil)
		p.begin(func() {
			p.whenShown(func() {
				p.rereading = false
				p.serve(rereads)
				p.nudge() // other calls may wait for it
			})
		})
	}
	return nil
}

// serve ends calls.
func (p *pass) serve(callers []caller) {
	for _, c := range callers {
		close(c.done)
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(c caller) bool { return slices.Contains(callers, c) })
}

// caughtUp reports whether there is a connection whose changes are noted, and with which the pass has caught up or is
// about to.
func (p *pass) caughtUp() bool {
	state := p.cli.State()
	return state.State.Connected() && state.Epoch == p.s.Epoch() && state.Time.Equal(p.link) && p.source.listening()
}

// processNotes turns notes into tasks.
func (p *pass) processNotes() error {
	notes, over := p.source.take()
	for _, n := range notes {
		if n.kind == everything {
			p.stale(time.Now())
			p.ending = true
		}
		if !p.ending && p.spec.includes(n.path) {
			p.note(n)
		}
	}
	return over
}

// note turns one note into tasks.
func (p *pass) note(n note) {
	switch n.kind {
	case nodeTouched:
		p.unrefuse(n.path)
		p.mark(work{path: n.path}, false, nil)
	case nodeCreated:
		t := p.mark(work{path: n.path}, false, nil)
		t.announced = !t.running
	case nodeDeleted:
		p.unrefuse(n.path)
		p.check(n.path)
	case nodeGone:
		p.checkDeleted(n.path)
	case kidsTouched:
		// A read of many nodes also watches the children of nodes at the limit of Depth.
		if p.spec.level(n.path) < p.spec.depth {
			p.mark(work{path: n.path, list: true}, false, nil)
		}
	}
}

// checkDeleted looks for a node that was deleted in the list of its parent, where many can be found at once. A pending
// list is enough, because the node is no longer followed: if it is in the list, it is read.
func (p *pass) checkDeleted(path string) {
	parent := p.find(p.spec.parent(path))
	if path == p.spec.root || parent == nil || p.refusedList(parent.node.Path) {
		p.mark(work{path: path}, false, nil)
		return
	}
	p.demand(work{path: parent.node.Path, list: true}, nil)
}
