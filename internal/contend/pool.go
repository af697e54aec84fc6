package contend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/docent-zk/docent/framework"
)

// Pool is a directory of which the oldest nodes, as many as the limit says, hold: the permits of a semaphore.
//
// Whoever wants some adds its nodes, lists, and holds when they are among the first. That alone is safe. But nodes of those
// who wait count as taken for Curator, which compares the number of all with the limit; so those who have to wait do it in
// turn, in a queue of its own, and only the first of that queue has nodes in the pool that do not hold.
type Pool struct {
	Leases Queue // the pool
	Turns  Queue // of those who wait
	Limit  Limit
}

// TryAcquire takes n permits if they are free, and returns [ErrTaken] otherwise. It creates nodes only when it sees room. Permits
// whose nodes this client is removing are waited for.
func (p Pool) TryAcquire(ctx context.Context, s *framework.Session, holding framework.Policy, n int) (*Bundle, error) {
	limit, err := p.Limit.read(ctx, s)
	if err == nil {
		err = p.room(ctx, s, limit, n)
	}
	if err != nil {
		return nil, err
	}
	return p.take(ctx, s, holding, n, nil, func(b batch, names []string) error {
		if free, err := b.among(limit, names); err != nil || free {
			return err
		}
		return ErrTaken
	})
}

// room returns nil when n permits are free.
func (p Pool) room(ctx context.Context, s *framework.Session, limit, n int) error {
	for {
		names, _, err := s.Children(ctx, p.Leases.Dir)
		if err != nil && !errors.Is(err, framework.ErrNoNode) {
			return err
		}
		if p.taken(names)+n <= limit {
			return nil
		}
		left, going := p.leftovers(s, names)
		if err := left.leaves(limit, n); err != nil {
			return err
		}
		if going == nil || p.taken(names)-left.going+n > limit {
			return ErrTaken
		}
		if err := gone(ctx, going); err != nil {
			return err
		}
	}
}

// remnants count the nodes in a pool that this client is removing.
type remnants struct {
	going   int
	refused int    // of them, by the servers
	path    string // of one that is refused
	err     error  // why
}

// leaves returns an error if n permits cannot be had as long as the servers refuse to remove what they refuse to remove now.
func (r remnants) leaves(limit, n int) error {
	if r.refused > 0 && limit-r.refused < n {
		return refusedLeftover(r.path, r.err)
	}
	return nil
}

// leftovers looks for nodes that this client is removing, and returns one of those that the servers do not refuse.
func (p Pool) leftovers(s *framework.Session, names []string) (left remnants, going *framework.Removal) {
	for _, name := range names {
		path := framework.Join(p.Leases.Dir, name)
		r, removing := s.Removing(path)
		switch {
		case !removing:
		case r.Refused != nil:
			left.refused, left.path, left.err = left.refused+1, path, r.Refused
		default:
			left.going, going = left.going+1, &r
		}
	}
	return left, going
}

// taken counts the leases in the pool: those that hold and those that wait.
func (p Pool) taken(names []string) int {
	order, rest := p.Leases.Dialect.Arrange(names)
	return len(order) + leasesOfKazoo(rest)
}

// Acquire takes n permits, and waits for them in turn. When it returns an error, or panics, its nodes are removed, in the
// background if need be.
func (p Pool) Acquire(ctx context.Context, s *framework.Session, holding framework.Policy, n int) (*Bundle, error) {
	b, err := p.TryAcquire(ctx, s, holding, n)
	if !errors.Is(err, ErrTaken) {
		return b, err
	}
	for {
		b, err := p.inTurn(ctx, s, holding, n)
		if !errors.Is(err, errTurnLost) {
			return b, err
		}
	}
}

// errTurnLost says that the node is gone that stood for the turn of those who wait in the pool.
var errTurnLost = errors.New("the place in the queue was deleted by another client")

// inTurn takes n permits when the turn has come. Without a node in the queue of those who wait, another one may wait in the pool as well, and if
// their nodes are mixed, each can keep the other from having enough. So who loses that node leaves the pool.
func (p Pool) inTurn(ctx context.Context, s *framework.Session, holding framework.Policy, n int) (*Bundle, error) {
	turn, err := p.Turns.stand(ctx, s, (*Place).wait)
	if err != nil {
		return nil, err
	}
	defer func() {
		if !turn.left { // what ctx leaves undone is done in the background
			_ = turn.leave(ctx)
		}
	}()
	return p.take(ctx, s, holding, n, turn, func(b batch, names []string) error { return p.wait(ctx, s, b, turn, names) })
}

// take adds n nodes and claims them when wait is content. Whatever goes wrong, none of them stays, and neither does turn.
func (p Pool) take(ctx context.Context, s *framework.Session, holding framework.Policy, n int, turn *Place,
	wait func(b batch, names []string) error) (*Bundle, error) {
	for {
		b, err := p.attempt(ctx, s, n, turn, wait)
		if errors.Is(err, ErrDeleted) {
			continue // costs the place, not the wish
		}
		if err != nil {
			return nil, err
		}
		return b.claim(ctx, holding)
	}
}

func (p Pool) attempt(ctx context.Context, s *framework.Session, n int, turn *Place, wait func(batch, []string) error) (got batch, err error) {
	b, names, err := p.Leases.enterAll(ctx, s, n)
	defer func() {
		switch {
		case got != nil:
		case errors.Is(err, ErrDeleted): // the turn is kept
			b.withdraw()
		default:
			append(b, turn).withdraw()
		}
	}()
	if err == nil {
		err = wait(b, names)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// wait returns nil when the batch holds. names is the pool as it was listed last.
func (p Pool) wait(ctx context.Context, s *framework.Session, b batch, turn *Place, names []string) error {
	limit, err := p.Limit.read(ctx, s)
	if err != nil {
		return err
	}
	free, err := b.among(limit, names)
	for err == nil && !free {
		free, err = p.rounds(ctx, s, b, turn)
	}
	return err
}

// errTouched says that something has happened to the node of the turn.
var errTouched = errors.New("the place in the queue has changed")

// rounds waits until the batch holds, for as long as nothing happens to the node of the turn.
func (p Pool) rounds(ctx context.Context, s *framework.Session, b batch, turn *Place) (free bool, err error) {
	_, stands, own, err := s.WatchExists(ctx, turn.node.Path)
	if err != nil {
		return false, err
	}
	defer own.Stop()
	if !stands {
		return false, errTurnLost
	}
	for err == nil && !free {
		free, err = p.round(ctx, s, b, own)
	}
	if errors.Is(err, errTouched) {
		return false, nil
	}
	return free, err
}

// round looks at the pool and at the limit and, if the batch does not hold, waits until one of them changes, or the node of the turn.
func (p Pool) round(ctx context.Context, s *framework.Session, b batch, own *framework.Watch) (free bool, err error) {
	names, _, pool, err := s.WatchChildren(ctx, p.Leases.Dir)
	if err != nil {
		return false, b[0].unlisted(err)
	}
	defer pool.Stop()
	limit, changed, stop, err := p.Limit.watch(ctx, s)
	if err != nil {
		return false, err
	}
	defer stop()
	_, refused := s.Refusals()
	if free, err = b.among(limit, names); err != nil || free {
		return free, err
	}
	left, _ := p.leftovers(s, names)
	if err := left.leaves(limit, len(b)); err != nil {
		return false, err
	}
	s.Report("waiting for room", nil, slog.String("node", b[0].node.Path), slog.Int("limit", limit), slog.Int("taken", p.taken(names)-len(b)))
	select {
	case ev := <-pool.C:
		return false, ev.Err
	case ev := <-changed:
		return false, ev.Err
	case ev := <-own.C:
		if ev.Err == nil {
			ev.Err = errTouched
		}
		return false, ev.Err
	case <-refused:
		return false, nil
	case <-ctx.Done():
		return false, fmt.Errorf("%s waited for room among the first %d of %d: %w", b[0].node.Path, limit, p.taken(names), context.Cause(ctx))
	}
}
