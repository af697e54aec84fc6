package cache

import (
	"slices"
	"time"
)

// begin makes a round of all tasks that there are and calls done when it has ended. In a pass that is ending, no round ends: what
// there is to do is not known any more.
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

// catchUp makes the cache fresh when all tasks that there are have ended.
func (p *pass) catchUp() {
	p.begin(func() { p.whenShown(p.caught) })
}

// caught ends a catching up, and the last one makes the cache fresh.
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

// showAnew shows what was read since the pass began anew.
func (p *pass) showAnew() {
	otherData := p.otherData
	p.anew, p.otherData = false, false
	p.publish(func(v *view) {
		if otherData {
			v.era++
		}
	})
}

// lookAtAll looks at every node again, and makes the cache fresh with that. It goes from the root downwards, so that
// nothing is put below a node that is not there any more.
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

// suspect notes that nodes may be missing, because a read of them was not finished.
func (m *mirror) suspect(w work) {
	if !w.list && w.path != m.spec.root {
		w.path = m.spec.parent(w.path)
	}
	m.suspects[w.path] = struct{}{}
}

// distrust sees to it that nodes with missing children are listed.
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

// again tries refused nodes again.
func (p *pass) again(which func(*refusal) bool) {
	p.view().refused.each(func(_ string, r *refusal) bool {
		if which(r) {
			p.mark(work{path: r.path, list: r.list}, true, nil)
		}
		return true
	})
}

// resume is called when the state of the connection has changed. A new connection has to be caught up with.
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
			if err := p.heed(); err != nil {
				return err
			}
			p.catchUp()
			return nil
		}}
	})
}

// settleAll ends the calls of Sync and Refresh that wait when what there is to do has been done: the servers' part of each is behind
// it. That may have been on a connection that has yet to be caught up with, or in the next session. The calls wait for that.
func (p *pass) settleAll() error {
	if p.catching > 0 || p.ending || !p.caughtUp() {
		return nil
	}
	callers := p.takeCallers(p.rereading)
	if len(callers) == 0 {
		return nil
	}
	p.waiting = append(p.waiting, callers...) // the next pass has them if this one ends before
	if err := p.heed(); err != nil {
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
				p.nudge() // others may wait for it
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

// caughtUp reports whether there is a connection, its changes become notes, and it is the one whose changes the pass has caught up
// with or is about to.
func (p *pass) caughtUp() bool {
	state := p.cli.State()
	return state.State.Connected() && state.Epoch == p.s.Epoch() && state.Time.Equal(p.link) && p.source.listening()
}

// heed turns notes into tasks.
func (p *pass) heed() error {
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
		p.pardon(n.path)
		p.mark(work{path: n.path}, false, nil)
	case nodeCreated:
		t := p.mark(work{path: n.path}, false, nil)
		t.announced = !t.running
	case nodeDeleted:
		p.pardon(n.path)
		p.check(n.path)
	case nodeGone:
		p.bury(n.path)
	case kidsTouched:
		// A read of many nodes watches the children of all of them, of those at the limit of Depth too.
		if p.spec.level(n.path) < p.spec.depth {
			p.mark(work{path: n.path, list: true}, false, nil)
		}
	}
}

// bury looks for a node that was deleted: in the list of its parent, where many are found at once. One that is under way
// will do, for the node is not followed any more: if it is in the list, it is read.
func (p *pass) bury(path string) {
	parent := p.find(p.spec.parent(path))
	if path == p.spec.root || parent == nil || p.refusedList(parent.node.Path) {
		p.mark(work{path: path}, false, nil)
		return
	}
	p.demand(work{path: parent.node.Path, list: true}, nil)
}
