// Cache shows a mirror of a configuration tree through an outage that is longer than the session: it serves what it has, says
// that this is old, refuses those who must not have old data, and tells the exact difference when the servers are back.
//
//	go run ./examples/cache                     # on a ZooKeeper-protocol server inside this process
//	go run ./examples/cache -zk host:port,...   # on a real ensemble
package main

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
)

func main() { stage.Main("cache", tell) }

// tell is the story of a service that reads /config, and of an operator who changes it.
func tell(ctx context.Context, s *stage.Stage) error {
	operator, err := framework.New(framework.Config{ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Namespace: s.Namespace})
	if err != nil {
		return err
	}
	defer s.Close("the operator", operator)
	network := &stage.Cable{}
	service, err := framework.New(framework.Config{
		ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Namespace: s.Namespace, Dialer: network.Dial,
	})
	if err != nil {
		return err
	}
	defer s.Close("the service", service)
	if err := create(ctx, operator, "/config/app", "/config/app/color", "/config/app/limit", "/config/db", "/config/db/host"); err != nil {
		return err
	}

	tree, err := cache.Open(ctx, service, "/config") // returns when everything has been read
	if err != nil {
		return err
	}
	defer tree.Close()
	events := tree.Events(ctx)
	if err := live(ctx, s, operator, tree, events); err != nil {
		return err
	}
	network.Cut()
	if err := outage(ctx, s, operator, service, tree); err != nil {
		return err
	}
	network.Plug()
	return difference(ctx, s, operator, tree, events)
}

// live: what there is, and a change.
func live(ctx context.Context, s *stage.Stage, operator *framework.Client, tree *cache.Tree, events <-chan cache.Event) error {
	s.Title("1. The service opens the cache. Its events begin with what there is.")
	present, err := story(ctx, s, events, cache.Synced)
	if err != nil {
		return err
	}
	s.Promise(len(present) == tree.Len() && tree.Len() == 6, "%d nodes, parents before their children", tree.Len())

	s.Title("2. The operator sets a limit.")
	if _, err := operator.Set(ctx, "/config/app/limit", []byte("10"), framework.AnyVersion); err != nil {
		return err
	}
	if _, err := story(ctx, s, events, cache.Changed); err != nil {
		return err
	}
	s.Promise(value(tree, "/config/app/limit") == "10", "the cache has it: %q", value(tree, "/config/app/limit"))
	return nil
}

// outage: the service is cut off until its session is over, and the tree changes meanwhile.
func outage(ctx context.Context, s *stage.Stage, operator, service *framework.Client, tree *cache.Tree) error {
	s.Title("3. The service's network is down, until its session is lost.")
	watching, stop := context.WithCancel(ctx)
	defer stop()
	lost, err := stage.Await(watching, service.States(watching), func(c framework.StateChange) bool { return c.State == framework.Lost })
	if err != nil {
		return err
	}
	s.SayAt(lost.Time, "LOST: %s", stage.Reason(lost.Cause))
	if err := edit(ctx, operator); err != nil {
		return err
	}
	s.Say("meanwhile the operator changes four things, one of them back and forth")

	s.Promise(value(tree, "/config/app/limit") == "10", "the cache serves what it has")
	s.Promise(!tree.StaleSince().IsZero(), "it says since when that may be old: for %v", time.Since(tree.StaleSince()).Round(time.Millisecond))
	_, err = tree.Fresh()
	s.Promise(errors.Is(err, cache.ErrStale), "whoever asks for fresh data gets an error: %v", err)
	return nil
}

// edit is what the operator does during the outage.
func edit(ctx context.Context, operator *framework.Client) error {
	_, err := operator.Set(ctx, "/config/app/limit", []byte("20"), framework.AnyVersion)
	errs := []error{err}
	_, err = operator.Create(ctx, "/config/app/motd", []byte("hello"))
	errs = append(errs, err, operator.Delete(ctx, "/config/app/color", framework.AnyVersion))
	// Somebody has dropped the old database and made a new one of the same name: that is not the same node.
	errs = append(errs, operator.Delete(ctx, "/config/db/host", framework.AnyVersion))
	_, err = operator.Create(ctx, "/config/db/host", []byte("new"))
	errs = append(errs, err)
	_, err = operator.Create(ctx, "/config/app/draft", nil)
	return errors.Join(append(errs, err, operator.Delete(ctx, "/config/app/draft", framework.AnyVersion))...)
}

// difference: what the listener is told when the network is back.
func difference(ctx context.Context, s *stage.Stage, operator *framework.Client, tree *cache.Tree, events <-chan cache.Event) error {
	s.Title("4. The network is back.")
	told, err := story(ctx, s, events, cache.Synced)
	if err != nil {
		return err
	}
	s.Promise(sameEvents(told, []string{
		"Stale /config",
		"Changed /config/app/limit", "Added /config/app/motd", "Removed /config/app/color",
		"Removed /config/db/host", "Added /config/db/host",
	}), "the difference is told, each thing once, and nothing that is as it was; a new node of an old name is a new node")
	snapshot, err := tree.Fresh()
	if err != nil {
		return err
	}
	for path, node := range snapshot.All() {
		there, err := operator.Get(ctx, path)
		if err != nil || string(there.Data) != string(node.Data) || there.Stat.Mzxid != node.Stat.Mzxid {
			s.Promise(false, "%s differs from the servers' (%v)", path, err)
		}
	}
	s.Promise(snapshot.Len() == 6, "the cache is fresh, and equals the servers' tree: %d nodes", snapshot.Len())
	return nil
}
