package barrier

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/framework"
)

// leaver is one call of Leave.
//
// Members leave as in ZooKeeper's recipe, which the others of Curator's and kazoo's expect: the lowest by name waits for all
// others, from the highest down, and goes last; every other one goes at once and waits for the lowest. But it waits only for
// those that were in the barrier when it began. Whoever comes later is of the next round, or late for this one.
type leaver struct {
	*Entered
	others  []string // names of the other members that were there, sorted
	horizon int64    // newest change of the directory then; a node that is newer is another, whatever its name
	out     bool     // the own node is gone
	deleted bool     // ... and it was not this member who removed it
}

// run returns nil when all have left.
func (l *leaver) run(ctx context.Context) error {
	names, err := l.list(ctx)
	if err != nil {
		return err
	}
	_, own := framework.Split(l.node.Path)
	l.deleted = !slices.Contains(names, own)
	l.out = l.deleted
	l.others = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return idOf(name) == l.double.id || name == readyName })
	slices.Sort(l.others)
	for {
		rest := slices.DeleteFunc(slices.Clone(l.others), func(name string) bool { return !slices.Contains(names, name) })
		if len(rest) == 0 {
			return l.finish(ctx, names)
		}
		if err := l.step(ctx, own, rest); err != nil {
			return err
		}
		if names, err = l.list(ctx); err != nil {
			return err
		}
	}
}

// list returns the names in the barrier's directory.
func (l *leaver) list(ctx context.Context) ([]string, error) {
	names, stat, err := l.session.Children(ctx, l.double.path)
	if errors.Is(err, framework.ErrNoNode) {
		return nil, nil
	}
	if l.horizon == 0 {
		l.horizon = stat.Pzxid
	}
	return names, err
}

// step goes, unless this member is the lowest, and waits for one other to go. rest are those still there, sorted.
func (l *leaver) step(ctx context.Context, own string, rest []string) error {
	next := rest[len(rest)-1]
	if l.out || own > rest[0] {
		next = rest[0]
		if err := l.remove(ctx); err != nil {
			return err
		}
	}
	if err := l.waitFor(ctx, next); err != nil {
		return err
	}
	l.others = slices.DeleteFunc(l.others, func(name string) bool { return name == next }) // though another may come under it
	return nil
}

// waitFor returns nil when the member with that name is gone.
func (l *leaver) waitFor(ctx context.Context, name string) error {
	for {
		node, watch, err := l.session.WatchData(ctx, l.double.at(name))
		if errors.Is(err, framework.ErrNoNode) {
			return nil
		}
		if err != nil {
			return err
		}
		gone, err := l.gone(ctx, node, watch)
		if gone || err != nil {
			return err
		}
	}
}

// gone waits for an event on a member's node and reports whether that member has gone.
func (l *leaver) gone(ctx context.Context, node framework.Node, watch *framework.Watch) (bool, error) {
	defer watch.Stop()
	if node.Stat.Czxid > l.horizon {
		return true, nil // of that name, and not it
	}
	select {
	case ev := <-watch.C:
		return ev.Type == framework.EventDeleted, ev.Err
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// remove deletes the own node. One that has gone already is as good.
func (l *leaver) remove(ctx context.Context) error {
	if l.out {
		return nil
	}
	err := l.session.Delete(ctx, l.node.Path, framework.AnyVersion)
	if err != nil && !errors.Is(err, framework.ErrNoNode) {
		return err
	}
	l.out = true
	return nil
}

// finish is for when all others have gone. names is the directory as it was listed last.
func (l *leaver) finish(ctx context.Context, names []string) error {
	if err := l.clear(ctx, names); err != nil {
		return err
	}
	if l.deleted {
		return fmt.Errorf("%s: %w", l.node.Path, ErrDeleted)
	}
	return nil
}

// clear removes what the round has left in the directory.
func (l *leaver) clear(ctx context.Context, names []string) error {
	ready := slices.Contains(names, readyName)
	switch {
	case !l.out && ready:
		return l.removeLast(ctx)
	case !l.out:
		return l.remove(ctx)
	case ready && len(names) == 1:
		return l.removeSign(ctx)
	}
	return nil
}

// removeLast deletes the own node and the sign in one transaction: while a member of the round stands so does its sign, and
// who comes later finds neither.
func (l *leaver) removeLast(ctx context.Context) error {
	_, err := l.session.Multi(ctx, []framework.Op{
		framework.DeleteOp(l.node.Path, framework.AnyVersion),
		framework.DeleteOp(l.double.at(readyName), framework.AnyVersion),
	}, framework.Idempotent)
	if errors.Is(err, framework.ErrNoNode) { // of the second: another client has removed the sign; of the first: done before
		return l.remove(ctx)
	}
	l.out = l.out || err == nil
	return err
}

// removeSign deletes the sign of a round whose lowest member died before it could: with nobody in the directory it is
// nobody's.
func (l *leaver) removeSign(ctx context.Context) error {
	err := l.session.Delete(ctx, l.double.at(readyName), framework.AnyVersion)
	if errors.Is(err, framework.ErrNoNode) {
		return nil
	}
	return err
}
