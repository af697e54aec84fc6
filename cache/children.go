package cache

import (
	"context"
	"iter"

	"github.com/docent-zk/docent/framework"
)

// Children is a mirror of a node and its children: a directory of services, hosts, members. It is safe for use by many
// goroutines.
type Children struct{ nodes }

// OpenChildren mirrors the node at dir and its children, and returns when all have been read. ctx bounds only that. The
// directory need not exist: it is waited for.
//
// Errors: those of [Open].
func OpenChildren(ctx context.Context, cli *framework.Client, dir string, opts ...ChildrenOption) (*Children, error) {
	s := newSpec("children cache", dir, 1)
	for _, o := range opts {
		o.applyChildren(&s)
	}
	m, err := open(ctx, cli, s, plain{})
	if err != nil {
		return nil, err
	}
	return &Children{nodes{handle{m}}}, nil
}

// Each gives the children of the present Snapshot with their names, ordered by name.
func (c *Children) Each() iter.Seq2[string, framework.Node] { return c.Snapshot().Children(c.Root()) }

// Child returns a child of the present Snapshot by its name.
func (c *Children) Child(name string) (framework.Node, bool) {
	return c.Get(framework.Join(c.Root(), name))
}
