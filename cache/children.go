package cache

import (
	"context"
	"iter"

	"github.com/docent-zk/docent/framework"
)

// Children is a mirror of a node and its children, such as a directory of services, hosts or members. It is safe for
// concurrent use.
type Children struct{ nodes }

// OpenChildren mirrors the node at dir and its children. It returns when all of them have been read; ctx bounds only
// that. If the directory does not exist, the cache is empty until it is created.
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

// Each iterates over the children in the current Snapshot, by name.
func (c *Children) Each() iter.Seq2[string, framework.Node] { return c.Snapshot().Children(c.Root()) }

// Child returns a child in the current Snapshot by its name.
func (c *Children) Child(name string) (framework.Node, bool) {
	return c.Get(framework.Join(c.Root(), name))
}
