package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// ErrNotWriter is returned by Held.Downgrade unless the Held is the write lock of an RWMutex.
var ErrNotWriter = errors.New("only the write lock of an RWMutex can be downgraded")

// RWMutex is a lock on a path that any number of readers or one writer can hold. Like [Mutex], it is stateless.
//
// Readers and writers share one queue. A writer waits for everybody ahead of it. A reader waits for all writers ahead
// of it, holding or waiting, so a stream of readers does not starve a writer. When a writer releases the lock, the next
// writer or the readers at the front are woken. When a reader releases it, only a writer that waits for this reader is
// woken.
//
// The names are those of Curator's InterProcessReadWriteLock. RWMutex waits for kazoo's locks and read locks on the
// same path. With [Shared], they wait for it as well.
type RWMutex struct{ reading, writing Mutex }

// NewRW returns the read/write lock on path. It does not contact the servers; an invalid path is reported by Lock and
// RLock.
func NewRW(cli *framework.Client, path string, opts ...Option) *RWMutex {
	path = framework.Abs(path)
	r, w := newRecipe(cli, "read lock", path, fitsShared, opts), newRecipe(cli, "write lock", path, fitsShared, opts)
	readers := r.queue(seqnode.Read, seqnode.KazooRead, seqnode.ReadersWriters)
	readers.Yield = seqnode.Writers
	return &RWMutex{
		reading: Mutex{recipe: r, queue: readers},
		writing: Mutex{recipe: w, queue: w.queue(seqnode.Write, seqnode.KazooLock, seqnode.ReadersWriters)},
	}
}

// Policy returns how a Held responds to SUSPENDED and LOST.
func (m *RWMutex) Policy() framework.Policy { return m.writing.Policy() }

// WaitPolicy returns how Lock and RLock respond to SUSPENDED and LOST while they wait.
func (m *RWMutex) WaitPolicy() framework.Policy { return m.writing.WaitPolicy() }

// Lock waits until it holds the write lock. It behaves as [Mutex.Lock], and the Held can be downgraded.
func (m *RWMutex) Lock(ctx context.Context) (*Held, error) {
	return m.downgradable(m.writing.Lock(ctx))
}

// TryLock returns [ErrLocked] if it would have to wait for another contender. It still waits for a connection, until
// ctx ends.
func (m *RWMutex) TryLock(ctx context.Context) (*Held, error) {
	return m.downgradable(m.writing.TryLock(ctx))
}

func (m *RWMutex) downgradable(held *Held, err error) (*Held, error) {
	if err != nil {
		return nil, err
	}
	held.reading = &m.reading
	return held, nil
}

// RLock waits until it holds a read lock. It behaves as [Mutex.Lock].
//
// The token of a read lock is larger than that of every writer before it and smaller than that of every writer after
// it. Tokens of readers are not ordered by use, since readers hold the lock together. So a resource that refuses old
// tokens must remember the tokens of writers only.
func (m *RWMutex) RLock(ctx context.Context) (*Held, error) { return m.reading.Lock(ctx) }

// TryRLock returns [ErrLocked] if it would have to wait for a writer. It still waits for a connection, until ctx ends.
func (m *RWMutex) TryRLock(ctx context.Context) (*Held, error) { return m.reading.TryLock(ctx) }

// Contenders lists the nodes of readers and writers in the order of the queue. The first contender holds the lock. If
// it is a reader, so do the readers behind it up to the first writer. The list is a snapshot, which may be out of date
// when it is returned.
func (m *RWMutex) Contenders(ctx context.Context) ([]Contender, error) {
	return m.writing.Contenders(ctx)
}

// Downgrade exchanges the write lock of an [RWMutex] for a read lock. The read lock is created at the same place in the
// queue before the write lock ends. So no writer can get the lock in between, waiting writers keep waiting, and readers
// right behind are admitted. The new Held has the token of the old one, which ends with [ErrReleased].
//
// Downgrade returns [ErrNotHeld] if the write lock had already ended. After any other error, such as the cause of ctx
// or [ErrNotWriter], the write lock is still held and must be unlocked.
func (h *Held) Downgrade(ctx context.Context) (*Held, error) {
	if h.reading == nil {
		return nil, fmt.Errorf("%s: %w", h.Path(), ErrNotWriter)
	}
	claim, err := h.claim.(*contend.Claim).Exchange(ctx, h.reading.queue)
	if err != nil {
		return nil, fmt.Errorf("downgrade: %w", err)
	}
	return h.reading.recipe.held(claim), nil
}
