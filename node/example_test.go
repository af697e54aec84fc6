package node_test

import (
	"context"
	"fmt"
	"log"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// client starts an in-process server and a client of it.
func client() (server *zktest.Server, cli *framework.Client, stop func()) {
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

// A node that stands in one session after the other.
func ExampleKeep() {
	server, cli, stop := client()
	defer stop()
	ctx := context.Background()

	k, err := node.Keep(ctx, cli, "/services/orders/10.0.0.7:8080", []byte("up"))
	if err != nil {
		log.Fatal(err)
	}
	before := k.Standing()
	server.ExpireSession(before.Session)
	for k.Standing().Session == before.Session {
		if err := k.WaitStanding(ctx); err != nil {
			log.Fatal(err)
		}
	}
	n, err := cli.Get(ctx, k.Path())
	fmt.Printf("%s is %s in its second session: %v\n", n.Path, n.Data, n.Stat.EphemeralOwner != before.Session && err == nil)

	if err := k.Close(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("stands:", k.Standing().Stands)
	// Output:
	// /services/orders/10.0.0.7:8080 is up in its second session: true
	// stands: false
}

// Members of a group, and somebody who follows it.
func ExampleWatchMembers() {
	_, cli, stop := client()
	defer stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	groups := node.WatchMembers(ctx, cli, "/groups/workers")
	show := func() {
		members := (<-groups).Members
		fmt.Println(len(members), "members")
		for _, m := range members {
			fmt.Println("-", m.ID, "is", string(m.Data))
		}
	}
	show() // nobody has joined yet
	worker, err := node.Join(ctx, cli, "/groups/workers", "worker 1", []byte("idle"))
	if err != nil {
		log.Fatal(err)
	}
	show()
	if err := worker.Set(ctx, []byte("busy")); err != nil {
		log.Fatal(err)
	}
	show()
	// Output:
	// 0 members
	// 1 members
	// - worker 1 is idle
	// 1 members
	// - worker 1 is busy
}
