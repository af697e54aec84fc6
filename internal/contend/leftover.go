package contend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// leftovers finds nodes that this client is removing in the background. They are not contenders, but others see them
// until they are gone. It returns one of them, with a channel that is closed when it is gone, and an error if the
// servers refuse to remove one.
func (q Queue) leftovers(s *framework.Session, names []seqnode.Name) (found *framework.Removal, err error) {
	for _, name := range names {
		path := framework.Join(q.Dir, name.Full)
		r, removing := s.Removing(path)
		switch {
		case !removing:
		case r.Refused != nil:
			return nil, refusedLeftover(path, r.Refused)
		default:
			found = &r
		}
	}
	return found, nil
}

// refusedLeftover returns the error for waiting behind a leftover that the servers refuse to remove.
func refusedLeftover(path string, refused error) error {
	return fmt.Errorf("%s is a leftover node of this client that the servers refuse to remove; it is removed when they allow it, or when the session ends: %w", path, refused)
}

// clear returns an error if a new place would wait for a leftover that the servers refuse to remove. It sends a request
// only if this client has such a leftover somewhere.
func (q Queue) clear(ctx context.Context, s *framework.Session) error {
	if n, _ := s.Refusals(); n == 0 {
		return nil
	}
	order, err := q.rivals(ctx, s)
	if err == nil {
		_, err = q.leftovers(s, order)
	}
	return err
}

// rivals lists the nodes that a new place would wait for, in order.
func (q Queue) rivals(ctx context.Context, s *framework.Session) ([]seqnode.Name, error) {
	names, _, err := s.Children(ctx, q.Dir)
	if err != nil && !errors.Is(err, framework.ErrNoNode) {
		return nil, err
	}
	order := q.arrange(names)
	return slices.DeleteFunc(order, func(n seqnode.Name) bool { return !q.yields(n) }), nil
}

// vacant waits until the queue has only contained leftovers of this client and they are gone. It returns [ErrTaken] if
// there is another contender.
func (q Queue) vacant(ctx context.Context, s *framework.Session) error {
	for {
		order, err := q.rivals(ctx, s)
		if err != nil || len(order) == 0 {
			return err
		}
		if slices.ContainsFunc(order, func(n seqnode.Name) bool { return !q.leftover(s, n) }) {
			return ErrTaken
		}
		left, err := q.leftovers(s, order)
		if err == nil && left != nil {
			err = gone(ctx, left)
		}
		if err != nil {
			return err
		}
	}
}

// leftover reports whether this client is removing a node.
func (q Queue) leftover(s *framework.Session, n seqnode.Name) bool {
	_, removing := s.Removing(framework.Join(q.Dir, n.Full))
	return removing
}

// gone waits until the state of a leftover's removal changes.
func gone(ctx context.Context, r *framework.Removal) error {
	select {
	case <-r.Changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
