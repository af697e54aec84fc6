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

// ErrNoPaths is returned by Multi's Lock when there is nothing to lock.
var ErrNoPaths = errors.New("no paths")

// Multi is the locks on several paths as one: all of them are held or none. Each of them excludes, and is excluded by, the
// [Mutex] on the same path and any other Multi with that path.
//
// They are locked one after the other in the order of their paths, whatever order they were given in, so that two Multis
// never wait for each other. They are unlocked the other way round.
type Multi struct {
	recipe recipe
	group  contend.Group
}

// NewMulti returns the locks on paths as one. A path that is given twice counts once. It asks nothing of the servers; what
// is invalid is an error of Lock.
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

// Policy is how a Bundle of locks answers SUSPENDED and LOST.
func (m *Multi) Policy() framework.Policy { return m.recipe.holding }

// WaitPolicy is how Lock answers SUSPENDED and LOST while it waits for the first lock. Once it holds one it answers as
// Policy says, and begins again.
func (m *Multi) WaitPolicy() framework.Policy { return m.recipe.waiting }

// Lock waits until it holds all locks. ctx and WaitLimit bound the whole. All that is said of [Mutex.Lock] holds.
func (m *Multi) Lock(ctx context.Context) (*Bundle, error) {
	if len(m.group) == 0 {
		return nil, m.recipe.wrap(ErrNoPaths)
	}
	return waitFor(ctx, m.recipe, m.holder(m.group.Acquire))
}

// TryLock returns [ErrLocked], and holds nothing, instead of waiting for others. It still waits for a connection, until ctx
// ends.
func (m *Multi) TryLock(ctx context.Context) (*Bundle, error) {
	if len(m.group) == 0 {
		return nil, m.recipe.wrap(ErrNoPaths)
	}
	return acquire(ctx, m.recipe, m.holder(m.group.TryAcquire))
}

// holder turns a way to get claims into one to get a Bundle.
func (m *Multi) holder(get func(context.Context, *framework.Session, framework.Policy) (*contend.Bundle, error)) attempt[*Bundle] {
	return func(ctx context.Context, s *framework.Session) (*Bundle, error) {
		claims, err := get(ctx, s, m.recipe.holding)
		if err != nil {
			return nil, err
		}
		return m.recipe.bundle(claims), nil
	}
}
