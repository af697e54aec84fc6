package sim

import (
	"context"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// handoverPart is one lock whose users on one client share a place in the queue. Some clients and users do without.
type handoverPart struct{ contest }

func drawHandover(b *base) part {
	return &handoverPart{contest{base: b, tries: true, dirs: []string{b.path}}}
}

func (m *handoverPart) join(client int, cli *framework.Client) error {
	m.withRevoker(client, cli, func(u *user) []revocable { return []revocable{lock.New(cli, u.own(m.path))} })
	first := m.newUser(client, cli, "worker 0")
	opts := first.lockOptions(true)
	plain := lock.New(cli, first.own(m.path), opts...)
	passed := lock.New(cli, first.own(m.path), append(opts, lock.LocalHandover(first.r.IntN(5)))...)
	without := first.may("without LocalHandover", 4)
	users := []*user{first}
	for i := range 1 + m.r.IntN(2) {
		users = append(users, m.newUser(client, cli, fmt.Sprint("worker ", 1+i)))
	}
	for _, u := range users {
		u.limited, u.stops = first.limited, first.stops
		mutex, turn := passed, true
		if without || u.may("without LocalHandover", 4) {
			mutex, turn = plain, false
		}
		m.users.Go(func() { m.contend(u, m.taker(mutex, turn)) })
	}
	return nil
}

// taker acquires a mutex. Its turns are those of a node if turn is true.
func (m *handoverPart) taker(mutex *lock.Mutex, turn bool) take {
	return func(ctx context.Context, try bool) (*grip, error) {
		lockIt := mutex.Lock
		if try {
			lockIt = mutex.TryLock
		}
		h, err := lockIt(ctx)
		if err != nil {
			return nil, err
		}
		g := held(h, m.path)
		g.turn = turn
		return g, nil
	}
}
