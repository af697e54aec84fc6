// Docent does the benchmark's workloads with docent. It uses nothing but the public packages, so that the same source can be
// built with the docent of another checkout.
package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/retry"
)

func main() { kit.Main(version(), openers) }

var openers = map[string]kit.Opener{
	"clients":   openClients,
	"election":  openElection,
	"follow":    openFollow,
	"get":       openGet,
	"idle":      openIdle,
	"instances": openInstances,
	"kept":      openKept,
	"load":      openLoad,
	"lock":      openLocks,
	"pick":      openPick,
	"unread":    openUnread,
	"waiters":   openWaiters,
	"watches":   openWatches,
}

// version is that of the checkout, if the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}

// connector connects clients to the servers that the arguments name.
func connector(ctx context.Context, args line.Args) func() (*framework.Client, error) {
	return func() (*framework.Client, error) {
		cli, err := framework.New(framework.Config{
			ConnectString: args["servers"], SessionTimeout: kit.SessionTimeout,
			// Sessions that are ended again and again would be spaced out otherwise.
			ReconnectPolicy: retry.Forever(20 * time.Millisecond),
		})
		if err != nil {
			return nil, err
		}
		if err := cli.WaitConnected(ctx); err != nil {
			return nil, errors.Join(err, cli.Close())
		}
		return cli, nil
	}
}

// clients connects n clients.
func clients(ctx context.Context, args line.Args, n int) ([]*framework.Client, func() error, error) {
	return kit.Open(n, connector(ctx, args), (*framework.Client).Close)
}

// count returns the number of children.
func count(ctx context.Context, cli *framework.Client, path string) (int, error) {
	stat, found, err := cli.Exists(ctx, path)
	if err != nil || !found {
		return 0, err
	}
	return int(stat.NumChildren), nil
}

// openGet reads one node with many callers on one session.
func openGet(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 1)
	if err != nil {
		return nil, err
	}
	path := args["path"]
	return kit.Work{Done: done, Do: func(ctx context.Context, d time.Duration, args line.Args) (line.Answer, error) {
		return kit.Repeat(ctx, d, args.Int("callers", 1), func(ctx context.Context, _ int) error {
			node, err := all[0].Get(ctx, path)
			if err == nil && len(node.Data) != kit.PayloadSize {
				err = fmt.Errorf("%d bytes were read", len(node.Data))
			}
			return err
		})
	}}, nil
}
