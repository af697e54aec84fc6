package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// ErrNotWriter is returned by Held.Downgrade when what is held is not the write lock of an RWMutex.
var ErrNotWriter = errors.New("only the write lock of an RWMutex can be downgraded")

// RWMutex is a lock on a path that any number of readers or one writer can hold. Like [Mutex] it has no state of its own.
//
// Readers and writers stand in one queue. A writer waits for all who came before it; a reader waits for the writers that
// came before it, whether they hold or wait, so that readers who keep coming do not starve a writer. The end of a writer
// wakes those behind it that can go: the next writer, or the readers up to there. The end of a reader wakes nobody but a
// writer who waits for just this reader.
//
// The names are those of Curator's InterProcessReadWriteLock. kazoo's locks and read locks on the same path are waited for,
// and with [Shared] they wait as well.
type RWMutex struct{ reading, writing Mutex }

// NewRW returns the read/write lock on path. It asks nothing of the servers; an invalid path is an error of Lock and RLock.
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

// Policy is how a Held answers SUSPENDED and LOST.
func (m *RWMutex) Policy() framework.Policy { return m.writing.Policy() }

// WaitPolicy is how Lock and RLock answer SUSPENDED and LOST while they wait.
func (m *RWMutex) WaitPolicy() framework.Policy { return m.writing.WaitPolicy() }

// Lock waits until it holds the write lock. All that is said of [Mutex.Lock] holds. The Held can be downgraded.
func (m *RWMutex) Lock(ctx context.Context) (*Held, error) {
	return m.downgradable(m.writing.Lock(ctx))
}

// TryLock returns [ErrLocked] instead of waiting for others. It still waits for a connection, until ctx ends.
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

// RLock waits until it holds a read lock. All that is said of [Mutex.Lock] holds.
//
// The token of a read lock is larger than that of every writer before it and smaller than that of every writer behind it. So
// a resource that refuses tokens which are older than the newest it has seen must remember those of writers only: readers
// hold together, and the oldest of them may be the last to come.
func (m *RWMutex) RLock(ctx context.Context) (*Held, error) { return m.reading.Lock(ctx) }

// TryRLock returns [ErrLocked] instead of waiting for a writer. It still waits for a connection, until ctx ends.
func (m *RWMutex) TryRLock(ctx context.Context) (*Held, error) { return m.reading.TryLock(ctx) }

// Contenders lists the nodes of readers and writers in the order of the queue. Those who hold are the first one and, if it
// is a reader, the readers behind it up to the first writer. It is a look at a moment that has passed when it returns.
func (m *RWMutex) Contenders(ctx context.Context) ([]Contender, error) {
	return m.writing.Contenders(ctx)
}

// Downgrade turns the write lock of an [RWMutex] into a read lock. The read lock is there before the write lock ends, at the
// same place in the queue: no other writer can come in between, writers who wait go on waiting, and readers right behind come
// in. The new Held has the token of the old one, which ends with [ErrReleased].
//
// Errors: [ErrNotHeld] if the write lock was over. After any other one, the cause of ctx for example or [ErrNotWriter], it is
// held as before and must be unlocked.
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
