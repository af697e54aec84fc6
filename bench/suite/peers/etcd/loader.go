package main

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
)

// parallel is how many requests the loader sends at once.
const parallel = 64

// writer is a workload of the loader on one client.
func writer(args line.Args, do func(ctx context.Context, cli *clientv3.Client, more line.Args) (line.Answer, error)) (kit.Workload, error) {
	all, done, err := clients(args, 1)
	if err != nil {
		return nil, err
	}
	return kit.Work{Done: done, Do: func(ctx context.Context, _ time.Duration, more line.Args) (line.Answer, error) {
		return do(ctx, all[0], more)
	}}, nil
}

// put writes n keys, many at a time.
func put(ctx context.Context, cli *clientv3.Client, n int, path func(i int) string, data []byte) (line.Answer, error) {
	return kit.Once(func() error {
		_, err := kit.Repeat(ctx, 0, parallel, func(ctx context.Context, first int) error {
			for i := first; i < n; i += parallel {
				if _, err := cli.Put(ctx, path(i), string(data)); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	})
}

// openSet writes the nodes of a round.
func openSet(_ context.Context, args line.Args) (kit.Workload, error) {
	return writer(args, func(ctx context.Context, cli *clientv3.Client, more line.Args) (line.Answer, error) {
		path := func(i int) string { return kit.NodePath(args["path"], i) }
		return put(ctx, cli, more.Int("n", 1), path, kit.Payload(more.Int("round", 0)))
	})
}

// openCreate writes keys that are new, one after the other. With step=delete it deletes what a round has written.
func openCreate(_ context.Context, args line.Args) (kit.Workload, error) {
	return writer(args, func(ctx context.Context, cli *clientv3.Client, more line.Args) (line.Answer, error) {
		n, round := more.Int("n", 1), more.Int("round", 0)
		prefix := fmt.Sprintf("%s/r%d-", args["path"], round)
		if more["step"] == "delete" {
			_, err := cli.Delete(ctx, prefix, clientv3.WithPrefix())
			return line.Answer{}, err
		}
		data := string(kit.Payload(round))
		return kit.Once(func() error {
			for i := range n {
				if _, err := cli.Put(ctx, fmt.Sprintf("%s%06d", prefix, i), data); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// openFill makes a tree of n nodes, or one key if n is 0, after it has deleted what was there.
func openFill(_ context.Context, args line.Args) (kit.Workload, error) {
	return writer(args, func(ctx context.Context, cli *clientv3.Client, more line.Args) (line.Answer, error) {
		path := args["path"]
		if _, err := cli.Delete(ctx, path+"/", clientv3.WithPrefix()); err != nil {
			return line.Answer{}, err
		}
		if _, err := cli.Put(ctx, path, string(kit.Payload(0))); err != nil {
			return line.Answer{}, err
		}
		return put(ctx, cli, more.Int("n", 0), func(i int) string { return kit.NodePath(path, i) }, kit.Payload(0))
	})
}
