package contend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Choice returns the node of the successor in a transfer by the claim with that token, given the queue in order, or an
// error.
type Choice func(own int64, line []Contender) (path string, err error)

// Pass ends the claim and hands its place over to another node of the queue. One transaction checks that the
// successor's node exists, and deletes all nodes ahead of it, from the claim's own one on. Their owners queue again
// when they notice.
//
// If a contender leaves meanwhile, the choice is repeated. If Pass fails, the claim has ended nevertheless, and Pass
// returns a new claim on the same place, which was never released. It returns no claim if the claim had ended before
// for another reason, or the place is gone or may be, or ctx has ended: then the node is removed in the background.
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
	standing := t.doubt == nil && !errors.Is(c.err, ErrDeleted) // whether the place still exists
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

// transfer is a running Pass.
type transfer struct {
	place  *Place
	choose Choice
	doubt  []seqnode.Name // what the last attempt was to delete, if its reply was lost
	lost   int            // number of lost replies
}

// enough is how many replies may be lost before a transfer is given up: a request may break the connection each time.
const enough = 10

// run retries until the outcome is known, or cannot be.
func (t *transfer) run(ctx context.Context) error {
	for {
		order, err := t.list(ctx)
		if err != nil {
			return t.undecided(err)
		}
		own := slices.IndexFunc(order, func(n seqnode.Name) bool { return t.path(n) == t.place.node.Path })
		if own < 0 || !t.whole(order) {
			return t.gone(order)
		}
		t.doubt = nil // the last attempt was not applied
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

// path returns the path of a node of the queue.
func (t *transfer) path(n seqnode.Name) string { return framework.Join(t.place.queue.Dir, n.Full) }

// list lists the queue in order. If the reply to an attempt was lost, it syncs first, because this server may lag
// behind the previous one.
func (t *transfer) list(ctx context.Context) ([]seqnode.Name, error) {
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

// gone decides why the place's own node is gone. It was removed by the transfer if the other nodes to delete are gone
// as well. (If another client had deleted it, and all others have left, the successor's turn has come too.)
func (t *transfer) gone(order []seqnode.Name) error {
	left := func(n seqnode.Name) bool { return slices.Contains(order, n) }
	if t.doubt != nil && !slices.ContainsFunc(t.doubt, left) {
		return nil
	}
	return t.place.deleted()
}

// try hands the place over in the listed queue. It reports whether to list again.
func (t *transfer) try(ctx context.Context, order []seqnode.Name, own int) (again bool, err error) {
	line, err := t.place.queue.read(ctx, t.place.session, seqnode.Places(slices.Clone(order)))
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
	for _, n := range slices.Backward(order[own:to]) { // a waiter's own node is deleted before those ahead of it, so that it learns that first
		operations = append(operations, framework.DeleteOp(t.path(n), framework.AnyVersion))
	}
	_, err = t.place.session.Multi(ctx, operations)
	if errors.Is(err, framework.ErrOutcomeUnknown) {
		t.doubt = order[own:to]
		t.lost++
		return ctx.Err() == nil, err
	}
	return errors.Is(err, framework.ErrNoNode), err // another contender has left meanwhile
}

// undecided adds to the error of a list that it was to decide the outcome of an attempt.
func (t *transfer) undecided(err error) error {
	if t.doubt != nil {
		return fmt.Errorf("%w: %w", framework.ErrOutcomeUnknown, err)
	}
	return err
}

// First returns the path of the node that holds the claim, given a list of the directory; "" if the queue is empty.
func (q Queue) First(names []string) string {
	if order := q.arrange(names); len(order) > 0 {
		return framework.Join(q.Dir, order[0].Full)
	}
	return ""
}
