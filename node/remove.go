package node

import (
	"context"
	"errors"

	"github.com/docent-zk/docent/framework"
)

// remove removes the Keeper's nodes. It returns nil when that is done, or the refusal if the servers refuse it.
func (t *tenure) remove() error {
	for {
		err := t.removeAll()
		switch {
		case err == nil, t.ctx.Err() != nil, errors.Is(err, framework.ErrSessionLost):
			if t.ctx.Err() != nil && err != nil {
				err = context.Cause(t.ctx)
			}
			return err
		case errors.Is(err, framework.ErrBadVersion), errors.Is(err, framework.ErrOutcomeUnknown): // examine it again
		default:
			return err
		}
	}
}

func (t *tenure) removeAll() error {
	if t.spec.lasting && t.mine != nil {
		err := t.delete(t.spec.touchPath(), framework.AnyVersion)
		if err != nil && !errors.Is(err, framework.ErrNoAuth) { // a node that must not be deleted expires with its TTL
			return err
		}
	}
	remains, err := t.remains()
	if err != nil {
		return err
	}
	for _, node := range remains {
		if err := t.delete(node.Path, node.Stat.Version); err != nil {
			return err
		}
	}
	t.have(nil)
	t.doubt = nil
	return nil
}

// delete removes a node that another client may already have removed. If the servers refuse to remove an ephemeral
// node, the client retries while the session lives, and Health reports it.
func (t *tenure) delete(path string, version int32) error {
	err := t.s.Delete(t.ctx, path, version)
	if errors.Is(err, framework.ErrNoAuth) && t.spec.ephemeral() {
		err = t.s.Delete(t.ctx, path, version, framework.Guaranteed)
	}
	if errors.Is(err, framework.ErrNoNode) || errors.Is(err, framework.ErrNotEmpty) && t.spec.mode == framework.Container {
		return nil
	}
	return err
}

// remains lists the Keeper's nodes on the servers.
func (t *tenure) remains() ([]framework.Node, error) {
	if t.doubt != nil && t.spec.sequential() {
		own, leftovers, err := t.search(t.ctx)
		if own != nil {
			t.accept(*own)
			leftovers = append(leftovers, *own)
		}
		return leftovers, err
	}
	path := t.spec.path
	switch {
	case t.mine != nil:
		path = t.mine.path
	case t.doubt == nil:
		return nil, nil
	}
	if t.doubt != nil { // this server may lag behind the previous one
		if err := t.s.Sync(t.ctx, path); err != nil {
			return nil, err
		}
	}
	stat, ok, err := t.s.Exists(t.ctx, path)
	if err != nil || !ok || !t.removable(stat) {
		return nil, err
	}
	return []framework.Node{{Path: path, Stat: stat}}, nil
}

// removable reports whether a node at the Keeper's path is its own, of this session or an earlier one.
func (t *tenure) removable(stat framework.Stat) bool {
	known := t.mine != nil && (t.mine.czxid == 0 || t.mine.czxid == stat.Czxid)
	if t.spec.ephemeral() {
		return t.s.Former(stat.EphemeralOwner) || stat.EphemeralOwner == t.s.ID() && known || t.created(stat)
	}
	recent := t.doubt != nil && stat.Czxid > t.doubt.before
	return stat.EphemeralOwner == 0 && (known || recent)
}
