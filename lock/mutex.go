package lock

import (
	"context"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Mutex is a lock on a path. Any number of goroutines, and of Mutexes on the same path, may lock it, and each gets its
// own [Held]. A Mutex is stateless, except with [LocalHandover], where it keeps the list of waiting goroutines.
type Mutex struct {
	recipe recipe
	queue  contend.Queue
	local  *localQueue // nil without LocalHandover
}

// New returns the lock on path. It does not contact the servers; an invalid path is reported by Lock.
func New(cli *framework.Client, path string, opts ...Option) *Mutex {
	r := newRecipe(cli, "lock", framework.Abs(path), fitsShared|fitsHandover, opts)
	m := &Mutex{recipe: r, queue: r.queue(seqnode.Lock, seqnode.KazooLock, seqnode.Mutex)}
	if !r.shared {
		m.queue.Trail = new(contend.Trail)
	}
	if r.handover != nil {
		m.local = &localQueue{recipe: r, queue: m.queue, most: *r.handover}
	}
	return m
}

// Policy returns how a Held responds to SUSPENDED and LOST.
func (m *Mutex) Policy() framework.Policy { return m.recipe.holding }

// WaitPolicy returns how Lock responds to SUSPENDED and LOST while it waits.
func (m *Mutex) WaitPolicy() framework.Policy { return m.recipe.waiting }

// Lock waits in the queue until it holds the lock. It keeps waiting through disconnections, within the limits of ctx
// and WaitLimit. If ctx ends just as the lock is granted, Lock returns either a Held or an error.
//
// If Lock returns an error, its node is removed from the queue. With a connection, the delete has been sent when Lock
// returns, so the next request of the same client does not see the node. If the create is unanswered when ctx ends,
// Lock waits for its reply: it can outlast ctx by an eighth of the session timeout. Without a connection, Lock returns
// at once and the node is removed in the background.
//
// Lock returns the cause of ctx or [ErrWaitLimit], both with the node that it waited behind; framework.ErrClosed;
// framework.ErrSessionLost with [StopOnLost]; and what the servers refuse (framework.ErrNoAuth, ...). If this client
// has left a node in the queue that the servers refuse to remove, Lock returns framework.ErrNoAuth with that node's
// path instead of waiting behind it. Children of path that are not contenders are ignored.
func (m *Mutex) Lock(ctx context.Context) (*Held, error) {
	if m.local != nil {
		return told(ctx, m.recipe, m.local.lock)
	}
	return waitFor(ctx, m.recipe, m.holder(m.queue.Acquire))
}

// TryLock returns [ErrLocked] if it would have to wait for another contender. It still waits for a connection, and for
// nodes that this client is removing from the queue, until ctx ends.
func (m *Mutex) TryLock(ctx context.Context) (*Held, error) {
	if m.local != nil {
		return told(ctx, m.recipe, m.local.tryLock)
	}
	return acquire(ctx, m.recipe, m.holder(m.queue.TryAcquire))
}

// holder turns a function that acquires a claim into one that returns a Held.
func (m *Mutex) holder(get acquireFunc) attempt[*Held] {
	return func(ctx context.Context, s *framework.Session) (*Held, error) {
		claim, err := get(ctx, s, m.recipe.holding)
		if err != nil {
			return nil, err
		}
		return m.recipe.held(claim), nil
	}
}

// Contenders lists the queue in order; the first contender holds the lock. The list is a snapshot, which may be out of
// date when it is returned.
func (m *Mutex) Contenders(ctx context.Context) ([]Contender, error) {
	return m.recipe.contenders(ctx, m.queue, 0)
}
