package cache

import (
	"strings"
	"time"
)

// held is a node that was replaced by another one of the same name, where both have children. The former is shown until
// the nodes below the new one have been read, so that a child of both is never missing.
type held struct {
	old   *entry
	round *round    // the reads that must end before the new node is shown
	since time.Time // when it began
	then  []*round  // waiting until the new node is shown
}

// maxHold bounds how long a node is held that is replaced repeatedly.
const maxHold = 10 * time.Second

// visible returns the tree as it is shown.
func (m *mirror) visible() *entry {
	if m.anew {
		return m.view().root
	}
	return m.public
}

// change replaces what is known about the node at a path with the result of f, and also what is shown unless the node
// is held.
func (m *mirror) change(path string, f func(*entry) *entry) {
	rest := m.spec.relative(path)
	if len(m.held) == 0 { // the two trees share their parts
		m.tree = m.tree.edit(rest, m.edition, f)
		m.public = m.tree
		return
	}
	m.tree = m.tree.edit(rest, 0, f)
	if m.holder(path) != "" {
		return
	}
	m.public = m.public.edit(rest, 0, f)
	if now := m.public.find(rest); now == nil || now.kids.count() == 0 {
		return
	}
	for _, at := range m.heldBelow(path) { // f may have replaced them
		m.public = m.public.edit(m.spec.relative(at), 0, func(*entry) *entry { return m.held[at].old })
	}
}

// publish shows what is known, after f has changed the rest of the view.
func (p *pass) publish(f func(*view)) {
	p.board.show(func(old *view) *view {
		v := *old
		v.root = p.visible()
		p.edition++
		f(&v)
		if v == *old {
			return old
		}
		return &v
	})
	p.user.shown(p.ctx, p.mirror, p.view())
}

// hold is called before another node replaces the one at a task's path. If both have children, the former stays
// visible.
func (p *pass) hold(t *task, kids bool) {
	at := p.holder(t.path)
	var shown *entry
	if kids {
		shown = p.visible().find(p.spec.relative(t.path))
	}
	switch {
	case at != "" && time.Since(p.held[at].since) > maxHold:
		p.unhold(at)
		return
	case p.anew || at != "" && at != t.path:
		return // this part is not shown
	case shown == nil || shown.kids.count() == 0:
		p.unhold(t.path)
		return
	case at != "":
		return
	}
	h := &held{old: shown, since: time.Now()}
	p.edition++ // it is not changed from here on
	for _, within := range p.heldBelow(t.path) {
		h.then = append(h.then, p.held[within].then...)
		delete(p.held, within)
	}
	h.round = &round{first: true, done: func() {
		if p.held[t.path] == h {
			p.unhold(t.path)
			p.publish(func(*view) {})
		}
	}}
	p.held[t.path] = h
}

// await makes a held node wait for a task that reads it or a node below it. It reports whether there is such a node.
func (p *pass) await(t *task) bool {
	h := p.held[p.holder(t.path)]
	if h != nil {
		h.round.join(t)
	}
	return h != nil
}

// holder returns the path of the held node at or above path; "" for none.
func (m *mirror) holder(path string) string {
	for len(m.held) > 0 {
		if m.held[path] != nil {
			return path
		}
		if path == m.spec.root {
			break
		}
		path = m.spec.parent(path)
	}
	return ""
}

// heldBelow returns the paths of the held nodes at and below path.
func (m *mirror) heldBelow(path string) (below []string) {
	for at := range m.held {
		if at == path || strings.HasPrefix(at, strings.TrimSuffix(path, "/")+"/") {
			below = append(below, at)
		}
	}
	return below
}

// unhold shows a node and everything below it as known, with the next publication.
func (p *pass) unhold(path string) {
	if len(p.held) == 0 {
		return
	}
	for _, at := range p.heldBelow(path) {
		for _, r := range p.held[at].then {
			p.after = append(p.after, r.leave)
		}
		delete(p.held, at)
		rest := p.spec.relative(at)
		p.public = p.public.edit(rest, 0, func(*entry) *entry { return p.tree.find(rest) })
	}
	if len(p.held) == 0 {
		p.public = p.tree
	}
}

// whenShown calls done when everything that is held now is shown.
func (p *pass) whenShown(done func()) {
	r := &round{left: 1, done: done}
	for _, h := range p.held {
		h.then = append(h.then, r)
		r.left++
	}
	r.leave()
}

// flush runs what waits for a publication.
func (p *pass) flush() {
	for len(p.after) > 0 {
		f := p.after[0]
		p.after = p.after[1:]
		f()
	}
}
