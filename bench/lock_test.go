package bench

import (
	"context"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/lock"
)

func BenchmarkLock(b *testing.B) {
	onEach(b, func(b *testing.B, p place) { lockFree(b, p).run(b) })
}

func BenchmarkHandOver(b *testing.B) {
	onEach(b, func(b *testing.B, p place) { handOver(b, p).run(b) })
}

// holder is a lock of either kind, and who waits for it.
type holder interface {
	lock(ctx context.Context) error
	unlock(ctx context.Context) error
	queued(ctx context.Context) (int, error)
}

type docentLock struct {
	mutex *lock.Mutex
	held  *lock.Held
}

func (l *docentLock) lock(ctx context.Context) (err error) {
	l.held, err = l.mutex.Lock(ctx)
	return err
}

func (l *docentLock) unlock(ctx context.Context) error { return l.held.Unlock(ctx) }

func (l *docentLock) queued(ctx context.Context) (int, error) {
	contenders, err := l.mutex.Contenders(ctx)
	return len(contenders), err
}

type bareLock struct {
	*zk.Lock
	conn *zk.Conn
	path string
}

func (l *bareLock) lock(context.Context) error   { return l.Lock.Lock() }
func (l *bareLock) unlock(context.Context) error { return l.Unlock() }

func (l *bareLock) queued(context.Context) (int, error) {
	names, _, err := l.conn.Children(l.path)
	return len(names), err
}

func newDocentLock(tb testing.TB, p place) holder {
	return &docentLock{mutex: lock.New(p.docent(tb), "/docent-lock")}
}

func newBareLock(tb testing.TB, p place) holder {
	conn, path := p.bare(tb), p.root+"/bare-lock"
	return &bareLock{zk.NewLock(conn, path, zk.WorldACL(zk.PermAll)), conn, path}
}

// lockFree locks and unlocks a lock that nobody else wants.
func lockFree(tb testing.TB, p place) contest {
	cycle := func(l holder) side {
		return repeat(func() error {
			if err := l.lock(tb.Context()); err != nil {
				return err
			}
			return l.unlock(tb.Context())
		})
	}
	return contest{docent: cycle(newDocentLock(tb, p)), bare: cycle(newBareLock(tb, p))}
}

// handOver passes a lock to and fro between two processes.
func handOver(tb testing.TB, p place) contest {
	return contest{
		docent: passing(tb, newDocentLock(tb, p), newDocentLock(tb, p)),
		bare:   passing(tb, newBareLock(tb, p), newBareLock(tb, p)),
	}
}

// passing counts the time from unlock until the one who waits has the lock.
func passing(tb testing.TB, a, b holder) side {
	ctx := within(tb)
	return func(n int) (total time.Duration, err error) {
		if err := a.lock(ctx); err != nil {
			return 0, err
		}
		for range n {
			took, err := passOn(ctx, a, b)
			if err != nil {
				return 0, err
			}
			total += took
			a, b = b, a
		}
		return total, a.unlock(ctx)
	}
}

// passOn gives the lock from the one who holds it to the other one.
func passOn(ctx context.Context, from, to holder) (time.Duration, error) {
	type result struct {
		at  time.Time
		err error
	}
	got := make(chan result, 1)
	go func() {
		err := to.lock(ctx)
		got <- result{time.Now(), err}
	}()
	if err := waitFor(ctx, func() (bool, error) {
		n, err := from.queued(ctx)
		return n == 2, err
	}); err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := from.unlock(ctx); err != nil {
		return 0, err
	}
	r := <-got
	return r.at.Sub(begin), r.err
}

// waitFor polls until the condition holds, and then once more, so that who has
// just queued has had the time to watch.
func waitFor(ctx context.Context, holds func() (bool, error)) error {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for {
		done, err := holds()
		if err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if done {
			return nil
		}
	}
}
