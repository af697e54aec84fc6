// Server runs a ZooKeeper-protocol server in memory, to try programs on. It is no ZooKeeper: nothing is written to disk, and it
// ends with the process.
//
//	go run ./examples/server                         # prints a connect string and runs until it is interrupted
//	go run ./examples/server -addr 127.0.0.1:2181 -tick 2s -min-timeout 4s -max-timeout 40s -containers 10s
//	go run ./examples/server -members 3              # a leader and two followers
//
// The first line of its output is the connect string, as a program can read it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/docent-zk/docent/zktest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	var cfg zktest.Config
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	addrs := flags.String("addr", "", "address `host:port`, or one for each member, separated by commas (default free ports of 127.0.0.1)")
	members := flags.Int("members", 1, "number of members; more than one elect a leader")
	flags.DurationVar(&cfg.TickTime, "tick", 100*time.Millisecond, "unit of time: a silent session ends between its timeout and one tick later")
	flags.DurationVar(&cfg.MinSessionTimeout, "min-timeout", 0, "shortest session timeout (default two ticks)")
	flags.DurationVar(&cfg.MaxSessionTimeout, "max-timeout", 0, "longest session timeout (default one hour)")
	flags.DurationVar(&cfg.ContainerCheckInterval, "containers", time.Minute, "time between two searches for empty containers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *addrs != "" {
		cfg.Addrs = strings.Split(*addrs, ",")
	}
	server, err := start(*members, cfg)
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := fmt.Fprintln(out, server.ConnectString()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// start starts a single server or a cluster.
func start(members int, cfg zktest.Config) (*zktest.Server, error) {
	if members == 1 {
		return zktest.Start(cfg)
	}
	cluster, err := zktest.StartCluster(members, cfg)
	if err != nil {
		return nil, err
	}
	return cluster.Server, nil
}
