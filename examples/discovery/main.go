// Discovery shows three instances of a service, and a client that spreads its calls over them: one instance dies, one drains,
// the registry goes away, and no call is lost.
//
//	go run ./examples/discovery                     # on a ZooKeeper-protocol server inside this process
//	go run ./examples/discovery -zk host:port,...   # on a real ensemble
//
// The exit status is 0 if every step held what it shows, 1 if one did not, and 2 if the story could not be told.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/docent-zk/docent/zktest"
)

func main() {
	zk := flag.String("zk", "", "connect string of a real ensemble, host:port,host:port; empty starts a server in this process")
	timeout := flag.Duration("timeout", 2*time.Second, "session timeout to ask for")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Stdout, *zk, *timeout))
}

func run(ctx context.Context, out io.Writer, zk string, timeout time.Duration) int {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if zk == "" {
		server, err := zktest.Start(zktest.Config{})
		if err != nil {
			fmt.Fprintln(os.Stderr, "discovery:", err)
			return 2
		}
		defer server.Close()
		zk = server.ConnectString()
	}
	s := &story{out: out, zk: zk, timeout: timeout}
	if err := s.tell(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "discovery:", err)
		return 2
	}
	if s.failed > 0 {
		return 1
	}
	return 0
}
