// Server runs a ZooKeeper-protocol server in memory, to try programs on. It is no ZooKeeper: nothing is written to disk, and it
// ends with the process.
//
//	go run ./examples/server          # prints a connect string and runs until it is interrupted
//
// The first line of its output is the connect string, as a program can read it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/docent-zk/docent/zktest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, out io.Writer) error {
	server, err := zktest.Start(zktest.Config{})
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
