package sim

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// semaphorePart is a semaphore with a fixed limit, or with a shared one that changes.
type semaphorePart struct {
	contest
	limit  int
	shared bool

	mu     sync.Mutex
	limits []limitSet
}

// limitSet is a limit that may hold since a moment, and not before.
type limitSet struct {
	from, until time.Duration // until is 0 while no other one was applied
	limit       int
}

func drawSemaphore(b *base) part {
	s := &semaphorePart{
		contest: contest{base: b, tries: true, dirs: []string{b.path + "/leases"}}, limit: 1 + b.r.IntN(3), shared: b.drawn("shared limit", 2),
	}
	if b.wants("several permits") {
		s.limit = 2 + b.r.IntN(2)
	}
	return s
}

func (s *semaphorePart) countPath() string { return s.path + "-count" }

func (s *semaphorePart) join(client int, cli *framework.Client) error {
	s.withRevoker(client, cli, func(u *user) []revocable { return []revocable{lock.NewSemaphore(cli, u.own(s.path), s.limit)} })
	if client == 0 {
		s.limits = []limitSet{{limit: s.limit}}
		if s.shared {
			u := s.newUser(client, cli, "operator")
			sem := lock.NewSharedSemaphore(cli, u.own(s.path), u.own(s.countPath()))
			s.users.Go(func() { s.operate(u, sem) })
		}
	}
	for i := range 1 + s.r.IntN(2) {
		u := s.newUser(client, cli, fmt.Sprint("worker ", i))
		sem := lock.NewSemaphore(cli, u.own(s.path), s.limit, u.lockOptions(false)...)
		if s.shared {
			sem = lock.NewSharedSemaphore(cli, u.own(s.path), u.own(s.countPath()), u.lockOptions(false)...)
		}
		s.users.Go(func() {
			if s.shared && !s.awaitCount(u) {
				return
			}
			s.contend(u, func(ctx context.Context, try bool) (*grip, error) { return s.acquire(ctx, u, sem, try) })
		})
	}
	return nil
}

// awaitCount waits until the operator has set a limit.
func (s *semaphorePart) awaitCount(u *user) bool {
	for u.ctx.Err() == nil && (!s.w.Server.Exists(s.countPath()) || u.cli.Sync(u.ctx, u.own(s.countPath())) != nil) {
		u.pause(u.ctx, u.Timeout/10)
		if u.isCalm() {
			time.Sleep(u.Timeout / 10)
		}
	}
	return u.ctx.Err() == nil
}

// operate sets the limit, and changes it until there is calm. Then it is what it was first, so that everybody can go.
func (s *semaphorePart) operate(u *user, sem *lock.Semaphore) {
	u.during(func() {
		s.set(u, sem, 1+u.r.IntN(3))
		u.pause(u.ctx, u.upTo(2*u.Timeout))
	})
	s.set(u, sem, s.limit)
}

// set changes the limit. While it is being changed both may hold.
func (s *semaphorePart) set(u *user, sem *lock.Semaphore, limit int) {
	s.mu.Lock()
	s.limits = append(s.limits, limitSet{from: s.w.Now(), limit: limit})
	last := len(s.limits) - 1
	s.mu.Unlock()
	if err := sem.SetLimit(u.ctx, limit); err != nil {
		if u.isCalm() {
			u.say("limit: %w", err)
		}
		return // it may still be applied
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range last {
		if s.limits[i].until == 0 {
			s.limits[i].until = s.w.Now()
		}
	}
}

// most is the largest limit that may have been read since a moment. A member that lags behind shows what was set before.
func (s *semaphorePart) most(since time.Duration) int {
	if s.Members {
		since -= s.Timeout
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	most := 0
	for _, l := range s.limits {
		if l.until == 0 || l.until >= since {
			most = max(most, l.limit)
		}
	}
	return most
}

func (s *semaphorePart) acquire(ctx context.Context, u *user, sem *lock.Semaphore, try bool) (*grip, error) {
	asked := s.w.Now()
	get := sem.Acquire
	if try {
		get = sem.TryAcquire
	}
	n := 1
	if s.limit > 1 && u.may("several permits", 2) {
		n = 2 + u.r.IntN(s.limit-1)
	}
	b, err := get(ctx, n)
	if err != nil {
		return nil, err
	}
	g := bundle(b, s.dirs[0])
	g.permits, g.limit = len(g.tokens), s.most(asked)
	return g, nil
}

// bundle is a Bundle as a grip. Its nodes are in one directory, or in one each.
func bundle(b *lock.Bundle, dirs ...string) *grip {
	g := &grip{
		ctx: b.Context(), tokens: b.Tokens(), paths: b.Paths(), dirs: slices.Clone(dirs),
		set: func(ctx context.Context, path string, data []byte) error {
			_, err := b.Set(ctx, path, data, framework.AnyVersion)
			return err
		},
		release: b.Unlock, revoked: b.Revoked(),
	}
	for len(g.dirs) < len(g.tokens) {
		g.dirs = append(g.dirs, dirs[0])
	}
	return g
}
