package lock_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/lock"
)

// A process is started again and again, with another setting each time. It takes the lock twice, by a hand-over if it
// has the option.
func TestLocalHandoverCanBeSwitchedOnAndOff(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := new(turnLog)
		settings := [][]lock.Option{
			{}, {lock.LocalHandover(3)}, {}, {lock.LocalHandover(0)}, {lock.LocalHandover(255)}, {lock.Shared()}, {lock.LocalHandover(3), lock.Shared()}, {},
		}
		for i, opts := range settings {
			name := fmt.Sprint("process ", i)
			cli := w.Connect(name)
			m := lock.New(cli, path, opts...)
			first := locked(t, m)
			l.note(name, first.Token())
			waiting := start(t.Context(), m)
			time.Sleep(time.Second)
			require.NoError(t, first.Unlock(t.Context()))
			second := <-waiting
			require.NoError(t, second.err)
			l.note(name, second.held.Token())
			require.NoError(t, second.held.Unlock(t.Context()))
			both, err := lock.NewMulti(cli, []string{path, "/locks/other"}).Lock(t.Context())
			require.NoError(t, err)
			l.note(name+", several locks", both.Tokens()[0])
			require.NoError(t, both.Unlock(t.Context()))
			require.NoError(t, cli.Close())
		}
		l.grows(t)
	})
}

func TestTokensGrowWhileOnlySomeProcessesUseLocalHandover(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := new(turnLog)
		var crowds []*sync.WaitGroup
		for name, opts := range map[string][]lock.Option{"with": {lock.LocalHandover(3)}, "without": nil, "never": {lock.LocalHandover(0)}} {
			m := lock.New(w.Connect(name), path, opts...)
			crowds = append(crowds, crowd(t, l, name, m, 3, 10, 30*time.Millisecond))
		}
		m := lock.New(w.Connect("asking"), path)
		for range 30 { // somebody asks for it now and then, which ends the turns of a node early
			time.Sleep(70 * time.Millisecond)
			list, err := m.Contenders(t.Context())
			require.NoError(t, err)
			if len(list) > 0 {
				assert.NoError(t, m.Revoke(t.Context(), list[0]))
			}
		}
		for _, all := range crowds {
			all.Wait()
		}
		l.grows(t)
	})
}

// A contender's token is the one that its first holder gets.
func TestTokenOfAContenderIsThatOfItsHolder(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for _, m := range []*lock.Mutex{lock.New(cli, path), lock.New(cli, path, lock.LocalHandover(3))} {
			held := locked(t, m)
			list, err := m.Contenders(t.Context())
			require.NoError(t, err)
			assert.Equal(t, held.Token(), list[0].Token)
			require.NoError(t, held.Unlock(t.Context()))
		}
	})
}
