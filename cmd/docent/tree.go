package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/framework"
)

// treeCommand shows a node and what is below it.
func (a *app) treeCommand() *cobra.Command {
	w := &treeWalk{app: a}
	cmd := &cobra.Command{
		Use: "tree [PATH]", Short: "Show a node and everything below it", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completePath,
		Long: "Tree shows PATH, or the root, with everything below it.\n\n" +
			"It shows a part of a large tree: see --depth, --children and --limit. A note says where something was left out.",
	}
	f := cmd.Flags()
	f.IntVar(&w.depth, "depth", 10, "show at most so many levels below PATH")
	f.IntVar(&w.width, "children", 100, "show at most so many children of each node")
	f.IntVar(&w.limit, "limit", 1000, "show at most so many nodes")
	f.BoolVar(&w.data, "data", false, "show the beginning of each node's data")
	cmd.RunE = a.action(func(ctx context.Context, cli *framework.Client, args []string) error {
		path, err := oneNode(args)
		if err != nil {
			return err
		}
		if w.depth < 0 || w.width < 1 || w.limit < 1 {
			return usagef("--depth cannot be negative, and --children and --limit must be positive")
		}
		w.cli = cli
		return w.run(ctx, path)
	})
	return cmd
}

// treeWalk shows one tree. It keeps the nodes of one path in memory, or up to limit nodes for JSON.
type treeWalk struct {
	*app
	cli                 *framework.Client
	depth, width, limit int
	data                bool

	shown   int
	list    []nodeJSON
	omitted bool
}

// entry is one node as it was read.
type entry struct {
	name  string
	node  framework.Node
	names []string // of its children, in order, width at most
	more  int      // children beyond these
	gone  bool
	err   error // the node may not be read
}

func (w *treeWalk) run(ctx context.Context, path string) error {
	root, err := w.read(ctx, path, path)
	if err == nil {
		err = root.err
	}
	if root.gone {
		err = framework.ErrNoNode
	}
	if err != nil {
		return fmt.Errorf("tree %s: %w", path, err)
	}
	w.show(root, path, "")
	if err := w.below(ctx, root, path, "", 0); err != nil {
		return err
	}
	if w.asJSON {
		w.out.json(struct {
			Nodes      []nodeJSON `json:"nodes"`
			Incomplete bool       `json:"incomplete,omitempty"`
		}{w.list, w.omitted})
	} else if w.shown >= w.limit && w.omitted {
		w.out.printf("(%s shown; see --limit)\n", plural(w.shown, "node"))
	}
	return nil
}

// read reads a node. What became of it is in the entry; the error is one that ends the walk.
func (w *treeWalk) read(ctx context.Context, path, name string) (entry, error) {
	e := entry{name: name}
	names, stat, err := w.cli.Children(ctx, path)
	if err == nil {
		e.node = framework.Node{Path: path, Stat: stat}
		if w.data && stat.DataLength > 0 {
			var n framework.Node
			if n, err = w.cli.Get(ctx, path); err == nil {
				e.node.Data = n.Data
			}
		}
	}
	switch {
	case errors.Is(err, framework.ErrNoNode):
		e.gone = true
	case errors.Is(err, framework.ErrNoAuth), errors.Is(err, framework.ErrReplyRefused):
		e.err = err
	case err != nil:
		return e, err
	}
	slices.Sort(names)
	e.more = max(len(names)-w.width, 0)
	e.names = slices.Clone(names[:len(names)-e.more]) // a long list is not kept
	return e, nil
}

// below shows what is below a node.
func (w *treeWalk) below(ctx context.Context, parent entry, path, indent string, level int) error {
	if len(parent.names) == 0 {
		return nil
	}
	if level == w.depth {
		w.note(indent, "%s; see --depth", plural(len(parent.names)+parent.more, "child node"))
		return nil
	}
	names := parent.names
	more := parent.more
	if left := w.limit - w.shown; len(names) > left {
		more += len(names) - left
		names = names[:left]
	}
	entries := make([]entry, len(names))
	err := parallel(len(names), func(i int) (err error) {
		entries[i], err = w.read(ctx, framework.Join(path, names[i]), names[i])
		return err
	})
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return e.gone })
	for i, e := range entries {
		if w.shown >= w.limit {
			more += len(entries) - i
			break
		}
		branch, deeper := "├── ", "│   "
		if i == len(entries)-1 && more == 0 {
			branch, deeper = "└── ", "    "
		}
		w.show(e, framework.Join(path, e.name), indent+branch)
		if err := w.below(ctx, e, framework.Join(path, e.name), indent+deeper, level+1); err != nil {
			return err
		}
	}
	if more > 0 {
		w.note(indent, "%d more", more)
	}
	return w.out.err
}

// show writes the line of a node.
func (w *treeWalk) show(e entry, path, indent string) {
	w.shown++
	if w.asJSON {
		n := statJSON(path, e.node.Stat)
		if w.data {
			n = n.with(e.node.Data)
		}
		w.list = append(w.list, n)
		return
	}
	w.out.printf("%s%s", indent, clip(e.name, 200))
	if owner := e.node.Stat.EphemeralOwner; owner != 0 {
		w.out.printf("  (session %s)", session(owner))
	}
	switch {
	case e.err != nil:
		w.out.printf("  (%s)", safe(reason(e.err)))
	case len(e.node.Data) > 0:
		w.out.printf("  = %s", clip(string(e.node.Data), maxCell))
	}
	w.out.printf("\n")
}

// note says what is left out.
func (w *treeWalk) note(indent, format string, args ...any) {
	w.omitted = true
	if !w.asJSON {
		w.out.printf("%s└── (%s)\n", indent, fmt.Sprintf(format, args...))
	}
}

// reason is why a node whose path is known already could not be read.
func reason(err error) string {
	var op *framework.OpError
	switch {
	case errors.Is(err, framework.ErrNoAuth):
		return "this client may not read it"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}
