package lock

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
)

// ErrPermits is returned for an invalid limit, and for a number of permits that can never be granted.
var ErrPermits = errors.New("invalid number of permits")

// Semaphore is a limited number of permits. Like [Mutex], it is stateless.
//
// The permits are the oldest nodes in path/leases, as many as the limit allows. If none is free, a contender queues in
// path/locks, in the order of arrival. The first in that queue creates all the nodes that it needs in path/leases and
// waits there, so a request for many permits is not starved by requests for one. A new contender can overtake the queue
// only in the short time between a change of its head and the creation of the new head's nodes.
//
// Names and layout are those of Curator's InterProcessSemaphoreV2, which can share the permits. All contenders must use
// the same limit, or share a count.
type Semaphore struct {
	recipe recipe
	pool   contend.Pool
	shared bool // the limit is stored on the servers
}

// NewSemaphore returns the semaphore on path with a fixed limit. It does not contact the servers; invalid arguments are
// reported by Acquire.
func NewSemaphore(cli *framework.Client, path string, limit int, opts ...Option) *Semaphore {
	return newSemaphore(cli, path, contend.Limit{Fixed: limit}, false, opts)
}

// NewSharedSemaphore returns the semaphore on path with the limit that is stored in the node at count: 4 bytes,
// big-endian, as written by [Semaphore.SetLimit] and by Curator's SharedCount. When the limit grows, waiting contenders
// are granted permits at once. When it shrinks, permits that are held stay held. Acquire returns framework.ErrNoNode
// while the node does not exist.
func NewSharedSemaphore(cli *framework.Client, path, count string, opts ...Option) *Semaphore {
	return newSemaphore(cli, path, contend.Limit{Path: count}, true, opts)
}

func newSemaphore(cli *framework.Client, path string, limit contend.Limit, shared bool, opts []Option) *Semaphore {
	path, limit.Path = framework.Abs(path), framework.Abs(limit.Path)
	r := newRecipe(cli, "semaphore", path, 0, opts)
	leases, turns := r.queue(seqnode.Lease, seqnode.Foreign, seqnode.Leases), r.queue(seqnode.Lock, seqnode.Foreign, seqnode.Mutex)
	leases.Dir, turns.Dir = framework.Join(path, "leases"), framework.Join(path, "locks")
	if shared {
		r.paths = append(r.paths, limit.Path)
	}
	return &Semaphore{recipe: r, pool: contend.Pool{Leases: leases, Turns: turns, Limit: limit}, shared: shared}
}

// Policy returns how a Bundle of permits responds to SUSPENDED and LOST.
func (s *Semaphore) Policy() framework.Policy { return s.recipe.holding }

// WaitPolicy returns how Acquire responds to SUSPENDED and LOST while it waits.
func (s *Semaphore) WaitPolicy() framework.Policy { return s.recipe.waiting }

// Acquire waits until it holds n permits; it takes all of them or none. It keeps waiting through disconnections, within
// the limits of ctx and WaitLimit. After an error its nodes are removed as described at [Mutex.Lock], which can outlast
// ctx by an eighth of the session timeout.
//
// Errors are those of [Mutex.Lock], and [ErrPermits] if n is not positive or exceeds a fixed limit. If n exceeds a
// shared limit, Acquire waits until the limit has grown, and everybody who comes later waits behind it.
func (s *Semaphore) Acquire(ctx context.Context, n int) (*Bundle, error) {
	if err := s.validate(n); err != nil {
		return nil, err
	}
	return waitFor(ctx, s.recipe, s.holder(n, s.pool.Acquire))
}

// TryAcquire returns [ErrLocked] if it would have to wait for another contender. It still waits for a connection, until
// ctx ends.
func (s *Semaphore) TryAcquire(ctx context.Context, n int) (*Bundle, error) {
	if err := s.validate(n); err != nil {
		return nil, err
	}
	return acquire(ctx, s.recipe, s.holder(n, s.pool.TryAcquire))
}

func (s *Semaphore) validate(n int) error {
	switch limit := s.pool.Limit; {
	case s.shared:
	case limit.Fixed < 1:
		return s.recipe.wrap(fmt.Errorf("%w: the limit is %d", ErrPermits, limit.Fixed))
	case n > limit.Fixed:
		return s.recipe.wrap(fmt.Errorf("%w: %d, and the limit is %d", ErrPermits, n, limit.Fixed))
	}
	if n < 1 {
		return s.recipe.wrap(fmt.Errorf("%w: %d", ErrPermits, n))
	}
	return nil
}

// holder turns a function that acquires claims into one that returns a Bundle.
func (s *Semaphore) holder(n int, get func(context.Context, *framework.Session, framework.Policy, int) (*contend.Bundle, error)) attempt[*Bundle] {
	return func(ctx context.Context, session *framework.Session) (*Bundle, error) {
		claims, err := get(ctx, session, s.recipe.holding, n)
		if err != nil {
			return nil, err
		}
		return s.recipe.bundle(claims), nil
	}
}

// SetLimit sets the shared limit for all contenders. It creates the node if it is missing.
func (s *Semaphore) SetLimit(ctx context.Context, limit int) error {
	path := s.pool.Limit.Path
	switch {
	case !s.shared:
		return s.recipe.wrap(fmt.Errorf("%w: the limit is fixed", ErrPermits))
	case recipekit.Usable(s.recipe.cli) != nil:
		return s.recipe.wrap(recipekit.Usable(s.recipe.cli))
	case limit < 0 || limit > math.MaxInt32:
		return s.recipe.wrap(fmt.Errorf("%w: a limit of %d", ErrPermits, limit))
	}
	data := contend.EncodeCount(int32(limit))
	for {
		_, err := s.recipe.cli.Set(ctx, path, data, framework.AnyVersion, framework.Idempotent)
		if errors.Is(err, framework.ErrNoNode) {
			_, err = s.recipe.cli.Create(ctx, path, data, framework.Parents, framework.Idempotent)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, framework.ErrNodeExists) { // another client has created it meanwhile
			return s.recipe.wrap(err)
		}
	}
}

// Limit returns the limit: the fixed one, or the shared one as it is stored now. It returns framework.ErrNoNode if the
// node of the shared limit does not exist.
func (s *Semaphore) Limit(ctx context.Context) (int, error) {
	if !s.shared {
		return s.pool.Limit.Fixed, nil
	}
	if err := recipekit.Usable(s.recipe.cli); err != nil {
		return 0, s.recipe.wrap(err)
	}
	limit, err := s.pool.Limit.Read(ctx, s.recipe.cli)
	if err != nil {
		return 0, s.recipe.wrap(err)
	}
	return limit, nil
}

// Contenders lists the nodes in path/leases in order, one for each permit. The first ones, as many as the limit allows,
// hold permits. The others belong to the contender that waits next; further contenders queue in path/locks. The list is a
// snapshot, which may be out of date when it is returned.
func (s *Semaphore) Contenders(ctx context.Context) ([]Contender, error) {
	limit, err := s.Limit(ctx)
	if err != nil && !errors.Is(err, framework.ErrNoNode) { // without a limit, nobody holds a permit
		return nil, err
	}
	return s.recipe.contenders(ctx, s.pool.Leases, limit)
}
