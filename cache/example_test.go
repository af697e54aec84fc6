package cache_test

import (
	"context"
	"fmt"
	"log"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// connect starts a server and a client for an example.
func connect() (cli *framework.Client, end func()) {
	server, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	cli, err = framework.New(framework.Config{ConnectString: server.ConnectString()})
	if err != nil {
		log.Fatal(err)
	}
	return cli, func() {
		_ = cli.Close()
		_ = server.Close()
	}
}

func ExampleOpen() {
	cli, end := connect()
	defer end()
	ctx := context.Background()
	_, err := cli.Create(ctx, "/config/db/host", []byte("db1"), framework.Persistent, framework.Parents)
	if err != nil {
		log.Fatal(err)
	}

	tree, err := cache.Open(ctx, cli, "/config")
	if err != nil {
		log.Fatal(err)
	}
	defer tree.Close()

	if node, ok := tree.Get("/config/db/host"); ok {
		fmt.Printf("%s\n", node.Data)
	}
	for path := range tree.All() {
		fmt.Println(path)
	}
	// Output:
	// db1
	// /config
	// /config/db
	// /config/db/host
}

func ExampleTree_Events() {
	cli, end := connect()
	defer end()
	ctx := context.Background()
	_, err := cli.Create(ctx, "/config/limit", []byte("1"), framework.Persistent, framework.Parents)
	if err != nil {
		log.Fatal(err)
	}
	tree, err := cache.Open(ctx, cli, "/config")
	if err != nil {
		log.Fatal(err)
	}
	defer tree.Close()

	for ev := range tree.Events(ctx) {
		fmt.Println(ev)
		switch ev.Type {
		case cache.Synced: // what there was is told; now something changes
			_, err = cli.Set(ctx, "/config/limit", []byte("2"), framework.AnyVersion)
		case cache.Changed:
			fmt.Printf("from %s to %s\n", ev.Old.Data, ev.New.Data)
			return
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// Added /config
	// Added /config/limit
	// Synced /config
	// Changed /config/limit
	// from 1 to 2
}

func ExampleTree_Fresh() {
	cli, end := connect()
	defer end()
	ctx := context.Background()
	tree, err := cache.Open(ctx, cli, "/quota")
	if err != nil {
		log.Fatal(err)
	}
	defer tree.Close()

	_, err = cli.Create(ctx, "/quota/tenant", []byte("10"), framework.Persistent, framework.Parents)
	if err != nil {
		log.Fatal(err)
	}
	if err := tree.Sync(ctx); err != nil { // everything that was written before is in
		log.Fatal(err)
	}
	snapshot, err := tree.Fresh() // an error while the servers are away
	if err != nil {
		log.Fatal(err)
	}
	node, ok := snapshot.Get("/quota/tenant")
	fmt.Println(string(node.Data), ok, snapshot.Len())
	// Output:
	// 10 true 2
}

func ExampleOpenChildren() {
	cli, end := connect()
	defer end()
	ctx := context.Background()
	for _, host := range []string{"b", "a"} {
		_, err := cli.Create(ctx, "/hosts/"+host, []byte("up"), framework.Ephemeral, framework.Parents)
		if err != nil {
			log.Fatal(err)
		}
	}
	hosts, err := cache.OpenChildren(ctx, cli, "/hosts")
	if err != nil {
		log.Fatal(err)
	}
	defer hosts.Close()
	for name, node := range hosts.Each() {
		fmt.Println(name, string(node.Data))
	}
	// Output:
	// a up
	// b up
}

func ExampleOpenValue() {
	cli, end := connect()
	defer end()
	ctx := context.Background()
	type limits struct{ Requests int }
	_, err := cli.Create(ctx, "/limits", []byte(`{"Requests": 10}`), framework.Persistent)
	if err != nil {
		log.Fatal(err)
	}
	value, err := cache.OpenValue(ctx, cli, "/limits", cache.JSON[limits]())
	if err != nil {
		log.Fatal(err)
	}
	defer value.Close()
	fmt.Println(value.Load().Requests)

	_, err = cli.Set(ctx, "/limits", []byte(`{"Requests": ten}`), framework.AnyVersion)
	if err != nil {
		log.Fatal(err)
	}
	if err := value.Sync(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(value.Load().Requests, value.Err())
	// Output:
	// 10
	// 10 data of /limits, version 1: invalid character 'e' in literal true (expecting 'r')
}
