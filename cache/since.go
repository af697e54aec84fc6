package cache

import (
	"slices"

	"github.com/docent-zk/docent/framework"
)

// fewNodes are looked at one by one: to ask what has changed among them would not be less.
var fewNodes = 16

// settled notes how far the mirror is known to be complete: when there is nothing to do, and what was noted up to a
// transaction is done.
func (p *pass) settled() error {
	if !p.idle() {
		return nil
	}
	zxid := p.source.settled()
	if err := p.heed(); err != nil {
		return err
	}
	if p.idle() && zxid != 0 {
		p.complete = zxid
	}
	return nil
}

// idle reports whether there is nothing to do.
func (p *pass) idle() bool { return len(p.tasks) == 0 && p.catching == 0 && !p.ending }

// lookAtChanges asks the server what has changed since the mirror was complete, looks at that, and makes the cache fresh
// with it. Where the server cannot tell, everything is looked at.
func (p *pass) lookAtChanges() {
	p.catching++
	p.seen = make(map[string]struct{}) // nothing is known of any
	zxid, nodes, dirs := p.complete, []string(nil), []string(nil)
	p.view().root.walk(func(e *entry) bool {
		nodes = append(nodes, e.node.Path)
		if p.spec.lists(e.node) {
			dirs = append(dirs, e.node.Path)
		}
		return true
	})
	p.read(func() answer {
		changed, err := p.s.ChangedSince(p.ctx, zxid, nodes, dirs)
		return answer{then: func() error {
			switch {
			case err == nil:
				p.lookAtSome(changed)
			case p.over(err):
				return err
			default: // framework.ErrNotTold, or what a server says to a request that it does not know
				p.catching--
				p.lookAtAll()
			}
			return nil
		}}
	})
}

// lookAtSome looks at nodes that have changed, level by level, so that nothing is put below a node that is not there any
// more.
func (p *pass) lookAtSome(changed framework.Changed) {
	seen := p.seen // of some the answer was noted already
	p.seen, p.doubtful = nil, make(map[string]struct{})
	var levels [][]string
	for _, path := range changed.Nodes {
		if _, ok := seen[path]; ok {
			continue
		}
		p.doubtful[path] = struct{}{}
		at := p.spec.level(path)
		for len(levels) <= at {
			levels = append(levels, nil)
		}
		levels[at] = append(levels[at], path)
	}
	p.descend(levels, changed.Children)
}

// descend looks at the first of the levels and then at those behind it, and at last at lists of children and at what was
// refused.
func (p *pass) descend(levels [][]string, dirs []string) {
	levels = slices.DeleteFunc(levels, func(paths []string) bool { return len(paths) == 0 })
	if len(levels) == 0 {
		for _, dir := range dirs {
			p.ask(work{path: dir, list: true})
		}
		p.again(func(r *refusal) bool { return p.barred(work{path: r.path, list: r.list}) == nil })
		clear(p.suspects) // what was not finished is newer than what was asked for
		p.catchUp()
		return
	}
	for _, path := range levels[0] {
		p.ask(work{path: path})
	}
	p.begin(func() { p.descend(levels[1:], dirs) })
}

// ask demands a read of a node that is in the mirror still. One of this pass that is under way will do.
func (p *pass) ask(w work) {
	if p.find(w.path) != nil {
		p.demand(w, nil)
	}
}

// look begins a pass.
func (p *pass) look() {
	if root := p.view().root; root == nil || root.count() < fewNodes || p.complete == 0 || !p.source.tells() {
		p.lookAtAll()
		return
	}
	p.lookAtChanges()
}
