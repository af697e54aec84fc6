package interop

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

func ourMutex(cli *framework.Client, path string) acquire {
	return holding(lock.New(cli, path).Lock)
}

func ourWriter(cli *framework.Client, path string) acquire {
	return holding(lock.NewRW(cli, path).Lock)
}

func ourReader(cli *framework.Client, path string) acquire {
	return holding(lock.NewRW(cli, path).RLock)
}

func ourPermits(limit, n int) taker {
	return func(cli *framework.Client, path string) acquire {
		return permits(lock.NewSemaphore(cli, path, limit), n)
	}
}

// One waits for the other, in both orders.
func TestCuratorWaits(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	for name, e := range map[string]exclusion{
		"mutex":            {ours: ourMutex, theirs: curatorLock("mutex"), nodes: 2},
		"writers":          {ours: ourWriter, theirs: curatorLock("write"), nodes: 2},
		"reader of ours":   {ours: ourReader, theirs: curatorLock("write"), nodes: 2},
		"reader of theirs": {ours: ourWriter, theirs: curatorLock("read"), nodes: 2},
		"one permit":       {ours: ourPermits(1, 1), theirs: curatorLock("semaphore/1/1"), queue: "/leases", nodes: 2},
		"semaphore mutex":  {ours: ourPermits(1, 1), theirs: curatorLock("semaphoremutex"), queue: "/leases", nodes: 2},
		"two of three":     {ours: ourPermits(3, 2), theirs: curatorLock("semaphore/3/2"), queue: "/leases", nodes: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waitsForEachOther(t, w.in(t), "/"+t.Name(), e)
		})
	}
}

// A limit that is shared: whoever raises it, the other one's waiter goes on.
func TestCuratorSharesTheLimit(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/semaphore"
	other, setter, cli, ctx := w.curator(), w.curator(), w.client(), within(t)
	s := lock.NewSharedSemaphore(cli, path, "/limit")
	require.NoError(t, s.SetLimit(ctx, 1))
	assert.Equal(t, "1", setter.says("count.get", "shared", "/limit"))
	theirs := &peerLock{other, "sharedsemaphore/:limit/1", path}
	ours := &docentLock{t: t, lock: permits(s, 1)}

	theirs.take().wait(t)
	waiting := ours.take()
	w.untilThereAre(path+"/leases", 2)
	waiting.goesOn(t)
	setter.do("count.set", "shared", "/limit", 2)
	waiting.wait(t)
	theirs.giveBack()

	require.NoError(t, s.SetLimit(ctx, 1))
	waiting = theirs.take()
	w.untilThereAre(path+"/leases", 2)
	waiting.goesOn(t)
	require.NoError(t, s.SetLimit(ctx, 2))
	waiting.wait(t)
	theirs.giveBack()
	ours.giveBack()
}
