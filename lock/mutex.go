package lock

import (
	"context"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Mutex is a lock on a path. Any number of goroutines, and of Mutexes on the same path, may lock it, and each gets its own
// [Held]. It has no state of its own, but with [LocalHandover] the line of those who wait for it.
type Mutex struct {
	recipe recipe
	queue  contend.Queue
	line   *line // nil without LocalHandover
}

// New returns the lock on path. It asks nothing of the servers; an invalid path is an error of Lock.
func New(cli *framework.Client, path string, opts ...Option) *Mutex {
	r := newRecipe(cli, "lock", framework.Abs(path), fitsShared|fitsHandover, opts)
	m := &Mutex{recipe: r, queue: r.queue(seqnode.Lock, seqnode.KazooLock, seqnode.Mutex)}
	if !r.shared {
		m.queue.Trail = new(contend.Trail)
	}
	if r.handover != nil {
		m.line = &line{recipe: r, queue: m.queue, most: *r.handover}
	}
	return m
}

// Policy is how a Held answers SUSPENDED and LOST.
func (m *Mutex) Policy() framework.Policy { return m.recipe.holding }

// WaitPolicy is how Lock answers SUSPENDED and LOST while it waits.
func (m *Mutex) WaitPolicy() framework.Policy { return m.recipe.waiting }

// Lock waits in the queue until it holds the lock. It waits through disconnections, as long as ctx and WaitLimit allow.
// When ctx ends at the moment of the grant, Lock returns either a Held or an error.
//
// On every error its node is removed from the queue. While there is a connection the delete has been sent when Lock returns, so
// the client's next request does not see the node. A node whose create is unanswered when ctx ends is waited for: Lock can outlast
// ctx by an eighth of the session timeout. Without a connection Lock returns at once, and the node is removed in the background.
//
// Errors: the cause of ctx or [ErrWaitLimit], which name the node that it waited behind; framework.ErrClosed, framework.ErrSessionLost with [StopOnLost], and what the
// servers refuse (framework.ErrNoAuth, ...). If this client has left a node in the queue that the servers refuse to remove, Lock
// returns framework.ErrNoAuth with the node's path instead of waiting behind it. Children of path that no contender has made are ignored.
func (m *Mutex) Lock(ctx context.Context) (*Held, error) {
	if m.line != nil {
		return told(ctx, m.recipe, m.line.lock)
	}
	return waitFor(ctx, m.recipe, m.holder(m.queue.Acquire))
}

// TryLock returns [ErrLocked] instead of waiting for others. It still waits for a connection, and for nodes that this client is
// removing from the queue, until ctx ends.
func (m *Mutex) TryLock(ctx context.Context) (*Held, error) {
	if m.line != nil {
		return told(ctx, m.recipe, m.line.tryLock)
	}
	return acquire(ctx, m.recipe, m.holder(m.queue.TryAcquire))
}

// holder turns a way to get a claim into one to get a Held.
func (m *Mutex) holder(get acquireFunc) attempt[*Held] {
	return func(ctx context.Context, s *framework.Session) (*Held, error) {
		claim, err := get(ctx, s, m.recipe.holding)
		if err != nil {
			return nil, err
		}
		return m.recipe.held(claim), nil
	}
}

// Contenders lists who is in the queue, in order: the first one holds the lock. It is a look at a moment that has passed
// when it returns.
func (m *Mutex) Contenders(ctx context.Context) ([]Contender, error) {
	return m.recipe.contenders(ctx, m.queue)
}
