package node

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/docent-zk/docent/framework"
)

// place is a node and its session, which belongs to one process.
type place struct {
	session int64
	path    string
}

// places are the numbered nodes of this process's Keepers.
type places struct {
	mu sync.Mutex
	m  map[place]struct{}
}

// taken prevents a Keeper that looks for its node among its siblings from taking another Keeper's.
var taken places

// take records that a Keeper has the node. It returns false if another Keeper has it. Only ephemeral sequential nodes
// are recorded, since a session can be shared by several Keepers of the same name.
func (p *places) take(m framework.Mode, at place) bool {
	if m != framework.EphemeralSequential {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.m[at]; ok {
		return false
	}
	if p.m == nil {
		p.m = make(map[place]struct{})
	}
	p.m[at] = struct{}{}
	return true
}

// has reports whether a Keeper has the node.
func (p *places) has(at place) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.m[at]
	return ok
}

func (p *places) free(m framework.Mode, at place) {
	if m != framework.EphemeralSequential {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.m, at)
}

// have makes c the Keeper's node; nil for none.
func (u *upkeep) have(c *claim) {
	if u.mine != nil {
		taken.free(u.spec.mode, place{u.mine.session, u.mine.path})
	}
	if c != nil {
		taken.take(u.spec.mode, place{c.session, c.path}) // unless a search has taken it already
	}
	u.mine = c
}

// raiseNumbered creates a sequential node. The same transaction removes the Keeper's leftovers of earlier sessions.
func (t *tenure) raiseNumbered() error {
	leftovers, err := t.leftovers()
	switch {
	case err != nil || t.mine != nil && t.mine.session == t.s.ID():
		return err
	case len(leftovers) > 0:
		return t.replaceLeftovers(leftovers)
	}
	t.have(nil)
	return t.create()
}

// replaceLeftovers replaces leftovers by a new node.
func (t *tenure) replaceLeftovers(leftovers []framework.Node) error {
	if !t.stakes(true) {
		return nil
	}
	data, n := t.wanted()
	var operations []framework.Op
	for _, g := range leftovers {
		operations = append(operations, framework.DeleteOp(g.Path, g.Stat.Version))
	}
	before := t.s.LastZxid()
	results, err := t.s.Multi(t.op, append(operations, t.spec.createOp(data)))
	switch {
	case errors.Is(err, framework.ErrNoNode), errors.Is(err, framework.ErrBadVersion): // one of them has been removed meanwhile
		return nil
	case err != nil:
		return t.failed(err, n, before)
	}
	t.raise(&claim{path: results[len(leftovers)].Path}, data, n)
	return nil
}

// leftovers lists the nodes of this Keeper from earlier sessions. If it finds a node of this session, whose create was
// not answered, that becomes the Keeper's node.
func (t *tenure) leftovers() ([]framework.Node, error) {
	if t.doubt != nil {
		own, leftovers, err := t.search(t.op)
		switch {
		case err != nil:
			return nil, err
		case own != nil:
			t.accept(*own)
		case len(leftovers) == 0:
			t.doubt = nil
		}
		return leftovers, nil
	}
	if t.mine == nil {
		return nil, nil
	}
	stat, ok, err := t.s.Exists(t.op, t.mine.path)
	if err != nil || !ok || !t.s.Former(stat.EphemeralOwner) {
		return nil, err
	}
	return []framework.Node{{Path: t.mine.path, Stat: stat}}, nil
}

// search looks through the siblings, the newest first, for the result of a create whose reply was lost. It syncs first,
// because this server may lag behind the previous one.
func (t *tenure) search(ctx context.Context) (own *framework.Node, leftovers []framework.Node, err error) {
	dir, _ := framework.Split(t.spec.path)
	if err := t.s.Sync(ctx, dir); err != nil {
		return nil, nil, err
	}
	names, _, err := t.s.Children(ctx, dir)
	if err != nil && !errors.Is(err, framework.ErrNoNode) {
		return nil, nil, err
	}
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		if !t.spec.numbers(name) {
			continue
		}
		node, own, err := t.examine(ctx, framework.Join(dir, name))
		switch {
		case err != nil:
			return nil, nil, err
		case own:
			return &node, leftovers, nil
		case t.isLeftover(node):
			leftovers = append(leftovers, node)
		}
	}
	return nil, leftovers, nil
}

// examine reads a sibling, and takes it if it is this Keeper's. A read alone does not prevent others from taking it:
// another Keeper of the same name, which is still removing its node after its Keep has failed, may read it at the same
// time.
func (t *tenure) examine(ctx context.Context, path string) (node framework.Node, own bool, err error) {
	at := place{t.s.ID(), path}
	if taken.has(at) {
		return node, false, nil
	}
	node, err = t.s.Get(ctx, path)
	if err == nil && t.found(node.Stat) && taken.take(t.spec.mode, at) {
		return node, true, nil
	}
	if errors.Is(err, framework.ErrNoNode) || errors.Is(err, framework.ErrNoAuth) { // removed, or another client's
		err = nil
	}
	return node, false, err
}

// found reports whether a sibling is this Keeper's, in this session. Persistent nodes are recognised by their GUID
// only.
func (t *tenure) found(stat framework.Stat) bool {
	if t.spec.ephemeral() {
		return t.created(stat)
	}
	return t.spec.protected && stat.EphemeralOwner == 0
}

// isLeftover reports whether a sibling is this Keeper's node of an earlier session: the node that it had, or one whose
// create was not answered.
func (t *tenure) isLeftover(node framework.Node) bool {
	had := t.mine != nil && t.mine.path == node.Path
	return t.s.Former(node.Stat.EphemeralOwner) && (had || node.Stat.Czxid > t.doubt.before)
}
