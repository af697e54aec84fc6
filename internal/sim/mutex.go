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
	return &mutexPart{contest{base: b, dirs: []string{b.path}}}
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
		if oneIn(m.r, 3) {
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
	add := func(name string, opt lock.Option) {
		u.plays(name)
		opts = append(opts, opt)
	}
	switch u.r.IntN(3) {
	case 0:
		add("Hold", lock.Hold(0))
	case 1:
		add("Hold with grace", lock.Hold(u.Timeout/time.Duration(1+u.r.IntN(8))))
	}
	if shared && oneIn(u.r, 3) {
		add("Shared", lock.Shared())
	}
	if oneIn(u.r, 8) {
		add("OnRevoke", lock.OnRevoke(func(h lock.Holding) { _ = h.Unlock(u.ctx) }))
	}
	if oneIn(u.r, 8) {
		add("WithData", lock.WithData([]byte(u.name)))
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
	d.plays("Do")
	d.during(func() { d.once(false) })
	d.once(true)
}

// once calls Do and compares its result with what the server knows.
func (d *doing) once(last bool) {
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
}

// compare judges what Do has returned.
func (d *doing) compare(ctx context.Context, g *grip, result, err error) {
	switch {
	case g == nil:
		if ctx.Err() == nil {
			d.say("Do: %w", err)
		}
	case result != nil && !errors.Is(err, result):
		d.say("Do has lost what its function returned: %w", err)
	case !errors.Is(err, lock.ErrLost) && !errors.Is(err, framework.ErrReleasing):
		d.contest.mustBeReleased(d.user, g, 0)
	}
}
