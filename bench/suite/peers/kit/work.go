package kit

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
)

// Work is a workload made of functions.
type Work struct {
	Do   func(ctx context.Context, d time.Duration, args line.Args) (line.Answer, error)
	Done func() error
}

// Run implements Workload.
func (w Work) Run(ctx context.Context, d time.Duration, args line.Args) (line.Answer, error) {
	return w.Do(ctx, d, args)
}

// Close implements Workload.
func (w Work) Close() error {
	if w.Done == nil {
		return nil
	}
	return w.Done()
}

// Open makes n of something. If one fails, those before it are closed.
func Open[T any](n int, open func() (T, error), closeOne func(T) error) (all []T, done func() error, err error) {
	done = func() error {
		var errs []error
		for _, one := range all {
			errs = append(errs, closeOne(one))
		}
		return errors.Join(errs...)
	}
	for range n {
		one, err := open()
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		all = append(all, one)
	}
	return all, done, nil
}

// Idle is a workload that opens n clients, measures what each takes while it does nothing, and closes them.
func Idle[T any](opener func(ctx context.Context) func() (T, error), closeOne func(T) error) Workload {
	return Work{Do: func(ctx context.Context, _ time.Duration, args line.Args) (line.Answer, error) {
		n := args.Int("n", 50)
		use := NewUse()
		all, done, err := Open(n, opener(ctx), closeOne)
		if err != nil {
			return line.Answer{}, err
		}
		values := use.Since()
		for key := range values {
			values[key] /= float64(len(all))
		}
		return line.Answer{Ops: 1, Values: values}, done()
	}}
}

// Waiters is a workload in which n callers join the queue of a lock that is held, and then all get their turn. The lockers
// are shared out among the callers, one for each.
func Waiters(lockers []Locker, queued func(ctx context.Context) (int, error), done func() error) Workload {
	var held Exclusive
	return Work{Done: done, Do: func(ctx context.Context, _ time.Duration, args line.Args) (line.Answer, error) {
		use := NewUse()
		cpu, begin := CPU(), time.Now()
		unlock, err := lockers[0](ctx)
		if err != nil {
			return line.Answer{}, err
		}
		ended := make(chan error, 1)
		n := args.Int("n", len(lockers)-1)
		go func() {
			_, err := Repeat(ctx, 0, n, func(ctx context.Context, caller int) error { return pass(ctx, lockers[1+caller], &held) })
			ended <- err
		}()
		err = Until(ctx, func() (bool, error) {
			select {
			case err := <-ended:
				return false, errors.Join(errors.New("the waiters did not wait"), err)
			default:
			}
			in, err := queued(ctx)
			return in >= n+1, err
		})
		if err != nil {
			return line.Answer{}, err
		}
		join, joinCPU := time.Since(begin), CPU()-cpu
		values := use.Since() // takes time of its own
		cpu, begin = CPU(), time.Now()
		if err := unlock(ctx); err != nil {
			return line.Answer{}, err
		}
		if err := <-ended; err != nil {
			return line.Answer{}, err
		}
		pass := time.Since(begin)
		maps.Copy(values, map[string]float64{"join_us": Micro(join), "pass_us": Micro(pass)})
		return line.Answer{Ops: n, ElapsedUS: Micro(join + pass), CPUUS: Micro(joinCPU + CPU() - cpu), Values: values}, held.Verify()
	}}
}

// pass takes a lock once.
func pass(ctx context.Context, l Locker, held *Exclusive) error {
	unlock, err := l(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(held.Enter(), held.Leave()); err != nil {
		return err
	}
	return unlock(ctx)
}
