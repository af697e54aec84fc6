package framework_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// exampleClient starts an in-process server and a client of it.
func exampleClient() (server *zktest.Server, cli *framework.Client, stop func()) {
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

// Every state of the connection, in order.
func ExampleClient_States() {
	server, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	cli, err := framework.New(framework.Config{ConnectString: server.ConnectString()})
	if err != nil {
		log.Fatal(err)
	}
	changes := cli.States(context.Background())
	for change := range changes {
		fmt.Println(change.State, "in session", change.Epoch)
		switch {
		case change.State == framework.Connected && change.Epoch == 1:
			server.ExpireSession(change.SessionID)
		case change.State == framework.Connected:
			go func() { _ = cli.Close() }()
		}
	}
	// Output:
	// Connecting in session 0
	// Connected in session 1
	// Suspended in session 1
	// Lost in session 1
	// Connected in session 2
	// Closed in session 2
}

// A recipe of one's own: an ephemeral node in one session after the other.
func ExampleClient_Run() {
	server, cli, stop := exampleClient()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	err := cli.Run(ctx, framework.Recipe{
		Name: "worker", Path: "/workers",
		Policy: framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild},
		Run: func(ctx context.Context, s *framework.Session) error {
			_, err := s.Create(ctx, "/workers/w-", nil, framework.EphemeralSequential, framework.Protected, framework.Parents)
			if err != nil {
				return err
			}
			fmt.Println("at work in session", s.Epoch())
			if s.Epoch() == 2 {
				return nil // enough
			}
			server.ExpireSession(s.ID())
			<-ctx.Done() // the policy has ended it
			return context.Cause(ctx)
		},
	})
	fmt.Println("ended with", err)
	// Output:
	// at work in session 1
	// at work in session 2
	// ended with <nil>
}

// A process that is started again does not wait for the session of the one before to expire, and is never a second one.
func ExampleConfig_sessionFile() {
	server, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cfg := framework.Config{ConnectString: server.ConnectString(), SessionFile: filepath.Join(dir, "session")}

	cli, err := framework.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	_, err = framework.New(cfg)
	fmt.Println("while the first client lives:", errors.Is(err, framework.ErrSessionFileInUse))
	if err := cli.Close(); err != nil {
		log.Fatal(err)
	}
	cli, err = framework.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("after that:", cli.WaitConnected(context.Background()), cli.Close())
	// Output:
	// while the first client lives: true
	// after that: <nil> <nil>
}

// Several changes as one.
func ExampleClient_Multi() {
	_, cli, stop := exampleClient()
	defer stop()
	ctx := context.Background()
	_, err := cli.Multi(ctx, []framework.Op{
		framework.CreateOp("/accounts", nil, framework.Persistent),
		framework.CreateOp("/accounts/alice", []byte("100"), framework.Persistent),
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = cli.Multi(ctx, []framework.Op{
		framework.SetOp("/accounts/alice", []byte("90"), framework.AnyVersion),
		framework.CheckOp("/accounts/bob", framework.AnyVersion),
	})
	fmt.Println(errors.Is(err, framework.ErrNoNode))
	alice, err := cli.Get(ctx, "/accounts/alice")
	fmt.Printf("%s %v\n", alice.Data, err)
	// Output:
	// true
	// 100 <nil>
}

// What changes below a node, without a gap.
func ExampleSession_WatchTree() {
	_, cli, stop := exampleClient()
	defer stop()
	ctx := context.Background()
	session, err := cli.Session(ctx)
	if err != nil {
		log.Fatal(err)
	}
	watch, err := session.WatchTree(ctx, "/config")
	if err != nil {
		log.Fatal(err)
	}
	defer watch.Stop()
	if _, err := cli.Create(ctx, "/config/db", []byte("a"), framework.Parents); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		event, err := watch.Next(ctx)
		fmt.Println(event.Type, event.Path, err)
	}
	// Output:
	// Created /config <nil>
	// Created /config/db <nil>
}
