package contend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Exchange creates a claim on nodes of queue q, as many as the claim has, with the same numbers, and then ends the
// claim. For a moment, all of them exist at the same place of the queue, so a place that waits for both kinds finds no
// gap. The new claim has the policy and the token of the old one.
//
// After an error the claim is still held, except for [ErrNotHeld]: then it had ended, or its node was gone.
func (c *Claim) Exchange(ctx context.Context, q Queue) (*Claim, error) {
	if cause := c.standing(); cause != nil {
		return nil, c.notHeld(cause)
	}
	place, err := c.place.beside(ctx, q)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // while waiting for the reply
		place.withdraw()
		return nil, context.Cause(ctx)
	}
	next, err := place.claim(ctx, c.policy)
	if err == nil {
		err = c.giveWay(ctx)
	}
	if err == nil {
		return next, nil
	}
	if next != nil {
		abandon(next)
	} else {
		place.withdraw()
	}
	return nil, err
}

// beside creates nodes of another queue with the numbers of this place.
func (p *Place) beside(ctx context.Context, q Queue) (*Place, error) {
	names := q.names()
	for i, kind := range p.queue.names() {
		own := p.paths()[i]
		names[i] += own[strings.LastIndex(own, kind)+len(kind):]
	}
	nodes, err := q.createAs(ctx, p.session, names)
	if err != nil {
		return nil, err
	}
	beside := q.place(p.session, nodes)
	if err := beside.own(); err != nil {
		beside.withdraw()
		return nil, err
	}
	beside.node.Stat.Czxid = p.node.Stat.Czxid
	return beside, nil
}

// createAs creates the nodes of a place with given names.
func (q Queue) createAs(ctx context.Context, s *framework.Session, names []string) ([]framework.Node, error) {
	if len(names) > 1 {
		return recipekit.CreateTwins(ctx, s, q.Dir, names, q.Data, append(q.options(), framework.Ephemeral)...)
	}
	node, err := s.Create(ctx, framework.Join(q.Dir, names[0]), q.Data,
		append(q.options(), framework.Ephemeral, framework.Protected)...)
	return []framework.Node{node}, err
}

// giveWay ends the claim and removes its node, in the background if ctx ends. It returns an error if the node was
// already gone: then another contender may have been granted the claim before the other node was created.
func (c *Claim) giveWay(ctx context.Context) error {
	if !c.releasing.CompareAndSwap(false, true) {
		return c.notHeld(ErrReleased)
	}
	defer close(c.released)
	c.finish()
	err := c.place.remove(ctx)
	cause := context.Cause(c.ctx)
	switch {
	case !errors.Is(cause, ErrReleased):
		c.err = c.notHeld(cause)
	case errors.Is(err, framework.ErrNoNode):
		c.err = c.notHeld(c.place.deleted())
	case errors.Is(err, framework.ErrSessionLost), errors.Is(err, framework.ErrClosed):
		c.err = c.notHeld(err)
	}
	return c.err
}

// abandon releases claims without waiting, the last one first, and removes their nodes in one transaction.
func abandon(claims ...*Claim) {
	var left batch
	for _, c := range slices.Backward(claims) {
		if c.releasing.CompareAndSwap(false, true) {
			c.finish()
			left = append(left, c.place)
			c.err = framework.ErrReleasing
			close(c.released)
		}
	}
	left.withdraw()
}

// notHeld returns the error of a call that requires a claim that is held.
func (c *Claim) notHeld(cause error) error {
	return fmt.Errorf("%s: %w: %w", c.place.node.Path, ErrNotHeld, cause)
}
