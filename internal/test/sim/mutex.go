package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// mutexPart is one lock. Each user has a Mutex of its own; plain and shared ones exclude each other.
type mutexPart struct{ contest }

func drawMutex(b *base) part {
	return &mutexPart{contest{base: b, tries: true, dirs: []string{b.path}}}
}

func (m *mutexPart) join(client int, cli *framework.Client) error {
	m.withRevoker(client, cli, func(u *user) []revocable { return []revocable{lock.New(cli, u.own(m.path))} })
	for i := range 1 + m.r.IntN(2) {
		u := m.newUser(client, cli, fmt.Sprint("worker ", i))
		mutex := lock.New(cli, u.own(m.path), u.lockOptions(true)...)
		get := func(ctx context.Context, try bool) (*grip, error) {
			lockIt := mutex.Lock
			if try {
				lockIt = mutex.TryLock
			}
			h, err := lockIt(ctx)
			if err != nil {
				return nil, err
			}
			return held(h, m.path), nil
		}
		if u.may("Do", 3) {
			d := &doing{contest: &m.contest, user: u, locker: mutex}
			m.users.Go(d.work)
			continue
		}
		m.users.Go(func() { m.contend(u, get) })
	}
	return nil
}

// lockOptions draws options that every kind of lock takes, and Shared if it fits.
func (u *user) lockOptions(shared bool) []lock.Option {
	var opts []lock.Option
	switch u.oneOf("Hold", "Hold with grace", "") {
	case "Hold":
		opts = append(opts, lock.Hold(0))
	case "Hold with grace":
		opts = append(opts, lock.Hold(u.Timeout/time.Duration(1+u.r.IntN(8))))
	}
	add := func(name string, n int, opt lock.Option) {
		if u.may(name, n) {
			opts = append(opts, opt)
		}
	}
	if shared {
		add("Shared", 3, lock.Shared())
	}
	add("OnRevoke", 8, lock.OnRevoke(func(h lock.Holding) { _ = h.Unlock(u.ctx) }))
	add("WithData", 8, lock.WithData([]byte(u.name)))
	add("WithACL", 8, lock.WithACL(framework.OpenACL()))
	if u.stops = u.may("StopOnLost", 8); u.stops {
		opts = append(opts, lock.StopOnLost())
	}
	if u.limited = u.may("WaitLimit", 8); u.limited {
		opts = append(opts, lock.WaitLimit(u.Timeout/4+u.upTo(4*u.Timeout)))
	}
	return opts
}

// doing calls lock.Do again and again.
type doing struct {
	*user
	contest *contest
	locker  lock.Locker
	reads   bool
}

func (d *doing) work() {
	d.during(func() { d.once(false) })
	for !d.once(true) && d.ctx.Err() == nil {
	}
}

// once calls Do and compares its result with what the server knows. It reports whether the function was called.
func (d *doing) once(last bool) bool {
	ctx, cancel := d.ctx, context.CancelFunc(func() {})
	if !last {
		ctx, cancel = d.bounded()
	}
	defer cancel()
	var g *grip
	result := []error{nil, errors.New("the function's own error")}[d.r.IntN(2)]
	err := lock.Do(ctx, d.locker, func(ctx context.Context, h *lock.Held) error {
		if g != nil {
			d.say("Do has called its function twice")
		}
		g = held(h, d.path)
		g.ctx, g.reads, g.revoked = ctx, d.reads, nil
		d.contest.begin(d.user, g)
		if !last {
			d.contest.hold(d.user, g)
		}
		return result
	})
	d.compare(ctx, g, result, err)
	d.pause(ctx, 10*time.Millisecond+d.upTo(20*time.Millisecond))
	return g != nil || err != nil && !d.mayEnd(err)
}

// compare judges what Do has returned.
func (d *doing) compare(ctx context.Context, g *grip, result, err error) {
	switch {
	case g == nil:
		if ctx.Err() == nil && !d.mayEnd(err) {
			d.say("Do: %w", err)
		}
	case result != nil && !errors.Is(err, result):
		d.say("Do has lost what its function returned: %w", err)
	case !errors.Is(err, lock.ErrLost) && !errors.Is(err, framework.ErrReleasing):
		d.contest.mustBeReleased(d.user, g, 0)
	}
}
