package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// openLoad opens a cache of a tree until it is complete, and closes it, each time with a client of its own.
func openLoad(_ context.Context, args line.Args) (kit.Workload, error) {
	var opts []cache.TreeOption
	if args["watches"] == "oneshot" {
		opts = append(opts, cache.OneShot())
	}
	return kit.Work{Do: func(ctx context.Context, _ time.Duration, _ line.Args) (line.Answer, error) {
		all, done, err := clients(ctx, args, 1)
		if err != nil {
			return line.Answer{}, err
		}
		answer, err := load(ctx, all[0], args, opts)
		return answer, errors.Join(err, done())
	}}, nil
}

func load(ctx context.Context, cli *framework.Client, args line.Args, opts []cache.TreeOption) (line.Answer, error) {
	use := kit.NewUse()
	var tree *cache.Tree
	answer, err := kit.Once(func() (err error) {
		tree, err = cache.Open(ctx, cli, args["path"], opts...)
		return err
	})
	if err != nil {
		return answer, err
	}
	answer.Values = use.Since()
	if n := args.Int("nodes", 0); tree.Len() != n {
		err = fmt.Errorf("the cache has %d of %d nodes", tree.Len(), n)
	}
	return answer, errors.Join(err, tree.Close())
}

// openFollow opens a cache and waits, in each run, for the nodes of a round.
func openFollow(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 1)
	if err != nil {
		return nil, err
	}
	tree, err := cache.Open(ctx, all[0], args["path"])
	if err != nil {
		return nil, errors.Join(err, done())
	}
	rounds, events := kit.NewRounds(), tree.Events(context.Background())
	go func() {
		for e := range events {
			if e.Type == cache.Added || e.Type == cache.Changed {
				rounds.Saw(e.New.Data)
			}
		}
	}()
	return kit.Work{
		Do: func(ctx context.Context, _ time.Duration, args line.Args) (line.Answer, error) {
			return kit.Once(func() error { return rounds.Await(ctx, args.Int("round", 0), args.Int("n", 0)) })
		},
		Done: func() error { return errors.Join(tree.Close(), done()) },
	}, nil
}

// openWatches watches n nodes that do not exist.
func openWatches(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 1)
	if err != nil {
		return nil, err
	}
	return kit.Work{Done: done, Do: func(ctx context.Context, _ time.Duration, more line.Args) (line.Answer, error) {
		n, use := more.Int("n", 1), kit.NewUse()
		answer, err := kit.Once(func() error {
			_, err := kit.Repeat(ctx, 0, min(n, 64), func(ctx context.Context, first int) error {
				for i := first; i < n; i += 64 {
					if _, _, _, err := all[0].WatchExists(ctx, args["path"]+"/absent-"+strconv.Itoa(i)); err != nil {
						return err
					}
				}
				return nil
			})
			return err
		})
		answer.Values = use.Since()
		return answer, err
	}}, nil
}

// unreadNodes is how many nodes there are whose events nobody reads.
const unreadNodes = 1000

// openUnread opens a cache with a listener that takes no event. A run changes nodes n times, in transactions of 100, and waits until
// the cache has the changes.
func openUnread(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 2)
	if err != nil {
		return nil, err
	}
	writer, path := all[1], args["path"]
	if err := inTransactions(ctx, writer, unreadNodes, func(i int) framework.Op {
		return framework.CreateOp(path+"/"+strconv.Itoa(i), kit.Payload(0), framework.Persistent)
	}); err != nil {
		return nil, errors.Join(err, done())
	}
	return kit.Work{Done: done, Do: func(ctx context.Context, _ time.Duration, more line.Args) (line.Answer, error) {
		tree, err := cache.Open(ctx, all[0], path, cache.QueueBound(64))
		if err != nil {
			return line.Answer{}, err
		}
		unread := tree.Events(ctx)
		use := kit.NewUse()
		answer, err := kit.Once(func() error {
			err := inTransactions(ctx, writer, more.Int("n", 1), func(i int) framework.Op {
				return framework.SetOp(path+"/"+strconv.Itoa(i%unreadNodes), kit.Payload(i), framework.AnyVersion)
			})
			return errors.Join(err, tree.Sync(ctx))
		})
		answer.Values = use.Since()
		if _, ok := <-unread; !ok {
			err = errors.Join(err, errors.New("the listener has ended"))
		}
		return answer, errors.Join(err, tree.Close())
	}}, nil
}

// inTransactions does n operations, 100 in a transaction.
func inTransactions(ctx context.Context, cli *framework.Client, n int, op func(i int) framework.Op) error {
	for first := 0; first < n; first += 100 {
		var ops []framework.Op
		for i := first; i < min(n, first+100); i++ {
			ops = append(ops, op(i))
		}
		if _, err := cli.Multi(ctx, ops); err != nil {
			return err
		}
	}
	return nil
}
