package main

import (
	"context"
	"strconv"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

func locker(m *lock.Mutex) kit.Locker {
	return func(ctx context.Context) (func(context.Context) error, error) {
		held, err := m.Lock(ctx)
		if err != nil {
			return nil, err
		}
		return held.Unlock, nil
	}
}

// lockers shares out one lock: n callers in so many clients. Those of one client have one Mutex, as in a program.
func lockers(all []*framework.Client, path string, n int, opts ...lock.Option) []kit.Locker {
	var mutexes []*lock.Mutex
	for _, cli := range all {
		mutexes = append(mutexes, lock.New(cli, path, opts...))
	}
	var lockers []kit.Locker
	for i := range n {
		lockers = append(lockers, locker(mutexes[i%len(mutexes)]))
	}
	return lockers
}

func openLocks(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, args.Int("clients", 1))
	if err != nil {
		return nil, err
	}
	var opts []lock.Option
	if n := args.Int("handover", 0); n > 0 {
		opts = append(opts, lock.LocalHandover(n))
	}
	return &kit.Locks{Lockers: lockers(all, args["path"], args.Int("callers", 1), opts...), Done: done}, nil
}

func openWaiters(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, args.Int("clients", 1))
	if err != nil {
		return nil, err
	}
	path := args["path"]
	queued := func(ctx context.Context) (int, error) { return count(ctx, all[0], path) }
	return kit.Waiters(lockers(all, path, 1+args.Int("n", 1)), queued, done), nil
}

// candidate uses Campaign and Resign of an election.
type candidate struct {
	election *leader.Election
	term     *leader.Term
}

// Campaign implements kit.Candidate.
func (c *candidate) Campaign(ctx context.Context) (err error) {
	c.term, err = c.election.Campaign(ctx)
	return err
}

// Resign implements kit.Candidate.
func (c *candidate) Resign(ctx context.Context) error { return c.term.Resign(ctx) }

func openElection(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 3)
	if err != nil {
		return nil, err
	}
	path := args["path"]
	e := &kit.Election{Done: done, Queued: func(ctx context.Context) (int, error) { return count(ctx, all[2], path) }}
	for i := range e.Candidates {
		e.Candidates[i] = &candidate{election: leader.New(all[i], path)}
	}
	return e, nil
}

func openIdle(_ context.Context, args line.Args) (kit.Workload, error) {
	open := func(ctx context.Context) func() (*framework.Client, error) { return connector(ctx, args) }
	return kit.Idle(open, (*framework.Client).Close), nil
}

// openClients connects n clients, each of which takes a lock of its own once.
func openClients(_ context.Context, args line.Args) (kit.Workload, error) {
	return kit.Work{Do: func(ctx context.Context, _ time.Duration, more line.Args) (line.Answer, error) {
		use := kit.NewUse()
		var done func() error
		answer, err := kit.Once(func() error {
			all, closeAll, err := clients(ctx, args, more.Int("n", 1))
			if err != nil {
				return err
			}
			done = closeAll
			_, err = kit.Repeat(ctx, 0, len(all), func(ctx context.Context, i int) error {
				return lock.Do(ctx, lock.New(all[i], args["path"]+"/"+strconv.Itoa(i)), func(context.Context, *lock.Held) error { return nil })
			})
			return err
		})
		if done == nil {
			return answer, err
		}
		answer.Values = use.Since()
		if closeErr := done(); err == nil {
			err = closeErr
		}
		return answer, err
	}}, nil
}
