package sim

import (
	"context"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// handoverPart is one lock whose users on one client share a place in the queue.
type handoverPart struct{ contest }

func drawHandover(b *base) part {
	return &handoverPart{contest{base: b, tries: true, dirs: []string{b.path}, turns: true}}
}

func (m *handoverPart) join(client int, cli *framework.Client) error {
	m.withRevoker(client, cli, func(u *user) []revocable { return []revocable{lock.New(cli, u.own(m.path))} })
	first := m.newUser(client, cli, "worker 0")
	opts := append(first.lockOptions(true), lock.LocalHandover(first.r.IntN(5)))
	mutex := lock.New(cli, first.own(m.path), opts...)
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
	users := []*user{first}
	for i := range 1 + m.r.IntN(2) {
		users = append(users, m.newUser(client, cli, fmt.Sprint("worker ", 1+i)))
	}
	for _, u := range users {
		u.limited, u.stops = first.limited, first.stops
		m.users.Go(func() { m.contend(u, get) })
	}
	return nil
}
