// Debugpage serves the page of package debugpage for four clients that keep each other busy: they contend for a lock, stand in
// an election, keep a service registered and a configuration cached, and now and then one of them loses its session.
//
//	go run ./examples/debugpage                     # on a ZooKeeper-protocol server inside this process
//	go run ./examples/debugpage -zk host:port,...   # on a real ensemble
//	go run ./examples/debugpage -addr :8080         # on an address of one's own
//
// Open the address that it prints. It ends with an interrupt, or after -for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/framework/debugpage"
	"github.com/docent-zk/docent/framework/health"
	"github.com/docent-zk/docent/zktest"
)

func main() {
	var c config
	flag.StringVar(&c.zk, "zk", "", "connect string of a real ensemble, host:port,host:port; empty starts a server in this process")
	flag.StringVar(&c.addr, "addr", "127.0.0.1:0", "address to serve on")
	flag.DurationVar(&c.timeout, "timeout", 4*time.Second, "session timeout to ask for")
	flag.DurationVar(&c.every, "every", 20*time.Second, "how often a session is lost")
	length := flag.Duration("for", 0, "how long to serve; 0 is until an interrupt")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *length > 0 {
		ctx, stop = context.WithTimeout(ctx, *length)
		defer stop()
	}
	if err := c.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "debugpage:", err)
		os.Exit(1)
	}
}

// config is what the command line says.
type config struct {
	zk, addr       string
	timeout, every time.Duration
}

// run serves until ctx ends. It returns an error if that could not be done.
func (c config) run(ctx context.Context, out io.Writer) error {
	if c.zk == "" {
		server, err := zktest.Start(zktest.Config{})
		if err != nil {
			return err
		}
		defer server.Close()
		c.zk = server.ConnectString()
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	troupe, err := newTroupe(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "http://%s/debug/docent\n", listener.Addr())
	server := &http.Server{Handler: handler(troupe.names(), troupe.clients()), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	playing := troupe.play(ctx, c.every)
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	return errors.Join(err, server.Close(), playing(), troupe.close())
}

// handler is all that a service needs to show what its clients do, and to answer probes.
func handler(names []string, clients []*framework.Client) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/debug/docent", debugpage.Options{Names: names}.Handler(clients...))
	mux.Handle("/readyz", health.Ready(clients...))
	mux.Handle("/livez", health.Live(clients...))
	mux.Handle("/{$}", http.RedirectHandler("/debug/docent", http.StatusSeeOther))
	return mux
}
