package lock_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
)

func TestRealSemaphore(t *testing.T) {
	space := realzk.Shared(t)
	const clients, rounds, limit = 5, 10, 3
	var held atomic.Int32
	var all sync.WaitGroup
	for i := range clients {
		s, n := lock.NewSemaphore(realClient(t, space.ConnectString()), pool, limit), 1+i%2
		all.Go(func() {
			for range rounds {
				b, err := s.Acquire(within(t), n)
				if !assert.NoError(t, err) {
					return
				}
				assert.LessOrEqual(t, held.Add(int32(n)), int32(limit))
				held.Add(-int32(n))
				assert.NoError(t, b.Unlock(within(t)))
			}
		})
	}
	all.Wait()
	cli := realClient(t, space.ConnectString())
	for _, dir := range []string{leases, turns} {
		names, _, err := cli.Children(within(t), dir)
		require.NoError(t, err)
		assert.Empty(t, names, dir)
	}
}

func TestRealSharedLimit(t *testing.T) {
	space := realzk.Shared(t)
	s := lock.NewSharedSemaphore(realClient(t, space.ConnectString()), pool, poolLimit)
	require.NoError(t, s.SetLimit(within(t), 1))
	one, err := s.Acquire(within(t), 1)
	require.NoError(t, err)
	waiting := make(chan taken, 1)
	go func() {
		held, err := s.Acquire(within(t), 2)
		waiting <- taken{held, err, time.Now()}
	}()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for list, err := s.Contenders(within(t)); len(list) < 3; list, err = s.Contenders(within(t)) {
		require.NoError(t, err)
		<-poll.C
	}
	assert.Empty(t, waiting)
	require.NoError(t, s.SetLimit(within(t), 3))
	giveBack(t, took(t, waiting), one)
}
