package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// worker is one process with a network of its own.
type worker struct {
	cable *stage.Cable
	cli   *framework.Client
}

func newWorker(ctx context.Context, s *stage.Stage, name string) (*worker, error) {
	w := &worker{cable: &stage.Cable{}}
	cli, err := framework.New(framework.Config{
		ConnectString:  s.ConnectString,
		SessionTimeout: s.Timeout,
		Namespace:      s.Namespace,
		Dialer:         w.cable.Dial,
	})
	if err != nil {
		return nil, err
	}
	if err := cli.WaitConnected(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", name, errors.Join(err, cli.Close()))
	}
	w.cli = cli
	return w, nil
}

// grant is what has become of a Lock.
type grant struct {
	held *lock.Held
	err  error
	when time.Time
}

// lock waits for the lock in the background.
func (w *worker) lock(ctx context.Context, path string) <-chan grant {
	grants := make(chan grant, 1)
	go func() {
		held, err := lock.New(w.cli, path).Lock(ctx)
		grants <- grant{held, err, time.Now()}
	}()
	return grants
}

// queued waits until n stand in a lock's queue.
func queued(ctx context.Context, cli *framework.Client, path string, n int) error {
	for {
		names, _, changed, err := cli.WatchChildren(ctx, path)
		if err != nil {
			return err
		}
		if len(names) >= n {
			changed.Stop()
			return nil
		}
		select {
		case <-changed.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

var errOldToken = errors.New("refused: a holder with a larger token has written")

// database is anything outside of ZooKeeper that can compare two numbers.
type database struct {
	value string
	token int64 // the largest that was seen
}

func (d *database) write(value string, token int64) error {
	if token < d.token {
		return errOldToken
	}
	d.value, d.token = value, token
	return nil
}
