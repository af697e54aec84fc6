package lock_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
)

// realWay calls a way to lock beside the test and returns when there are n nodes in the queue of m.
func realWay(t *testing.T, way locker, m *lock.RWMutex, n int) <-chan result {
	t.Helper()
	c := make(chan result, 1)
	go func() {
		held, err := way(within(t))
		c <- result{held, err, time.Now()}
	}()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for ctx := within(t); ; {
		list, err := m.Contenders(ctx)
		require.NoError(t, err)
		if len(list) == n {
			return c
		}
		<-poll.C
	}
}

func TestRealReadWriteLock(t *testing.T) {
	space := realzk.Shared(t)
	a, b := lock.NewRW(realClient(t, space.ConnectString()), path), lock.NewRW(realClient(t, space.ConnectString()), path)
	one, two := locker(a.RLock).granted(t), locker(b.RLock).granted(t)
	writer := realWay(t, a.Lock, b, 3)
	late := realWay(t, b.RLock, b, 4)
	_, err := b.TryRLock(within(t))
	assert.ErrorIs(t, err, lock.ErrLocked)
	unlock(t, one, two)
	writing := passed(t, writer)
	assert.Empty(t, late, "the writer came first")

	other := realWay(t, b.Lock, b, 3)
	reading, err := writing.Downgrade(within(t))
	require.NoError(t, err)
	shared := passed(t, late)
	assert.Empty(t, other, "the writer waits for both")
	assert.Less(t, reading.Token(), shared.Token())
	assert.NoError(t, reading.Context().Err())
	unlock(t, reading, shared)
	unlock(t, passed(t, other))
}

func TestRealKilledWriterLetsReadersIn(t *testing.T) {
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString())
	m := lock.NewRW(realClient(t, space.ConnectString()), path)
	writing := locker(lock.NewRW(cli, path).Lock).granted(t)
	one, two := realWay(t, m.RLock, m, 2), realWay(t, m.RLock, m, 3)
	session, err := cli.Session(within(t))
	require.NoError(t, err)
	require.NoError(t, space.ExpireSession(within(t), session.ID()))
	unlock(t, passed(t, one), passed(t, two))
	<-writing.Context().Done()
}
