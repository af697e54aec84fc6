package barrier_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// connect starts an in-process server and a client of it.
func connect() (cli *framework.Client, stop func()) {
	server, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	cli, err = framework.New(framework.Config{ConnectString: server.ConnectString()})
	if err != nil {
		log.Fatal(err)
	}
	return cli, func() { _, _ = cli.Close(), server.Close() }
}

// Workers wait until the migration is over.
func ExampleBarrier() {
	cli, stop := connect()
	defer stop()
	ctx := context.Background()
	migration := barrier.New(cli, "/barriers/migration")
	if err := migration.Set(ctx); err != nil {
		log.Fatal(err)
	}

	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	fmt.Println("still closed:", errors.Is(migration.Wait(soon), context.DeadlineExceeded))

	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			if err := migration.Wait(ctx); err != nil {
				log.Fatal(err)
			}
		})
	}
	if err := migration.Remove(ctx); err != nil {
		log.Fatal(err)
	}
	workers.Wait()
	fmt.Println("open")
	// Output:
	// still closed: true
	// open
}

// Three processes compute in steps. Nobody begins a step before all have finished the one before.
func ExampleDouble() {
	cli, stop := connect()
	defer stop()
	ctx := context.Background()

	var results [2][3]int
	work := func(worker int) error {
		step := barrier.NewDouble(cli, "/barriers/steps", 3)
		for n := range results {
			in, err := step.Enter(ctx)
			if err != nil {
				return err
			}
			results[n][worker] = worker + 1
			if n > 0 { // everybody's result of the step before is there
				results[n][worker] *= results[n-1][0] + results[n-1][1] + results[n-1][2]
			}
			if err := in.Leave(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	var workers sync.WaitGroup
	for worker := range 3 {
		workers.Go(func() {
			if err := work(worker); err != nil {
				log.Fatal(err)
			}
		})
	}
	workers.Wait()
	fmt.Println(results)
	// Output: [[1 2 3] [6 12 18]]
}

// A process that is started again under its old name counts once, even while the servers still keep the node that it had before.
func ExampleWithID() {
	cli, stop := connect()
	defer stop()
	in, err := barrier.NewDouble(cli, "/barriers/start", 1, barrier.WithID("worker-3")).Enter(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer in.Leave(context.Background())
	fmt.Println(in.Path()[len(in.Path())-len("worker-3"):])
	// Output: worker-3
}
