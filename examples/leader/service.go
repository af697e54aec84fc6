package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
)

// drain bounds how long requests under way keep a replica that was told to end.
const drain = 20 * time.Second

// namespace is where the replicas that are processes meet.
const namespace = "docent-leader-service"

// serve is one replica as a process of its own, until SIGTERM. It returns the exit status.
func serve(args []string, out io.Writer) int {
	flags := flag.NewFlagSet("leader serve", flag.ExitOnError)
	zk := flags.String("zk", "127.0.0.1:2181", "connect string, host:port,host:port")
	timeout := flags.Duration("timeout", 10*time.Second, "session timeout to ask for")
	id := flags.String("id", fmt.Sprintf("replica-%d", os.Getpid()), "the replica's name")
	_ = flags.Parse(args) // it does not return with an error
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // another signal ends the process at once
	cfg := framework.Config{ConnectString: *zk, SessionTimeout: *timeout, Namespace: namespace}
	if err := serveUntil(ctx, cfg, *id, out); err != nil {
		fmt.Fprintf(out, "%s: %v\n", *id, err)
		return stage.Untold
	}
	return stage.Held
}

// serveUntil serves until ctx ends, and then takes leave: first of leadership, then of those who have asked something.
func serveUntil(ctx context.Context, cfg framework.Config, id string, out io.Writer) error {
	r, err := startReplica(ctx, cfg, id, job{every: time.Second, run: func(token int64) {
		fmt.Fprintf(out, "%s schedules with token %d\n", id, token)
	}})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s serves http://%s/status\n", id, r.address())
	<-ctx.Done()
	r.terminate() // the scheduler has returned, and others lead from here on
	fmt.Fprintf(out, "%s does not lead\n", id)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	return r.shutdown(ctx)
}
