package node

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/docent-zk/docent/framework"
)

// place is a node in a session. A session belongs to one process.
type place struct {
	session int64
	path    string
}

// places are the numbered nodes that Keepers of this process have.
type places struct {
	mu sync.Mutex
	m  map[place]struct{}
}

// taken keeps a Keeper that looks for its node among its siblings from taking another Keeper's.
var taken places

// take returns false if another Keeper has the node. The owner tells Keepers apart for ephemeral nodes only.
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

// have makes c the Keeper's node, nil for none.
func (u *upkeep) have(c *claim) {
	if u.mine != nil {
		taken.free(u.spec.mode, place{u.mine.session, u.mine.path})
	}
	if c != nil {
		taken.take(u.spec.mode, place{c.session, c.path}) // if it has not already, in a search
	}
	u.mine = c
}

// raiseNumbered creates a sequential node, in one transaction with the removal of what is left of the one before it.
func (t *tenure) raiseNumbered() error {
	ghosts, err := t.ghosts()
	switch {
	case err != nil || t.mine != nil && t.mine.session == t.s.ID():
		return err
	case len(ghosts) > 0:
		return t.succeed(ghosts)
	}
	t.have(nil)
	return t.create()
}

// succeed replaces ghosts by a new node.
func (t *tenure) succeed(ghosts []framework.Node) error {
	if !t.stakes(true) {
		return nil
	}
	data, n := t.wanted()
	var operations []framework.Op
	for _, g := range ghosts {
		operations = append(operations, framework.DeleteOp(g.Path, g.Stat.Version))
	}
	before := t.s.LastZxid()
	results, err := t.s.Multi(t.op, append(operations, t.spec.createOp(data)))
	switch {
	case errors.Is(err, framework.ErrNoNode), errors.Is(err, framework.ErrBadVersion): // one of them has gone meanwhile
		return nil
	case err != nil:
		return t.failed(err, n, before)
	}
	t.raise(&claim{path: results[len(ghosts)].Path}, data, n)
	return nil
}

// ghosts lists the nodes that this Keeper has left behind in earlier sessions. If it finds one of this session on the way,
// whose create was not answered, that becomes the Keeper's.
func (t *tenure) ghosts() ([]framework.Node, error) {
	if t.doubt != nil {
		own, ghosts, err := t.search(t.op)
		switch {
		case err != nil:
			return nil, err
		case own != nil:
			t.accept(*own)
		case len(ghosts) == 0:
			t.doubt = nil
		}
		return ghosts, nil
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

// search goes through the siblings, the newest first, for what a create has made whose answer was lost. The look is behind
// a sync: the server may be another one, which lags behind.
func (t *tenure) search(ctx context.Context) (own *framework.Node, ghosts []framework.Node, err error) {
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
			return &node, ghosts, nil
		case t.haunts(node):
			ghosts = append(ghosts, node)
		}
	}
	return nil, ghosts, nil
}

// examine reads a sibling, and takes it if it is this Keeper's own. To look at one keeps it from nobody: another Keeper of the same name, which
// goes on removing its node after its Keep was given up, may look at the same time.
func (t *tenure) examine(ctx context.Context, path string) (node framework.Node, own bool, err error) {
	at := place{t.s.ID(), path}
	if taken.has(at) {
		return node, false, nil
	}
	node, err = t.s.Get(ctx, path)
	if err == nil && t.found(node.Stat) && taken.take(t.spec.mode, at) {
		return node, true, nil
	}
	if errors.Is(err, framework.ErrNoNode) || errors.Is(err, framework.ErrNoAuth) { // gone, or somebody else's
		err = nil
	}
	return node, false, err
}

// found reports whether a sibling is this Keeper's, in this session. Of persistent ones the GUID alone can say it.
func (t *tenure) found(stat framework.Stat) bool {
	if t.spec.ephemeral() {
		return t.created(stat)
	}
	return t.spec.protected && stat.EphemeralOwner == 0
}

// haunts reports whether a sibling is what this Keeper has left behind in an earlier session: the node that it had, or one whose
// create was not answered.
func (t *tenure) haunts(node framework.Node) bool {
	had := t.mine != nil && t.mine.path == node.Path
	return t.s.Former(node.Stat.EphemeralOwner) && (had || node.Stat.Czxid > t.doubt.before)
}
