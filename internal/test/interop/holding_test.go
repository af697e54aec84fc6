package interop

import (
	"context"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// somebody takes something and gives it back, in any language.
type somebody interface {
	take() *call // beside the test
	giveBack()
}

// docentLock is somebody who uses docent.
type docentLock struct {
	t    testing.TB
	lock acquire
	held lock.Holding
}

func (d *docentLock) take() *call {
	ctx := within(d.t)
	return beside("docent locks", func() (err error) {
		d.held, err = d.lock(ctx)
		return err
	})
}

func (d *docentLock) giveBack() {
	d.t.Helper()
	assert.NoError(d.t, context.Cause(d.held.Context()))
	require.NoError(d.t, d.held.Unlock(within(d.t)))
}

// peerLock is somebody who uses another language.
type peerLock struct {
	*party
	kind, path string
}

func (p *peerLock) take() *call { return p.begin("lock.acquire", p.kind, p.path) }

func (p *peerLock) giveBack() {
	p.t.Helper()
	p.do("lock.release")
}

// holding turns a function of docent that returns a concrete type into one of docentLock.
func holding[H lock.Holding](f func(ctx context.Context) (H, error)) acquire {
	return func(ctx context.Context) (lock.Holding, error) {
		h, err := f(ctx)
		return h, err
	}
}

// permits is a function of docentLock that takes n permits of a semaphore.
func permits(s *lock.Semaphore, n int) acquire {
	return holding(func(ctx context.Context) (*lock.Bundle, error) { return s.Acquire(ctx, n) })
}

// acquire takes something of docent's.
type acquire func(ctx context.Context) (lock.Holding, error)

// taker is a lock of docent on a path, as the function that takes it.
type taker func(cli *framework.Client, path string) acquire

// exclusion is a pair of locks on a path that exclude each other.
type exclusion struct {
	ours   taker
	theirs func(w *world, path string) somebody
	queue  string // the directory below the path in which a waiter is seen
	nodes  int    // the children in it when one holds and one waits
}

// curatorLock is a lock of Curator's, by its kind.
func curatorLock(kind string) func(*world, string) somebody {
	return func(w *world, path string) somebody { return &peerLock{w.curator(), kind, path} }
}

// kazooLock is a lock of kazoo's, by its kind.
func kazooLock(kind string) func(*world, string) somebody {
	return func(w *world, path string) somebody { return &peerLock{w.kazoo(), kind, path} }
}

// zkLock is go-zookeeper's lock.
type zkLock struct {
	t testing.TB
	*zk.Lock
}

func zkLockAt(w *world, path string) somebody {
	conn, root := w.zkConn()
	return &zkLock{w.t, zk.NewLock(conn, root+path, zk.WorldACL(zk.PermAll))}
}

func (l *zkLock) take() *call { return beside("zk.Lock locks", l.Lock.Lock) }

func (l *zkLock) giveBack() {
	l.t.Helper()
	require.NoError(l.t, l.Unlock())
}

// waitsForEachOther has one of two take a lock, and the other one wait for it; both ways.
func waitsForEachOther(t *testing.T, w *world, path string, e exclusion) {
	ours, theirs := &docentLock{t: t, lock: e.ours(w.client(), path)}, e.theirs(w, path)
	for name, turn := range map[string][2]somebody{"docent waits": {theirs, ours}, "docent holds": {ours, theirs}} {
		first, second := turn[0], turn[1]
		first.take().wait(t)
		waiting := second.take()
		w.untilThereAre(path+e.queue, e.nodes)
		waiting.goesOn(t)
		first.giveBack()
		_, err := waiting.result()
		require.NoError(t, err, name)
		second.giveBack()
	}
	w.untilThereAre(path+e.queue, 0)
}
