package cache

import (
	"errors"

	"github.com/docent-zk/docent/framework"
)

// fewNodes are checked one by one, which is as fast as asking what has changed among them.
var fewNodes = 16

// lookAgain makes the cache fresh: it asks what has changed if possible, otherwise it checks everything.
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

// paths returns the paths of all nodes in the mirror, and of those whose children are in it.
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

// told handles the reply to what has changed after the transaction up to which the servers and the mirror agree.
// Nothing was read since the request, so a node of the mirror that is not in the reply is current, or there are notes
// about it.
func (p *pass) told(common int64, changed framework.Changed, err error) error {
	if p.over(err) {
		return err
	}
	if err := p.processNotes(); err != nil {
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
	p.again(func(*refusal) bool { return true }) // what happened to it may have been earlier
	clear(p.suspects)                            // what the last pass has not finished was later than the request
	p.catchUp()
	return nil
}

// checkpoint records that everything up to a transaction is in the mirror, when the current tasks have ended. The
// source has delivered everything up to it, and that is in the mirror or among the tasks.
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
