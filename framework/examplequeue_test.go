package framework_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// takeTurn queues in dir, and calls f when it is its turn. The context of f ends before anybody else can have the turn.
func takeTurn(ctx context.Context, cli *framework.Client, dir string, f func(ctx context.Context) error) error {
	return cli.Run(ctx, framework.Recipe{
		Name: "turn", Path: dir,
		Policy: framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}, // while it waits
		Run: func(ctx context.Context, s *framework.Session) error {
			place, err := s.Create(ctx, dir+"/turn-", nil, framework.EphemeralSequential, framework.Protected, framework.Parents)
			if err != nil {
				return err
			}
			defer leave(s, place.Path)
			if err := waitForTurn(ctx, s, place.Path); err != nil {
				return err
			}
			policy := framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Stop}
			held := s.Track("turn", dir, policy, "held")
			defer held.End()
			claim, end := s.ClaimContext(ctx, policy)
			defer end(nil)
			return f(claim)
		},
	})
}

// leave deletes the node even when ctx has ended or the connection is away.
func leave(s *framework.Session, path string) {
	ctx, cancel := context.WithTimeout(context.Background(), s.Timeout())
	defer cancel()
	if err := s.Delete(ctx, path, framework.AnyVersion, framework.Guaranteed); err != nil {
		log.Print(err)
	}
}

// waitForTurn waits until the node is the oldest one. It watches only the node before it.
func waitForTurn(ctx context.Context, s *framework.Session, path string) error {
	dir, own := framework.Split(path)
	for {
		names, _, err := s.Children(ctx, dir)
		if err != nil {
			return err
		}
		before, err := predecessor(names, own)
		if err != nil || before == "" {
			return err
		}
		// A node that this client has left and cannot remove stays until the session ends.
		if r, removing := s.Removing(framework.Join(dir, before)); removing && r.Refused != nil {
			return r.Refused
		}
		_, exists, w, err := s.WatchExists(ctx, framework.Join(dir, before))
		if err != nil {
			return err
		}
		if exists {
			select {
			case <-w.C:
			case <-ctx.Done():
			}
		}
		w.Stop()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// predecessor returns the newest node that is older than own, or "". All nodes are takeTurn's, so every name ends with
// its number, in ten digits.
func predecessor(names []string, own string) (before string, err error) {
	number := func(name string) string { return name[len(name)-10:] }
	listed := false
	for _, name := range names {
		switch {
		case name == own:
			listed = true
		case number(name) < number(own) && (before == "" || number(name) > number(before)):
			before = name
		}
	}
	if !listed {
		return "", errors.New("somebody has deleted the node")
	}
	return before, nil
}

// A queue of your own, made of nothing but the public API.
func Example_queue() {
	server, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	cli, err := framework.New(framework.Config{ConnectString: server.ConnectString()})
	if err != nil {
		log.Fatal(err)
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	second := make(chan error, 1)
	err = takeTurn(ctx, cli, "/turns", func(context.Context) error {
		_, _, w, err := cli.WatchChildren(ctx, "/turns")
		if err != nil {
			return err
		}
		defer w.Stop()
		go func() {
			second <- takeTurn(ctx, cli, "/turns", func(context.Context) error {
				fmt.Println("the second one has its turn")
				return nil
			})
		}()
		<-w.C // the second one queues
		fmt.Println("the first one has had its turn")
		return nil
	})
	fmt.Println(err, <-second)
	// Output:
	// the first one has had its turn
	// the second one has its turn
	// <nil> <nil>
}
