package counter_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// connect starts an in-process server and a client of it.
func connect() (server *zktest.Server, cli *framework.Client, stop func()) {
	server, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	cli, err = framework.New(framework.Config{ConnectString: server.ConnectString()})
	if err != nil {
		log.Fatal(err)
	}
	return server, cli, func() { _, _ = cli.Close(), server.Close() }
}

func ExampleInt_Add() {
	_, cli, stop := connect()
	defer stop()
	ctx := context.Background()
	hits := counter.NewInt(cli, "/counters/hits", counter.Long)

	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for range 5 {
				if _, err := hits.Add(ctx, 1); err != nil {
					log.Fatal(err)
				}
			}
		})
	}
	workers.Wait()
	total, err := hits.Get(ctx)
	fmt.Println(total.Value, err)
	// Output: 20 <nil>
}

// The answer to a write gets lost on the way, and somebody else writes before anybody can look. It is counted once.
func ExampleInt_Add_lostAnswer() {
	server, cli, stop := connect()
	defer stop()
	ctx := context.Background()
	sold := counter.NewInt(cli, "/counters/sold")
	if err := sold.Set(ctx, 100); err != nil {
		log.Fatal(err)
	}

	server.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Reply && f.Op == zktest.OpMulti {
			_ = server.Set("/counters/sold", []byte{0, 0, 0, 50}) // others write
			return zktest.Cut
		}
		return zktest.Pass
	})
	sum, err := sold.Add(ctx, 1)
	now, _ := sold.Get(ctx)
	fmt.Println(sum, err, now.Value)
	// Output: 101 <nil> 50
}

// An optimistic change of any value: f is asked again when somebody else was faster.
func ExampleValue_Update() {
	_, cli, stop := connect()
	defer stop()
	ctx := context.Background()
	journal := counter.NewValue(cli, "/values/journal", counter.WithSeed([]byte("begin")))

	for _, line := range []string{"one", "two"} {
		_, err := journal.Update(ctx, func(old []byte) ([]byte, error) {
			if len(old) > 10 {
				return nil, errors.New("the journal is full")
			}
			return fmt.Appendf(old, ", %s", line), nil
		})
		fmt.Println(err)
	}
	now, _ := journal.Get(ctx)
	fmt.Printf("%s, version %d\n", now.Value, now.Version)
	// Output:
	// <nil>
	// <nil>
	// begin, one, two, version 2
}

func ExampleValue_CompareAndSet() {
	_, cli, stop := connect()
	defer stop()
	ctx := context.Background()
	owner := counter.NewValue(cli, "/values/owner")

	seen, _ := owner.Get(ctx)
	version, err := owner.CompareAndSet(ctx, seen.Version, []byte("me"))
	fmt.Println(version, err)
	_, err = owner.CompareAndSet(ctx, seen.Version, []byte("you"))
	fmt.Println(errors.Is(err, framework.ErrBadVersion))
	// Output:
	// 0 <nil>
	// true
}

// Whoever follows gets the present state first, and sees the last one whatever happens in between.
func ExampleInt_Changes() {
	_, cli, stop := connect()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	workers := counter.NewInt(cli, "/config/workers")
	if err := workers.Set(ctx, 3); err != nil {
		log.Fatal(err)
	}

	changes := workers.Changes(ctx)
	for state := range changes.C {
		fmt.Println(state.Value, "workers")
		if state.Value == 4 {
			cancel()
			continue
		}
		if _, err := workers.Add(ctx, 1); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(errors.Is(changes.Err(), context.Canceled))
	// Output:
	// 3 workers
	// 4 workers
	// true
}
