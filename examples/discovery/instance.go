package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
)

// Meta is what an instance says about itself.
type Meta struct {
	Version string `json:"version"`
}

// instance is one copy of the service "greetings": a web server with a registration.
type instance struct {
	id           string
	cable        stage.Cable
	cli          *framework.Client
	server       *http.Server
	served       chan struct{}
	registration *discovery.Registration[Meta]
}

// startInstance starts an instance and registers it when it can be called.
func startInstance(ctx context.Context, s *stage.Stage, id string) (*instance, error) {
	i := &instance{id: id, served: make(chan struct{})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i.server = &http.Server{Handler: http.HandlerFunc(i.greet), ReadHeaderTimeout: time.Second}
	go func() {
		defer close(i.served)
		_ = i.server.Serve(listener) // always says that it was closed
	}()
	if i.cli, err = connect(s, &i.cable); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	i.registration, err = discovery.New[Meta](i.cli, "/services").Register(ctx, discovery.Instance[Meta]{
		Name: "greetings", ID: id, Address: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, Payload: Meta{Version: "1.0"},
	})
	if err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

func (i *instance) greet(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, i.id) }

// die ends the instance as a crash does: nobody is told.
func (i *instance) die() {
	i.cable.Cut()
	_ = i.server.Close()
	<-i.served
}

// retire ends the instance in good order: no call is lost.
func (i *instance) retire(ctx context.Context, wait time.Duration) error {
	err := i.registration.Drain(ctx, wait)
	return errors.Join(err, i.server.Shutdown(ctx))
}

// Close ends whatever is left of it, reachable or not.
func (i *instance) Close() error {
	i.cable.Plug()
	err := i.server.Close()
	<-i.served
	if i.cli != nil {
		err = errors.Join(err, i.cli.Close())
	}
	return err
}
