package contend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Choice names the node of the successor in a transfer by the claim with that token, out of the queue in order. What is no
// successor is an error.
type Choice func(own int64, line []Contender) (path string, err error)

// Pass ends the claim and hands its place to another node of the queue. In one transaction it checks that the successor's
// node stands, and deletes all that stand before it, from the own one on. Their owners queue again when they find out.
//
// When a contender leaves meanwhile the choice is made anew. When it fails, the claim is over all the same, and what Pass returns
// beside the error is a new one on the same place, which was never given up. There is none if the claim had ended
// before by anything but Pass, or the place is gone, or nobody can tell whether it is, or ctx has ended: then the node is
// removed, in the background.
func (c *Claim) Pass(ctx context.Context, choose Choice) (*Claim, error) {
	if !c.releasing.CompareAndSwap(false, true) {
		return nil, c.notHeld(ErrReleased)
	}
	defer close(c.released)
	c.finish()
	t := transfer{place: c.place, choose: choose}
	if c.err = t.run(ctx); c.err == nil {
		return nil, nil
	}
	standing := t.doubt == nil && !errors.Is(c.err, ErrDeleted) // the place
	if standing && ctx.Err() == nil && errors.Is(context.Cause(c.ctx), ErrReleased) {
		next, err := c.place.claim(c.ctx, c.policy)
		if err == nil {
			return next, c.err
		}
		c.err = errors.Join(c.err, err)
	}
	c.place.withdraw()
	return nil, c.err
}

// transfer is one Pass under way.
type transfer struct {
	place  *Place
	choose Choice
	doubt  []seqnode.Name // what the last try was to delete, if its answer was lost
	lost   int            // how many answers were
}

// enough is how many answers are lost before a transfer is given up: requests that break the connection each time do not get
// through.
const enough = 10

// run tries until the outcome is known, or cannot be.
func (t *transfer) run(ctx context.Context) error {
	for {
		order, err := t.look(ctx)
		if err != nil {
			return t.undecided(err)
		}
		own := slices.IndexFunc(order, func(n seqnode.Name) bool { return t.path(n) == t.place.node.Path })
		if own < 0 || !t.whole(order) {
			return t.gone(order)
		}
		t.doubt = nil // the last try was not applied
		if t.lost == enough {
			return fmt.Errorf("given up after %d attempts without a reply", enough)
		}
		again, err := t.try(ctx, order, own)
		if !again {
			return err
		}
	}
}

// whole reports whether all nodes of the place are in the queue.
func (t *transfer) whole(order []seqnode.Name) bool {
	for _, path := range t.place.paths() {
		if !slices.ContainsFunc(order, func(n seqnode.Name) bool { return t.path(n) == path }) {
			return false
		}
	}
	return true
}

// path is where a node of the queue stands.
func (t *transfer) path(n seqnode.Name) string { return framework.Join(t.place.queue.Dir, n.Full) }

// look lists the queue in order, behind a sync if the answer of a try was lost: the server may be another one, which lags
// behind.
func (t *transfer) look(ctx context.Context) ([]seqnode.Name, error) {
	if t.doubt != nil {
		if err := t.place.session.Sync(ctx, t.place.queue.Dir); err != nil {
			return nil, err
		}
	}
	names, _, err := t.place.session.Children(ctx, t.place.queue.Dir)
	if err != nil && !errors.Is(err, framework.ErrNoNode) {
		return nil, err
	}
	return t.place.queue.arrange(names), nil
}

// gone decides what has become of the own node. It went with the transfer if nothing else of that is left. (Had it been
// deleted by somebody else, and all the others have left, then the successor's turn has come as well.)
func (t *transfer) gone(order []seqnode.Name) error {
	left := func(n seqnode.Name) bool { return slices.Contains(order, n) }
	if t.doubt != nil && !slices.ContainsFunc(t.doubt, left) {
		return nil
	}
	return t.place.deleted()
}

// try hands the place over in the queue as it is. It reports whether to look again.
func (t *transfer) try(ctx context.Context, order []seqnode.Name, own int) (again bool, err error) {
	line, err := t.place.queue.read(ctx, t.place.session, places(slices.Clone(order)))
	if err != nil {
		return false, err
	}
	successor, err := t.choose(t.place.node.Stat.Czxid, line)
	if err != nil {
		return false, err
	}
	to := slices.IndexFunc(order, func(n seqnode.Name) bool { return t.path(n) == successor })
	if to <= own {
		return false, fmt.Errorf("%s is not behind %s in the queue", successor, t.place.node.Path)
	}
	operations := []framework.Op{framework.CheckOp(successor, framework.AnyVersion)}
	for _, n := range slices.Backward(order[own:to]) { // a waiter is told that its own node has gone before it is told of those ahead
		operations = append(operations, framework.DeleteOp(t.path(n), framework.AnyVersion))
	}
	_, err = t.place.session.Multi(ctx, operations)
	if errors.Is(err, framework.ErrOutcomeUnknown) {
		t.doubt = order[own:to]
		t.lost++
		return ctx.Err() == nil, err
	}
	return errors.Is(err, framework.ErrNoNode), err // somebody has left meanwhile
}

// undecided adds to the error of a look that it was to decide what became of a try.
func (t *transfer) undecided(err error) error {
	if t.doubt != nil {
		return fmt.Errorf("%w: %w", framework.ErrOutcomeUnknown, err)
	}
	return err
}

// First is the path of the node that holds, by a list of the directory; "" if nobody stands in the queue.
func (q Queue) First(names []string) string {
	if order := q.arrange(names); len(order) > 0 {
		return framework.Join(q.Dir, order[0].Full)
	}
	return ""
}
