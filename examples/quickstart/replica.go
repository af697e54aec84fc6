package main

import (
	"context"
	"fmt"
	"time"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
)

// replica is one copy of a service: a client of its own on a network of its own.
type replica struct {
	name  string
	cable *stage.Cable
	cli   *framework.Client
}

func newReplica(s *stage.Stage, name string) (*replica, error) {
	cable := &stage.Cable{}
	cli, err := framework.New(framework.Config{
		ConnectString:  s.ConnectString,
		SessionTimeout: s.Timeout,
		Namespace:      s.Namespace,
		Dialer:         cable.Dial,
	})
	if err != nil {
		return nil, err
	}
	return &replica{name: name, cable: cable, cli: cli}, nil
}

// Close ends a replica, reachable or not.
func (r *replica) Close() error {
	r.cable.Plug()
	return r.cli.Close()
}

// term is the news of a replica that began to lead, or stopped.
type term struct {
	who   *replica
	token int64
	over  error // nil at the beginning
	when  time.Time
}

func begins(t term) bool { return t.over == nil }

// stand makes r a candidate until the result is called, which waits for it to be over.
func (r *replica) stand(path string, news chan<- term, opts ...leader.Option) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := leader.Run(ctx, r.cli, path, func(ctx context.Context, t *leader.Term) error {
			news <- term{who: r, token: t.Token(), when: time.Now()}
			<-ctx.Done() // a real service would do its work here, and stop when ctx ends
			news <- term{who: r, token: t.Token(), over: context.Cause(ctx), when: time.Now()}
			return nil
		}, append(opts, leader.WithID(r.name))...)
		if ctx.Err() == nil {
			fmt.Printf("   %s gave up: %v\n", r.name, err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
