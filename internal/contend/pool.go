package contend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/docent-zk/docent/framework"
)

// Pool is a directory whose oldest nodes, as many as the limit allows, hold the permits of a semaphore.
//
// A contender adds its nodes, lists the directory, and holds permits when its nodes are among the first. That alone is
// safe. But Curator compares the number of all nodes with the limit, so waiting nodes count as permits for it.
// Therefore contenders queue in a directory of their own, and only the first of that queue has waiting nodes in the
// pool.
type Pool struct {
	Leases Queue // the pool
	Turns  Queue // the queue of contenders that wait
	Limit  Limit
}

// TryAcquire acquires n permits if they are free, and returns [ErrTaken] otherwise. It creates nodes only if there is
// room. It waits for permits whose nodes this client is removing.
func (p Pool) TryAcquire(ctx context.Context, s *framework.Session, holding framework.Policy, n int) (*Bundle, error) {
	limit, err := p.Limit.Read(ctx, s)
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

// room returns nil if n permits are free.
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

// remnants are the nodes in a pool that this client is removing.
type remnants struct {
	going   int
	refused int    // number of removals that the servers refuse
	path    string // of one that is refused
	err     error  // why it is refused
}

// leaves returns an error if n permits cannot become free while the servers refuse the removals that they refuse now.
func (r remnants) leaves(limit, n int) error {
	if r.refused > 0 && limit-r.refused < n {
		return refusedLeftover(r.path, r.err)
	}
	return nil
}

// leftovers finds nodes that this client is removing, and returns a removal that the servers do not refuse.
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

// taken returns the number of leases in the pool, held and waiting.
func (p Pool) taken(names []string) int {
	order, rest := p.Leases.Dialect.Arrange(names)
	return len(order) + leasesOfKazoo(rest)
}

// Acquire acquires n permits, and waits for them in turn. If it returns an error, or panics, its nodes are removed, in
// the background if necessary.
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

// errTurnLost means that the node of the place in the queue of waiting contenders is gone.
var errTurnLost = errors.New("the place in the queue was deleted by another client")

// inTurn acquires n permits once the turn has come. Without a node in the queue of waiting contenders, another one
// might wait in the pool as well, and their mixed nodes could block each other. So a contender that loses that node
// leaves the pool.
func (p Pool) inTurn(ctx context.Context, s *framework.Session, holding framework.Policy, n int) (*Bundle, error) {
	turn, err := p.Turns.queueUntil(ctx, s, (*Place).wait)
	if err != nil {
		return nil, err
	}
	defer func() {
		if !turn.left { // the rest is done in the background if ctx has ended
			_ = turn.leave(ctx)
		}
	}()
	return p.take(ctx, s, holding, n, turn, func(b batch, names []string) error { return p.wait(ctx, s, b, turn, names) })
}

// take adds n nodes and claims them when wait returns nil. After an error, all of them are removed, and so is turn.
func (p Pool) take(ctx context.Context, s *framework.Session, holding framework.Policy, n int, turn *Place,
	wait func(b batch, names []string) error) (*Bundle, error) {
	for {
		b, err := p.attempt(ctx, s, n, turn, wait)
		if errors.Is(err, ErrDeleted) {
			continue // queue again with new nodes
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

// wait returns nil when the batch holds permits. names is the last list of the pool.
func (p Pool) wait(ctx context.Context, s *framework.Session, b batch, turn *Place, names []string) error {
	limit, err := p.Limit.Read(ctx, s)
	if err != nil {
		return err
	}
	free, err := b.among(limit, names)
	for err == nil && !free {
		free, err = p.rounds(ctx, s, b, turn)
	}
	return err
}

// errTouched means that the node of the turn has changed.
var errTouched = errors.New("the place in the queue has changed")

// rounds waits until the batch holds permits, or something happens to the node of the turn.
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

// round reads the pool and the limit. If the batch does not hold permits, it waits until one of them, or the node of
// the turn, changes.
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
