package lock

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// ErrPermits is returned for a number of permits that can never be had, and for a limit that cannot be.
var ErrPermits = errors.New("impossible number of permits")

// Semaphore lets a limited number of permits be held at a time. Like [Mutex] it has no state of its own.
//
// Permits are the oldest nodes, as many as the limit says, of path/leases. Those who find none free queue in path/locks, in
// the order of their arrival, and the first of them waits in the pool, with all the nodes that it wants: whoever asks for many
// permits is not starved by those who ask for one. A newcomer can overtake the queue only in the moment in which its first
// one has changed and has not yet put down its nodes.
//
// Names and layout are those of Curator's InterProcessSemaphoreV2, with which a Semaphore shares the limit. All contenders
// must agree on it, or share a count.
type Semaphore struct {
	recipe recipe
	pool   contend.Pool
}

// NewSemaphore returns the semaphore on path with a fixed limit. It asks nothing of the servers; what is invalid is an error
// of Acquire.
func NewSemaphore(cli *framework.Client, path string, limit int, opts ...Option) *Semaphore {
	return newSemaphore(cli, path, contend.Limit{Fixed: limit}, opts)
}

// NewSharedSemaphore returns the semaphore on path whose limit is what the node at count says: 4 bytes, big-endian, as
// Curator's SharedCount writes them and [Semaphore.SetLimit] does. When the limit grows those who can go do so at once; when
// it shrinks nobody loses what it holds. While the node does not exist Acquire returns framework.ErrNoNode.
func NewSharedSemaphore(cli *framework.Client, path, count string, opts ...Option) *Semaphore {
	return newSemaphore(cli, path, contend.Limit{Path: count}, opts)
}

func newSemaphore(cli *framework.Client, path string, limit contend.Limit, opts []Option) *Semaphore {
	path, limit.Path = framework.Abs(path), framework.Abs(limit.Path)
	r := newRecipe(cli, "semaphore", path, 0, opts)
	leases, turns := r.queue(seqnode.Lease, seqnode.Foreign, seqnode.Leases), r.queue(seqnode.Lock, seqnode.Foreign, seqnode.Mutex)
	leases.Dir, turns.Dir = framework.Join(path, "leases"), framework.Join(path, "locks")
	if limit.Path != "" {
		r.paths = append(r.paths, limit.Path)
	}
	return &Semaphore{recipe: r, pool: contend.Pool{Leases: leases, Turns: turns, Limit: limit}}
}

// Policy is how a Bundle of permits answers SUSPENDED and LOST.
func (s *Semaphore) Policy() framework.Policy { return s.recipe.holding }

// WaitPolicy is how Acquire answers SUSPENDED and LOST while it waits.
func (s *Semaphore) WaitPolicy() framework.Policy { return s.recipe.waiting }

// Acquire waits until it holds n permits, all of them or none. It waits through disconnections, as long as ctx and WaitLimit
// allow. On every error its nodes are removed as [Mutex.Lock] says, which can outlast ctx by an eighth of the session timeout.
//
// Errors are those of [Mutex.Lock], and [ErrPermits] if n is not positive or larger than a fixed limit. When n is larger than a
// shared limit it waits until that grows, and all who come later wait behind it.
func (s *Semaphore) Acquire(ctx context.Context, n int) (*Bundle, error) {
	if err := s.validate(n); err != nil {
		return nil, err
	}
	return waitFor(ctx, s.recipe, s.holder(n, s.pool.Acquire))
}

// TryAcquire returns [ErrLocked] instead of waiting for others. It still waits for a connection, until ctx ends.
func (s *Semaphore) TryAcquire(ctx context.Context, n int) (*Bundle, error) {
	if err := s.validate(n); err != nil {
		return nil, err
	}
	return acquire(ctx, s.recipe, s.holder(n, s.pool.TryAcquire))
}

func (s *Semaphore) validate(n int) error {
	switch limit := s.pool.Limit; {
	case limit.Path != "": // nobody knows what it will be
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

// holder turns a way to get claims into one to get a Bundle.
func (s *Semaphore) holder(n int, get func(context.Context, *framework.Session, framework.Policy, int) (*contend.Bundle, error)) attempt[*Bundle] {
	return func(ctx context.Context, session *framework.Session) (*Bundle, error) {
		claims, err := get(ctx, session, s.recipe.holding, n)
		if err != nil {
			return nil, err
		}
		return s.recipe.bundle(claims), nil
	}
}

// SetLimit sets the limit of a semaphore that shares it, for everybody, and creates the node if it is missing.
func (s *Semaphore) SetLimit(ctx context.Context, limit int) error {
	path := s.pool.Limit.Path
	switch {
	case path == "":
		return s.recipe.wrap(fmt.Errorf("%w: the limit is fixed", ErrPermits))
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
		if !errors.Is(err, framework.ErrNodeExists) { // somebody has created it meanwhile
			return s.recipe.wrap(err)
		}
	}
}

// Contenders lists the nodes of the pool in order. The first ones, as many as the limit says, are the permits that are taken;
// those behind wait. It is a look at a moment that has passed when it returns.
func (s *Semaphore) Contenders(ctx context.Context) ([]Contender, error) {
	return s.recipe.contenders(ctx, s.pool.Leases)
}
