package sim

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// revocable is what can be asked for: a Mutex, an RWMutex, a Semaphore.
type revocable interface {
	Contenders(ctx context.Context) ([]lock.Contender, error)
	Revoke(ctx context.Context, c lock.Contender) error
}

// withRevoker draws whether there is somebody, on the first client, who asks whoever holds to let go.
func (c *contest) withRevoker(client int, cli *framework.Client, open func(u *user) []revocable) {
	if client == 0 && (oneIn(c.r, 2) || c.wants("Revoke") || c.wants("held until revoked")) {
		c.revoker = true
		u := c.newUser(client, cli, "revoker")
		c.users.Go(func() { c.askAgain(u, open(u)) })
	}
}

// askAgain asks whoever holds to let go, now and then, until the play is over. In the calm time, in which each user is to have its turn, it asks
// everybody everywhere: the first in a semaphore's pool may wait for one behind it that holds until it is asked.
func (c *contest) askAgain(u *user, all []revocable) {
	c.plays("Revoke")
	for u.ctx.Err() == nil {
		calm, one := u.isCalm(), u.r.IntN(len(all))
		for i, m := range all {
			if !calm && i != one {
				continue
			}
			if err := ask(u.ctx, m, calm); err != nil && u.ctx.Err() == nil && calm && !errors.Is(err, framework.ErrNotReadOnly) {
				u.say("revoke: %w", err)
			}
		}
		t := time.NewTimer(u.Timeout/4 + u.upTo(u.Timeout))
		select {
		case <-t.C:
		case <-u.ctx.Done():
			t.Stop()
		}
	}
}

// ask asks the first one, or everybody, to let go.
func ask(ctx context.Context, m revocable, everybody bool) error {
	list, err := m.Contenders(ctx)
	if !everybody {
		list = list[:min(1, len(list))]
	}
	for _, c := range list {
		if err == nil {
			err = m.Revoke(ctx, c)
		}
	}
	return err
}

// untilRevoked holds until the revoker asks for the lock. The holder must learn of that within a few session timeouts, unless it
// loses the lock first.
func (c *contest) untilRevoked(u *user, g *grip) {
	look := time.NewTicker(u.Timeout / 4)
	defer look.Stop()
	for {
		select {
		case <-g.revoked:
			return
		case <-g.ctx.Done():
			return
		case <-u.ctx.Done():
			return
		case <-look.C:
		}
		for _, life := range c.now(g) {
			if life.Asked > 0 && !life.Dead && c.w.Now()-life.Asked > c.patience()-6*u.Timeout {
				u.say("%s was asked for at %v and was not told", life.Path, life.Asked)
				return
			}
		}
	}
}
