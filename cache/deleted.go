package cache

// An event says that a node was deleted, and not whether another one took its place in the same transaction. So the node is shown
// until a read that began behind the event says that it is absent. Such a read is a check. There is one for each deletion, or less:
// what is below a node is checked when the node itself has been, and not at all if that is absent; many children of one node are
// looked for in one list.

// As many children of one node, or more, are looked for in a list of all, unless that is listShare times as long.
const (
	manyChecks = 16
	listShare  = 8
)

// checks are those that have not begun, by the parent of the node.
type checks struct {
	groups map[string][]*task
	order  []string         // of the groups
	parked map[work][]*task // until another task is done
	turn   bool             // for a check, and not for another read
}

func newChecks() checks {
	return checks{groups: make(map[string][]*task), parked: make(map[work][]*task)}
}

// add lines a check up.
func (c *checks) add(dir string, t *task) {
	if len(c.groups[dir]) == 0 {
		c.order = append(c.order, dir)
	}
	c.groups[dir] = append(c.groups[dir], t)
}

// check sees to it that a node is looked for of which an event says that it was deleted.
func (p *pass) check(path string) {
	w := work{path: path}
	t := p.tasks[w]
	switch {
	case t != nil && (!t.check || t.running):
		t = p.mark(w, false, nil)
	case t == nil && p.find(path) == nil && p.view().refused.count() == 0:
		return // it is not in the mirror, nor about to be
	case t == nil:
		t = &task{work: w, check: true}
		p.tasks[w] = t
		p.checks.add(p.above(path), t)
	}
	t.deleted = true
}

// above returns the path of a node's parent, "" for that of the root.
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

// current leaves out the checks that were dropped.
func (p *pass) current(group []*task) []*task {
	kept := group[:0]
	for _, t := range group {
		if p.tasks[t.work] == t {
			kept = append(kept, t)
		}
	}
	return kept
}

// settles returns what is to be done before n checks of children of a node begin, because it may settle them.
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

// unpark lets the checks begin that a task which is done has not settled.
func (p *pass) unpark(on work) {
	for _, t := range p.current(p.checks.parked[on]) {
		p.enqueue(t)
	}
	delete(p.checks.parked, on)
}

// drop takes back a check that has not begun, of a node that is known to be absent.
func (p *pass) drop(t *task) {
	delete(p.tasks, t.work)
	p.after = append(p.after, func() {
		t.settle(false)
		p.unpark(t.work)
	})
}

// next returns the read that is to begin now, or nil. Checks and others take turns.
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
