package leader_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

// client starts an in-process server and a client of it.
func client() (cli *framework.Client, stop func()) {
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

// One leader after the other: whoever is elected works until it has done enough, or until its context ends.
func ExampleRun() {
	cli, stop := client()
	defer stop()

	for _, id := range []string{"pod 1", "pod 2"} {
		err := leader.Run(context.Background(), cli, "/election/scheduler", func(ctx context.Context, t *leader.Term) error {
			candidates, err := leader.New(cli, "/election/scheduler").Participants(ctx)
			fmt.Printf("%s leads\n", candidates[0].ID)
			return err
		}, leader.WithID(id))
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// pod 1 leads
	// pod 2 leads
}

// Whoever is no longer the leader cannot write, whatever it believes.
func ExampleTerm_Set() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()
	_, _ = cli.Create(ctx, "/plan", []byte("none"))

	var former *leader.Term
	err := leader.Run(ctx, cli, "/election/planner", func(ctx context.Context, t *leader.Term) error {
		former = t
		_, err := t.Set(ctx, "/plan", []byte("a plan"), framework.AnyVersion)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = former.Set(ctx, "/plan", []byte("too late"), framework.AnyVersion)
	plan, _ := cli.Get(ctx, "/plan")
	fmt.Println(errors.Is(err, leader.ErrNotLeader), string(plan.Data))
	// Output: true a plan
}
