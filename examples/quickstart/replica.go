package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
)

// replica is one copy of a service: a client of its own on a network of its own.
type replica struct {
	name  string
	cable *cable
	cli   *framework.Client
}

func newReplica(ctx context.Context, name, zk string, timeout time.Duration) (*replica, error) {
	r := &replica{name: name, cable: &cable{}}
	cli, err := framework.New(framework.Config{
		ConnectString:  zk,
		SessionTimeout: timeout,
		Namespace:      "docent-quickstart",
		Dialer:         r.cable.Dial,
	})
	if err != nil {
		return nil, err
	}
	if err := cli.WaitConnected(ctx); err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	r.cli = cli
	return r, nil
}

// term is the news of a replica that began to lead, or stopped.
type term struct {
	who   *replica
	token int64
	over  error // nil at the beginning
	when  time.Time
}

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
