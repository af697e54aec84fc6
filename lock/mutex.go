package lock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Errors of this package, besides those of package framework.
var (
	// ErrLocked is returned by TryLock when somebody else holds the lock or is in the queue for it.
	ErrLocked = contend.ErrTaken
	// ErrWaitLimit is returned by Lock when the limit set with WaitLimit has passed.
	ErrWaitLimit = errors.New("not acquired within the wait limit")
	// ErrReleased is the cause of a Held's context after Unlock.
	ErrReleased = contend.ErrReleased
	// ErrDeleted is the cause of a Held's context when somebody else has deleted its node.
	ErrDeleted = contend.ErrDeleted
	// ErrNotHeld is returned by Held.Multi when the lock is no longer held. Nothing was applied.
	ErrNotHeld = contend.ErrNotHeld
)

// Mutex is a lock on a path. It has no state of its own: any number of goroutines, and of Mutexes on the same path, may
// lock it, and each gets its own [Held].
type Mutex struct {
	cli       *framework.Client
	queue     contend.Queue
	holding   framework.Policy
	waiting   framework.Policy
	waitLimit time.Duration
}

// Option changes how a Mutex behaves.
type Option func(*Mutex)

// Hold keeps a Held through SUSPENDED, for as long as the session can be trusted to live. Without it a Held ends as soon as
// the connection breaks. grace, if it is not 0, bounds that further, counted from SUSPENDED.
func Hold(grace time.Duration) Option {
	return func(m *Mutex) { m.holding.OnSuspended, m.holding.Grace = framework.Hold, grace }
}

// StopOnLost makes Lock return framework.ErrSessionLost when the session is lost while it waits. Without it, it queues
// again in the next session.
func StopOnLost() Option {
	return func(m *Mutex) { m.waiting.OnLost = framework.Stop }
}

// WaitLimit makes Lock return ErrWaitLimit when it has not succeeded after d. A deadline of ctx does the same for one call.
func WaitLimit(d time.Duration) Option {
	return func(m *Mutex) { m.waitLimit = d }
}

// WithData stores data in the nodes, for those who look at the queue. Defaults to none.
func WithData(data []byte) Option {
	return func(m *Mutex) { m.queue.Data = data }
}

// WithACL sets the access-control list of the nodes. Defaults to the client's.
func WithACL(acl []framework.ACL) Option {
	return func(m *Mutex) { m.queue.ACL = acl }
}

// New returns the lock on path. It asks nothing of the servers; an invalid path is an error of Lock.
func New(cli *framework.Client, path string, opts ...Option) *Mutex {
	m := &Mutex{
		cli:     cli,
		queue:   contend.Queue{Dir: path, Name: "lock-", Dialect: seqnode.Mutex},
		holding: framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Stop},
		waiting: contend.Waiting,
	}
	for _, opt := range opts {
		opt(m)
	}
	return m
}

// Policy is how a Held answers SUSPENDED and LOST.
func (m *Mutex) Policy() framework.Policy { return m.holding }

// WaitPolicy is how Lock answers SUSPENDED and LOST while it waits.
func (m *Mutex) WaitPolicy() framework.Policy { return m.waiting }

// Lock waits in the queue until it holds the lock. It waits through disconnections, as long as ctx and WaitLimit allow.
// On every error its node is removed from the queue, in the background if the servers are away.
//
// Errors: the cause of ctx, [ErrWaitLimit], framework.ErrClosed, framework.ErrSessionLost with [StopOnLost], and what the
// servers refuse (framework.ErrNoAuth, ...). A child of path whose name cannot be ordered is an error that names it.
func (m *Mutex) Lock(ctx context.Context) (*Held, error) {
	if m.waitLimit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, m.waitLimit, fmt.Errorf("%w of %v", ErrWaitLimit, m.waitLimit))
		defer cancel()
	}
	return m.acquire(ctx, m.queue.Acquire)
}

// TryLock returns [ErrLocked] instead of waiting for others. It still waits for a connection, until ctx ends.
func (m *Mutex) TryLock(ctx context.Context) (*Held, error) {
	return m.acquire(ctx, m.queue.TryAcquire)
}

type acquire func(context.Context, *framework.Session, framework.Policy) (*contend.Claim, error)

func (m *Mutex) acquire(ctx context.Context, how acquire) (held *Held, err error) {
	if err := errors.Join(framework.ValidatePath(m.queue.Dir), m.holding.Validate()); err != nil {
		return nil, fmt.Errorf("lock %s: %w", m.queue.Dir, err)
	}
	err = m.cli.Run(ctx, framework.Recipe{
		Name: "lock", Path: m.queue.Dir, Policy: m.waiting,
		Run: func(work context.Context, s *framework.Session) error {
			claim, err := how(work, s, m.holding)
			if err != nil {
				return err
			}
			held = &Held{claim: claim}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

// Contender is one node in the queue of a lock.
type Contender = contend.Contender

// Contenders lists who is in the queue, in order: the first one holds the lock. It is a look at a moment that has passed
// when it returns.
func (m *Mutex) Contenders(ctx context.Context) ([]Contender, error) {
	list, err := m.queue.Contenders(ctx, m.cli)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", m.queue.Dir, err)
	}
	return list, nil
}
