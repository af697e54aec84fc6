package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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
	heap, goroutines := kit.Heap(), runtime.NumGoroutine()
	var tree *cache.Tree
	answer, err := kit.Once(func() (err error) {
		tree, err = cache.Open(ctx, cli, args["path"], opts...)
		return err
	})
	if err != nil {
		return answer, err
	}
	answer.Values = map[string]float64{
		"heap_bytes": kit.Heap() - heap,
		"goroutines": float64(runtime.NumGoroutine() - goroutines),
	}
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
		n := more.Int("n", 1)
		return kit.Once(func() error {
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
	}}, nil
}
