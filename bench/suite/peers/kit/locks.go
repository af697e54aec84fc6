package kit

import (
	"context"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
)

// Locker takes a lock and returns what gives it back.
type Locker func(ctx context.Context) (unlock func(ctx context.Context) error, err error)

// Locks is a workload in which each locker, all of which want the same lock, takes it and gives it back again and again.
type Locks struct {
	Lockers []Locker
	Done    func() error // closes the clients
	held    Exclusive
}

// Run implements Workload. One operation is a lock and its unlock. It fails if two held the lock at the same time.
func (l *Locks) Run(ctx context.Context, d time.Duration, args line.Args) (line.Answer, error) {
	answer, err := Paced(ctx, d, args.Duration("pause"), len(l.Lockers), func(ctx context.Context, caller int) error {
		unlock, err := l.Lockers[caller](ctx)
		if err != nil {
			return err
		}
		if err := l.held.Enter(); err != nil {
			return err
		}
		if err := l.held.Leave(); err != nil {
			return err
		}
		return unlock(ctx)
	})
	if err != nil {
		return answer, err
	}
	return answer, l.held.Verify()
}

// Close implements Workload.
func (l *Locks) Close() error { return l.Done() }
