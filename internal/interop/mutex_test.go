package interop

import (
	"context"
	"testing"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

func ourMutex(cli *framework.Client, path string) func(context.Context) (lock.Holding, error) {
	return holding(lock.New(cli, path).Lock)
}

func ourWriter(cli *framework.Client, path string) func(context.Context) (lock.Holding, error) {
	return holding(lock.NewRW(cli, path).Lock)
}

func ourReader(cli *framework.Client, path string) func(context.Context) (lock.Holding, error) {
	return holding(lock.NewRW(cli, path).RLock)
}

func ourPermits(limit, n int) taker {
	return func(cli *framework.Client, path string) func(context.Context) (lock.Holding, error) {
		return permits(lock.NewSemaphore(cli, path, limit), n)
	}
}

func TestCuratorWaits(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	for name, e := range map[string]exclusion{
		"mutex":            {ours: ourMutex, theirs: "mutex", nodes: 2},
		"writers":          {ours: ourWriter, theirs: "write", nodes: 2},
		"reader of ours":   {ours: ourReader, theirs: "write", nodes: 2},
		"reader of theirs": {ours: ourWriter, theirs: "read", nodes: 2},
		"one permit":       {ours: ourPermits(1, 1), theirs: "semaphore/1/1", queue: "/leases", nodes: 2},
		"semaphore mutex":  {ours: ourPermits(1, 1), theirs: "semaphoremutex", queue: "/leases", nodes: 2},
		"two of three":     {ours: ourPermits(3, 2), theirs: "semaphore/3/2", queue: "/leases", nodes: 4},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			waitsForEachOther(t, w, "/"+t.Name(), e, w.curator())
		})
	}
}
