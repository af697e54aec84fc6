package lock

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// ErrNoPaths is returned by [Multi.Lock] when there are no paths to lock.
var ErrNoPaths = errors.New("no paths")

// Multi is the locks on several paths as one: it holds all of them or none. Each excludes the [Mutex] on the same path,
// and every other Multi with that path.
//
// The locks are acquired one after the other, sorted by path, whatever the order in which the paths were given. So two
// Multis never deadlock. They are released in the opposite order.
type Multi struct {
	recipe recipe
	group  contend.Group
}

// NewMulti returns the locks on paths as one. Duplicate paths count once. NewMulti does not contact the servers;
// invalid arguments are reported by Lock.
func NewMulti(cli *framework.Client, paths []string, opts ...Option) *Multi {
	sorted := make([]string, len(paths))
	for i, path := range paths {
		sorted[i] = framework.Abs(path)
	}
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	m := &Multi{recipe: newRecipe(cli, "locks", strings.Join(sorted, " "), fitsShared, opts)}
	m.recipe.paths = sorted
	for _, path := range sorted {
		q := m.recipe.queue(seqnode.Lock, seqnode.KazooLock, seqnode.Mutex)
		q.Dir = path
		m.group = append(m.group, q)
	}
	return m
}

// Policy returns how a Bundle of locks responds to SUSPENDED and LOST.
func (m *Multi) Policy() framework.Policy { return m.recipe.holding }

// WaitPolicy returns how Lock responds to SUSPENDED and LOST while it waits for the first lock. Once it holds one, it
// responds as Policy says, and then starts again.
func (m *Multi) WaitPolicy() framework.Policy { return m.recipe.waiting }

// Lock waits until it holds all locks. ctx and WaitLimit bound the whole call. Otherwise it behaves as [Mutex.Lock].
func (m *Multi) Lock(ctx context.Context) (*Bundle, error) {
	if len(m.group) == 0 {
		return nil, m.recipe.wrap(ErrNoPaths)
	}
	return waitFor(ctx, m.recipe, m.holder(m.group.Acquire))
}

// TryLock returns [ErrLocked], and holds nothing, if it would have to wait for another contender. It still waits for a
// connection, until ctx ends.
func (m *Multi) TryLock(ctx context.Context) (*Bundle, error) {
	if len(m.group) == 0 {
		return nil, m.recipe.wrap(ErrNoPaths)
	}
	return acquire(ctx, m.recipe, m.holder(m.group.TryAcquire))
}

// holder turns a function that acquires claims into one that returns a Bundle.
func (m *Multi) holder(get func(context.Context, *framework.Session, framework.Policy) (*contend.Bundle, error)) attempt[*Bundle] {
	return func(ctx context.Context, s *framework.Session) (*Bundle, error) {
		claims, err := get(ctx, s, m.recipe.holding)
		if err != nil {
			return nil, err
		}
		return m.recipe.bundle(claims), nil
	}
}
