package cache

// An event says that a node was deleted, but not whether the same transaction created another one. So the node stays
// visible until a read that began after the event finds it missing. Such a read is a check. There is at most one for
// each deletion: the nodes below a node are checked after the node itself, and not at all if it is gone, and many
// children of one node are looked for in one list.

// This many children of one node, or more, are looked for in a list, unless the list is listShare times as long.
const (
	manyChecks = 16
	listShare  = 8
)

// checks are the checks that have not begun, by the parent of the node.
type checks struct {
	groups map[string][]*task
	order  []string         // of the groups
	parked map[work][]*task // until another task has ended
	turn   bool             // whether a check is next, or another read
}

func newChecks() checks {
	return checks{groups: make(map[string][]*task), parked: make(map[work][]*task)}
}

// add queues a check.
func (c *checks) add(dir string, t *task) {
	if len(c.groups[dir]) == 0 {
		c.order = append(c.order, dir)
	}
	c.groups[dir] = append(c.groups[dir], t)
}

// check checks a node that was deleted according to an event.
func (p *pass) check(path string) {
	w := work{path: path}
	t := p.tasks[w]
	switch {
	case t != nil && (!t.check || t.running):
		t = p.mark(w, false, nil)
	case t == nil && p.find(path) == nil && p.view().refused.count() == 0:
		return // not in the mirror and not being read
	case t == nil:
		t = &task{work: w, check: true}
		p.tasks[w] = t
		p.checks.add(p.above(path), t)
	}
	t.deleted = true
}

// above returns the path of a node's parent; "" for the root's.
func (p *pass) above(path string) string {
	if path == p.spec.root {
		return ""
	}
	return p.spec.parent(path)
}

// nextCheck returns a check that can begin, or nil.
func (p *pass) nextCheck() *task {
	c := &p.checks
	for len(c.order) > 0 {
		dir := c.order[0]
		c.order = c.order[1:]
		group := c.groups[dir]
		delete(c.groups, dir)
		group = p.current(group)
		if on, ok := p.settles(dir, len(group)); ok && len(group) > 0 {
			c.parked[on] = append(c.parked[on], group...)
			continue
		}
		if len(group) == 0 {
			continue
		}
		if len(group) > 1 {
			c.groups[dir] = group[1:]
			c.order = append(c.order, dir)
		}
		return group[0]
	}
	return nil
}

// current removes the checks that were dropped.
func (p *pass) current(group []*task) []*task {
	kept := group[:0]
	for _, t := range group {
		if p.tasks[t.work] == t {
			kept = append(kept, t)
		}
	}
	return kept
}

// settles returns the task that n checks of children of a node wait for, because it may make them unnecessary.
func (p *pass) settles(dir string, n int) (on work, ok bool) {
	on = work{path: dir}
	if t := p.tasks[on]; t != nil && t.deleted {
		return on, true
	}
	known := p.find(dir)
	if dir == "" || n < manyChecks || known == nil || known.kids.count() > n*listShare || p.refusedList(dir) {
		return on, false
	}
	on.list = true
	p.mark(on, false, nil)
	return on, true
}

// unpark starts the checks that a completed task has not made unnecessary.
func (p *pass) unpark(on work) {
	for _, t := range p.current(p.checks.parked[on]) {
		p.enqueue(t)
	}
	delete(p.checks.parked, on)
}

// drop removes a check that has not begun, of a node that is known to be gone.
func (p *pass) drop(t *task) {
	delete(p.tasks, t.work)
	p.after = append(p.after, func() {
		t.settle(false)
		p.unpark(t.work)
	})
}

// next returns the next read to begin, or nil. Checks and other reads take turns.
func (p *pass) next() *task {
	if t := p.front; t != nil {
		p.front = nil
		return t
	}
	p.checks.turn = !p.checks.turn
	if p.checks.turn {
		if t := p.nextCheck(); t != nil {
			return t
		}
	}
	if len(p.queue) > 0 {
		return shift(&p.queue)
	}
	return p.nextCheck()
}
