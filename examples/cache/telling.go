package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
)

// create makes persistent nodes.
func create(ctx context.Context, cli *framework.Client, paths ...string) error {
	for _, path := range paths {
		if _, err := cli.Create(ctx, path, []byte("first"), framework.Parents); err != nil {
			return err
		}
	}
	return nil
}

// value is what the cache has at a path.
func value(tree *cache.Tree, path string) string {
	node, ok := tree.Get(path)
	if !ok {
		return "nothing"
	}
	return string(node.Data)
}

// story tells events up to one of the given type, and returns those before it.
func story(ctx context.Context, s *stage.Stage, events <-chan cache.Event, last cache.EventType) ([]cache.Event, error) {
	var told []cache.Event
	for {
		e, err := stage.Await(ctx, events, func(cache.Event) bool { return true })
		if err != nil {
			return told, err
		}
		s.Say("event: %v", e)
		if e.Type == last {
			return told, nil
		}
		told = append(told, e)
	}
}

// sameEvents reports whether exactly the wanted events were told. What is removed is told before what is added in its place.
func sameEvents(told []cache.Event, wanted []string) bool {
	var names []string
	for _, e := range told {
		names = append(names, fmt.Sprint(e.Type, " ", e.Path))
	}
	again := slices.Index(names, "Removed /config/db/host") < slices.Index(names, "Added /config/db/host")
	slices.Sort(names)
	slices.Sort(wanted)
	return again && slices.Equal(names, wanted)
}
