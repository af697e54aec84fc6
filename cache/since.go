package cache

import (
	"errors"

	"github.com/docent-zk/docent/framework"
)

// fewNodes are looked at one by one: to ask what has changed among them would not be less.
var fewNodes = 16

// lookAgain makes the cache fresh: it asks what has changed, if it can, or looks at everything.
func (p *pass) lookAgain() {
	if root := p.tree; root == nil || root.count() < fewNodes || p.complete == 0 || !p.source.everywhere() {
		p.wary = root != nil && root.count() < fewNodes && p.first
		p.lookAtAll()
		return
	}
	p.catching++
	p.asking = true
	since, witnesses := p.complete, p.witnesses()
	data, dirs := p.paths()
	p.read(func() answer {
		common, err := p.common(witnesses, since)
		if err != nil || common == 0 {
			return answer{then: func() error { return p.told(0, framework.Changed{}, errors.Join(err, framework.ErrNotTold)) }}
		}
		changed, err := p.s.ChangedSince(p.ctx, common, data, dirs)
		return answer{then: func() error { return p.told(common, changed, err) }}
	})
}

// paths returns those of all nodes in the mirror, and of those whose children are.
func (p *pass) paths() (data, dirs []string) {
	root := p.tree
	data, dirs = make([]string, 0, root.count()), make([]string, 0, root.count())
	root.walk(func(e *entry) bool {
		data = append(data, e.node.Path)
		if p.spec.lists(e.node) {
			dirs = append(dirs, e.node.Path)
		}
		return true
	})
	return data, dirs
}

// told takes the answer to what has changed behind the transaction up to which the servers and the mirror have all in common. Nothing
// was read since it was asked for, so whatever is in the mirror and not in the answer is as it was, or there are notes of it.
func (p *pass) told(common int64, changed framework.Changed, err error) error {
	if p.over(err) {
		return err
	}
	if err := p.heed(); err != nil {
		return err
	}
	p.asking = false
	switch {
	case p.ending:
		return nil
	case errors.Is(err, errHistory):
		p.reset()
		return nil
	case err != nil:
		p.catching--
		p.lookAtAll()
		return nil
	}
	p.doubtful = make(map[string]struct{})
	for _, path := range changed.Nodes {
		if p.find(path) != nil {
			p.doubtful[path] = struct{}{}
		}
	}
	p.noteChanged(changed)
	if common < p.complete {
		p.later(common)
	}
	p.again(func(*refusal) bool { return true }) // whatever happened to it may have been before
	clear(p.suspects)                            // what the pass before has not finished was later than what was asked for
	p.catchUp()
	return nil
}

// checkpoint notes that everything up to a transaction is in the mirror, when the tasks that there are have ended. The source has
// told everything up to it, and what it has told is in the mirror or among the tasks.
func (p *pass) checkpoint(zxid int64) {
	if zxid == 0 || p.checking || p.catching > 0 {
		return
	}
	p.checking = true
	p.begin(func() {
		p.whenShown(func() { // the next pass begins with what is shown
			p.checking = false
			p.complete = max(p.complete, zxid)
		})
	})
}
