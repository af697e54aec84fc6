package framework

import (
	"context"
	"errors"
	"slices"
)

// TreeNode is a node that [Client.Walk] visits.
type TreeNode struct {
	Path     string   // absolute, in the client's namespace
	Stat     Stat     // as returned together with Children
	Children []string // names of its children, sorted; do not change them
}

// Errors that the function passed to [Client.Walk] returns to control the walk.
var (
	// SkipChildren makes Walk skip the nodes below this one.
	SkipChildren = errors.New("skip the nodes below this node")
	// SkipAll ends Walk without an error.
	SkipAll = errors.New("skip all remaining nodes")
)

// walkAhead is how many siblings are read at once.
const walkAhead = 16

// Walk calls f for the node at path and for every node below it, a parent before its children, and children in the
// order of their names. It does not read data.
//
// If a node cannot be read, f receives its path and an [*OpError], mostly [ErrNoAuth], or [ErrReplyRefused] for a list
// of children that is too long. Walk then skips the nodes below it. Walk ends with the first error of f other than
// [SkipChildren] and [SkipAll], or when the servers can no longer be asked. f may use the client, and may change the
// nodes below its node. It is never called concurrently.
//
// Walk is not a snapshot. It skips nodes that are deleted before it visits them, but returns [ErrNoNode] if path does
// not exist. It finds a node that is created meanwhile only if it has not read the parent yet. A Client continues in
// the next session if one is lost.
//
// Walk reads 16 siblings at once. For each level between path and the current node, it keeps one list of children in
// memory, and those of the siblings that were read together, whatever the size of the tree.
func (o *ops) Walk(ctx context.Context, path string, f func(TreeNode, error) error) error {
	at, err := o.locate("walk", path)
	if err != nil {
		return err
	}
	w := &treeWalk{ops: o, ctx: ctx, f: f}
	root, err := w.read([]string{o.space.local(at)})
	if err != nil {
		return err
	}
	if errors.Is(root[0].err, ErrNoNode) {
		return root[0].err
	}
	if err := w.visit(root[0]); !errors.Is(err, SkipAll) {
		return err
	}
	return nil
}

// treeWalk is a Walk in progress.
type treeWalk struct {
	ops *ops
	ctx context.Context
	f   func(TreeNode, error) error
}

// visited is a node, or the error of its read.
type visited struct {
	TreeNode
	err error
}

// read reads the nodes at paths.
func (w *treeWalk) read(paths []string) ([]visited, error) {
	queries := make([]query[visited], len(paths))
	longest := 0
	for i, path := range paths {
		at, err := w.ops.locate("walk", path)
		if err != nil {
			return nil, err
		}
		longest = max(longest, len(at))
		queries[i] = as(childrenQuery(at, false), func(l listing) visited {
			slices.Sort(l.names)
			return visited{TreeNode: TreeNode{Stat: l.stat, Children: l.names}}
		})
	}
	var nodes []visited
	err := w.ops.do(w.ctx, request{op: "walk", path: paths[0], size: longest, repeatable: true, try: func(ctx context.Context, e *epoch) error {
		answers, errs, err := askAll(ctx, e, queries)
		for i := range answers {
			answers[i].err = errs[i]
		}
		nodes = answers
		return err
	}})
	for i := range nodes {
		nodes[i].Path = paths[i]
		if refused := nodes[i].err; refused != nil {
			nodes[i].err = w.ops.failUnsent("walk", paths[i], w.ops.core.explain("walk", paths[i], refused))
		}
	}
	return nodes, err
}

// visit calls f for a node and for the nodes below it.
func (w *treeWalk) visit(n visited) error {
	if err := w.f(n.TreeNode, n.err); err != nil {
		if errors.Is(err, SkipChildren) {
			return nil
		}
		return err
	}
	for names := range slices.Chunk(n.Children, walkAhead) {
		paths := make([]string, len(names))
		for i, name := range names {
			paths[i] = Join(n.Path, name)
		}
		siblings, err := w.read(paths)
		if err != nil {
			return err
		}
		for _, s := range siblings {
			if errors.Is(s.err, ErrNoNode) {
				continue // deleted since its parent was listed
			}
			if err := w.visit(s); err != nil {
				return err
			}
		}
	}
	return nil
}
