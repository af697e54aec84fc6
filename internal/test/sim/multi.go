package sim

import (
	"context"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// multiPart is three locks. Its users want several at once, in any order, or one.
type multiPart struct{ contest }

func drawMulti(b *base) part {
	return &multiPart{contest{base: b, tries: true, dirs: []string{b.path + "-a", b.path + "-b", b.path + "-c"}}}
}

func (m *multiPart) join(client int, cli *framework.Client) error {
	m.withRevoker(client, cli, func(u *user) (all []revocable) {
		for _, dir := range m.dirs {
			all = append(all, lock.New(cli, u.own(dir)))
		}
		return all
	})
	for i := range 1 + m.r.IntN(2) {
		u := m.newUser(client, cli, fmt.Sprint("worker ", i))
		var dirs, paths []string
		for _, i := range u.r.Perm(len(m.dirs))[:1+u.r.IntN(len(m.dirs))] {
			dirs, paths = append(dirs, m.dirs[i]), append(paths, u.own(m.dirs[i]))
		}
		slices.Sort(dirs) // as they are locked
		locks := lock.NewMulti(cli, paths, u.lockOptions(true)...)
		m.users.Go(func() {
			m.contend(u, func(ctx context.Context, try bool) (*grip, error) {
				get := locks.Lock
				if try {
					get = locks.TryLock
				}
				b, err := get(ctx)
				if err != nil {
					return nil, err
				}
				return bundle(b, dirs...), nil
			})
		})
	}
	return nil
}
