package sim

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// rwPart is one lock for readers and writers.
type rwPart struct{ contest }

func drawReadersWriters(b *base) part {
	return &rwPart{contest{base: b, tries: true, dirs: []string{b.path}}}
}

func (m *rwPart) join(client int, cli *framework.Client) error {
	m.withRevoker(client, cli, func(u *user) []revocable { return []revocable{lock.NewRW(cli, u.own(m.path))} })
	for i := range 2 + m.r.IntN(2) {
		u := m.newUser(client, cli, fmt.Sprint("worker ", i))
		rw := &rwUser{user: u, contest: &m.contest, mutex: lock.NewRW(cli, u.own(m.path), u.lockOptions(true)...)}
		if u.may("Do", 4) {
			d := &doing{contest: &m.contest, user: u, locker: rw.mutex.RLocker(), reads: true}
			m.users.Go(d.work)
			continue
		}
		m.users.Go(func() { m.contend(u, rw.take) })
	}
	return nil
}

// rwUser reads or writes, or begins as a writer and goes on as a reader.
type rwUser struct {
	*user
	contest *contest
	mutex   *lock.RWMutex
}

func (u *rwUser) take(ctx context.Context, try bool) (*grip, error) {
	write, read := u.mutex.Lock, u.mutex.RLock
	if try {
		write, read = u.mutex.TryLock, u.mutex.TryRLock
	}
	if oneIn(u.r, 2) {
		h, err := read(ctx)
		if err != nil {
			return nil, err
		}
		g := held(h, u.path)
		g.reads = true
		return g, nil
	}
	h, err := write(ctx)
	if err != nil {
		return nil, err
	}
	if u.may("Downgrade", 3) {
		return u.downgrade(ctx, h)
	}
	return held(h, u.path), nil
}

// downgrade turns a write lock into a read lock, after having been a writer for a moment.
func (u *rwUser) downgrade(ctx context.Context, h *lock.Held) (*grip, error) {
	writer := held(h, u.path)
	u.contest.begin(u.user, writer)
	reading, err := h.Downgrade(ctx)
	switch {
	case err == nil:
	case errors.Is(err, lock.ErrNotHeld), errors.Is(err, framework.ErrOutcomeUnknown), ctx.Err() != nil, !u.isCalm():
		u.contest.end(u.user, writer, u.ctx)
		return nil, lock.ErrLocked
	default:
		return nil, err
	}
	if h.Context().Err() == nil {
		u.say("downgraded, and the write lock goes on")
	}
	g := held(reading, u.path)
	g.reads, g.goesOn = true, true
	return g, nil
}
