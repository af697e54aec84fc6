package barrier

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// leaver is one call of Leave.
//
// Members leave as in ZooKeeper's recipe, which Curator's and kazoo's members expect. The lowest by name waits for all
// others, from the highest down, and leaves last. Every other member leaves at once and waits for the lowest. They only
// wait for members of their own round: see isMember.
type leaver struct {
	*Entered
	horizon int64 // latest change of the directory when this member began to leave
	out     bool  // its own node is gone
	deleted bool  // and was not removed by this member
}

// run returns nil when all have left.
func (l *leaver) run(ctx context.Context) error {
	for {
		names, err := l.list(ctx)
		if err != nil {
			return err
		}
		next, err := l.next(ctx, names)
		if err != nil {
			return err
		}
		if next != nil {
			err = l.await(ctx, next)
		} else {
			var over bool
			if over, err = l.finish(ctx, names); over {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// list returns the names in the barrier's directory. It detects that another client has deleted this member's node.
func (l *leaver) list(ctx context.Context) ([]string, error) {
	names, stat, err := l.session.Children(ctx, l.double.path)
	if err != nil && !errors.Is(err, framework.ErrNoNode) {
		return nil, err
	}
	if l.horizon == 0 {
		l.horizon = stat.Pzxid
	}
	if _, own := framework.Split(l.node.Path); !l.out && !slices.Contains(names, own) {
		l.out, l.deleted = true, true
	}
	return names, nil
}

// next returns a watch on the node of the member to wait for; nil if there is none. It removes this member's node
// unless that is the lowest.
func (l *leaver) next(ctx context.Context, names []string) (*framework.Watch, error) {
	others := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		id, ok := idOf(name)
		return !ok || id == l.double.id
	})
	slices.Sort(others)
	if l.out {
		return l.first(ctx, others)
	}
	_, own := framework.Split(l.node.Path)
	at, _ := slices.BinarySearch(others, own)
	lower, higher := others[:at], others[at:]
	lowest, err := l.first(ctx, lower)
	if err == nil && lowest == nil {
		slices.Reverse(higher)
		return l.first(ctx, higher)
	}
	if err == nil {
		err = l.remove(ctx)
	}
	if err != nil && lowest != nil {
		lowest.Stop()
		return nil, err
	}
	return lowest, err
}

// first returns a watch on the first of the nodes that belongs to a member of this round; nil if there is none.
func (l *leaver) first(ctx context.Context, names []string) (*framework.Watch, error) {
	for _, name := range names {
		node, watch, err := l.session.WatchData(ctx, l.double.at(name))
		if errors.Is(err, framework.ErrNoNode) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if l.isMember(name, node) {
			return watch, nil
		}
		watch.Stop()
	}
	return nil, nil
}

// isMember reports whether a node belongs to a member of this round: it existed when the round was opened, or its data
// says that the member came late. Nodes of Curator and kazoo cannot say so. They count if they existed when this member
// began to leave.
func (l *leaver) isMember(name string, node framework.Node) bool {
	_, ours := seqnode.GUIDOf(name)
	switch {
	case node.Stat.Czxid < l.round:
		return true
	case ours && l.round != 0:
		return marked(name, node.Data, l.round)
	}
	return node.Stat.Czxid <= l.horizon
}

// await waits for an event of a member's node, or of the ready node.
func (l *leaver) await(ctx context.Context, member *framework.Watch) error {
	defer member.Stop()
	select {
	case ev := <-member.C:
		return ev.Err
	case ev := <-l.ready.changed():
		l.ready.note(ev)
		return ev.Err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// finish is called when no other member was found among names. It returns false if there may be a late member. A late
// member changes the ready node, so finish checks that its state is older than names and still current.
func (l *leaver) finish(ctx context.Context, names []string) (over bool, err error) {
	switch signed := slices.Contains(names, readyName); {
	case signed && !l.ready.current():
		l.ready, err = l.double.readSign(ctx, l.session)
		return err != nil, err
	case signed && !l.out && l.ready.czxid == l.round:
		over, err = l.removeLast(ctx)
	default:
		over, err = true, l.remove(ctx)
	}
	if err == nil && over && l.deleted {
		err = fmt.Errorf("%s: %w", l.node.Path, ErrDeleted)
	}
	return over, err
}

// remove deletes this member's node, if it exists.
func (l *leaver) remove(ctx context.Context) error {
	if l.out {
		return nil
	}
	err := l.session.Delete(ctx, l.node.Path, framework.AnyVersion)
	switch {
	case errors.Is(err, framework.ErrNoNode):
		l.deleted = true
	case err != nil:
		return err
	}
	l.out = true
	return nil
}

// removeLast deletes this member's node and the ready node in one transaction. So the ready node exists as long as a
// member of the round, and a later member finds neither. It returns false if the ready node has changed.
func (l *leaver) removeLast(ctx context.Context) (bool, error) {
	_, err := l.session.Multi(ctx, []framework.Op{
		framework.DeleteOp(l.node.Path, framework.AnyVersion),
		framework.DeleteOp(l.double.at(readyName), l.ready.version),
	}, framework.Idempotent)
	var refused *framework.MultiError
	var op *framework.OpError
	switch {
	case err == nil:
		l.out = true
	case errors.Is(err, framework.ErrBadVersion): // a late member has joined
		return false, nil
	case errors.As(err, &refused) && refused.Index == 0 && errors.Is(err, framework.ErrNoNode):
		l.out, l.deleted = true, !errors.As(err, &op) || op.Attempts < 2
	case errors.Is(err, framework.ErrNoNode): // kazoo's first member to leave removes the ready node
		return true, l.remove(ctx)
	default:
		return true, err
	}
	return true, nil
}
