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

// Stand, lead, resign: for those who cannot put their work into a function.
func ExampleElection_Campaign() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()

	election := leader.New(cli, "/election/scheduler", leader.WithID("pod 1"), leader.Hold(0))
	term, err := election.Campaign(ctx) // waits its turn
	if err != nil {
		log.Fatal(err)
	}
	now, err := election.Leader(ctx)
	fmt.Println(now.ID, "leads with its token:", now.Token == term.Token(), err)
	if err := term.Resign(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = election.Leader(ctx)
	fmt.Println(context.Cause(term.Context()), "-", errors.Is(err, leader.ErrNoLeader))
	// Output:
	// pod 1 leads with its token: true <nil>
	// released - true
}

// Who leads, for those who only want to talk to the leader.
func ExampleElection_Observe() {
	cli, stop := client()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	seen := leader.New(cli, "/election/scheduler").Observe(ctx)
	show := func() {
		if p := <-seen.C; p.IsNobody() {
			fmt.Println("nobody leads")
		} else {
			fmt.Println(p.ID, "leads")
		}
	}
	show()
	for _, id := range []string{"pod 1", "pod 2"} {
		_ = leader.Run(ctx, cli, "/election/scheduler", func(context.Context, *leader.Term) error {
			show()
			return nil
		}, leader.WithID(id))
		show()
	}
	cancel()
	for range seen.C { // until it is closed
	}
	fmt.Println(errors.Is(seen.Err(), context.Canceled))
	// Output:
	// nobody leads
	// pod 1 leads
	// nobody leads
	// pod 2 leads
	// nobody leads
	// true
}

// A leader that is about to be restarted hands over to the one that was restarted already, not to whoever is next.
func ExampleTerm_ResignTo() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()

	leads := make(chan string)
	stand := func(id string, lead func(ctx context.Context, t *leader.Term) error) {
		go func() {
			_ = leader.Run(ctx, cli, "/election/scheduler", func(ctx context.Context, t *leader.Term) error {
				leads <- id
				return lead(ctx, t)
			}, leader.WithID(id))
		}()
		for all := leader.New(cli, "/election/scheduler"); ; {
			if list, _ := all.Participants(ctx); len(list) > 0 && list[len(list)-1].ID == id {
				return
			}
		}
	}
	work := func(ctx context.Context, _ *leader.Term) error {
		<-ctx.Done()
		return nil
	}
	hand := make(chan string)
	stand("old 1", func(ctx context.Context, t *leader.Term) error {
		return t.ResignTo(ctx, <-hand) // work, if there is any left, ends before this function returns
	})
	fmt.Println(<-leads)
	stand("old 2", work)
	stand("new 1", work)
	hand <- "new 1"
	fmt.Println(<-leads)
	// Output:
	// old 1
	// new 1
}
