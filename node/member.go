package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Member is a node in the directory of a group.
type Member struct {
	ID   string         // the name of the node
	Data []byte         // its payload; do not modify it
	Stat framework.Stat // EphemeralOwner is the member's session; 0 for a persistent node
	Err  error          // why the payload cannot be read; Data and Stat are then empty
}

// Group is the state of a group.
type Group struct {
	// Members are ordered by ID. Every child of the directory is a member, whichever client has created it.
	Members []Member
	// Err is why Members cannot be updated: what the servers refuse. Members is then the last known state.
	Err error
}

// Join adds id to the group at dir, with a payload, until the Keeper is closed. It is [Keep] for the node dir/id. Set
// changes the payload, and Close leaves the group. The layout is that of Apache Curator's GroupMember.
//
// An id belongs to one member at a time. If it is taken, Join waits until it is free. With [Replace], a restarted
// process need not wait.
func Join(ctx context.Context, cli *framework.Client, dir, id string, payload []byte, opts ...Option) (*Keeper, error) {
	dir = framework.Abs(dir)
	if err := validateMember(dir, id); err != nil {
		return nil, err
	}
	return Keep(ctx, cli, framework.Join(dir, id), payload, append([]Option{ListedAs("group member")}, opts...)...)
}

func validateMember(dir, id string) error {
	err := framework.ValidatePath(dir)
	if err == nil && strings.Contains(id, "/") {
		err = &framework.PathError{Path: id, Reason: "the id of a member is a name, without slashes"}
	}
	if err == nil {
		err = framework.ValidatePath(id)
	}
	if err != nil {
		return fmt.Errorf("group %s, member %q: %w", dir, id, err)
	}
	return nil
}

// Members reads a group once. A group that has never been joined is empty. Each member is as it was at some moment
// during the call. A member that leaves meanwhile is omitted.
func Members(ctx context.Context, cli *framework.Client, dir string) ([]Member, error) {
	dir = framework.Abs(dir)
	if err := recipekit.Usable(cli); err != nil {
		return nil, fmt.Errorf("group %s: %w", dir, err)
	}
	names, _, err := cli.Children(ctx, dir)
	if errors.Is(err, framework.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", dir, err)
	}
	slices.Sort(names)
	nodes, errs := make([]framework.Node, len(names)), make([]error, len(names))
	together(len(names), func(i int) {
		nodes[i], errs[i] = cli.Get(ctx, framework.Join(dir, names[i]))
	})
	var members []Member
	for i, name := range names {
		switch {
		case errs[i] == nil, errors.Is(errs[i], framework.ErrNoAuth):
			members = append(members, Member{ID: name, Data: nodes[i].Data, Stat: nodes[i].Stat, Err: errs[i]})
		case !errors.Is(errs[i], framework.ErrNoNode):
			return nil, fmt.Errorf("group %s: %w", dir, errs[i])
		}
	}
	return members, nil
}

// reads is how many members are read concurrently.
const reads = 64

// together calls f for 0 to n-1 concurrently, a few at a time, and returns when all calls have returned.
func together(n int, f func(i int)) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(n, reads) {
		workers.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
}
