package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
)

// openKept keeps n nodes. Runs say what the benchmark needs to know; what is measured is seen on the server.
func openKept(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 1)
	if err != nil {
		return nil, err
	}
	use := kit.NewUse()
	_, err = kit.Repeat(ctx, 0, 64, func(ctx context.Context, first int) error {
		for i := first; i < args.Int("n", 0); i += 64 {
			if _, err := node.Keep(ctx, all[0], args["path"]+"/kept-"+strconv.Itoa(i), kit.Payload(0)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, done())
	}
	values := use.Since()
	return kit.Work{Done: done, Do: func(context.Context, time.Duration, line.Args) (line.Answer, error) {
		return line.Answer{
			CPUUS:  kit.Micro(kit.CPU()),
			Values: values,
			Text:   map[string]string{"session": strconv.FormatInt(all[0].State().SessionID, 10)},
		}, nil
	}}, nil
}

// service opens a view of the service that the arguments name, which has n instances.
func service(ctx context.Context, args line.Args) (*discovery.Service[any], *framework.Client, func() error, error) {
	all, done, err := clients(ctx, args, 1)
	if err != nil {
		return nil, nil, nil, err
	}
	svc, err := discovery.New[any](all[0], args["path"]).Open(ctx, args["service"])
	if err != nil {
		return nil, nil, nil, errors.Join(err, done())
	}
	closeBoth := func() error { return errors.Join(svc.Close(), done()) }
	seen := 0
	for range svc.Available() {
		seen++
	}
	if n := args.Int("n", 0); seen != n {
		return nil, nil, nil, errors.Join(fmt.Errorf("the service has %d of %d instances", seen, n), closeBoth())
	}
	return svc, all[0], closeBoth, nil
}

// openPick picks instances in turn.
func openPick(ctx context.Context, args line.Args) (kit.Workload, error) {
	svc, _, done, err := service(ctx, args)
	if err != nil {
		return nil, err
	}
	pick := func(picks int, seen map[string]int) error {
		for range picks {
			e, err := svc.Pick()
			if err != nil {
				return err
			}
			if seen != nil {
				seen[e.ID]++
			}
			e.Done(nil)
		}
		return nil
	}
	return kit.Picks(args.Int("n", 0), pick, done), nil
}

// openInstances changes one of n instances at a time and waits until the view has the change.
func openInstances(ctx context.Context, args line.Args) (kit.Workload, error) {
	svc, cli, done, err := service(ctx, args)
	if err != nil {
		return nil, err
	}
	changes := svc.Changes(context.Background())
	<-changes // the present instances
	port := 2000
	return kit.Work{Done: done, Do: func(ctx context.Context, _ time.Duration, more line.Args) (line.Answer, error) {
		n := more.Int("changes", 10)
		answer, err := kit.Once(func() error {
			for range n {
				port++
				if err := change(ctx, cli, args, port); err != nil {
					return err
				}
				if c := <-changes; len(c.Updated) != 1 || c.Updated[0].Port != port {
					return fmt.Errorf("%d instances have changed", len(c.Updated))
				}
			}
			return nil
		})
		answer.Ops = n
		return answer, err
	}}, nil
}

// change gives an instance another port.
func change(ctx context.Context, cli *framework.Client, args line.Args, port int) error {
	id := strconv.Itoa(port % args.Int("n", 1))
	_, err := cli.Set(ctx, args["path"]+"/"+args["service"]+"/"+id, kit.Instance(args["service"], id, port), framework.AnyVersion)
	return err
}
