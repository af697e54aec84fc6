package framework

import (
	"context"
	"errors"
	"slices"
)

// TreeNode is a node that [Client.Walk] has come to.
type TreeNode struct {
	Path     string   // absolute, in the client's namespace
	Stat     Stat     // as the server returned it together with the names
	Children []string // names of its children, sorted; not to be changed
}

// What the function of a [Client.Walk] can return to go on in another way.
var (
	// SkipChildren makes Walk go on without what is below the node.
	SkipChildren = errors.New("skip what is below this node")
	// SkipAll ends Walk without an error.
	SkipAll = errors.New("skip all that is left")
)

// walkAhead is how many siblings are read at once.
const walkAhead = 16

// Walk calls f for the node at path and for every node below it, a parent before its children, and children in the order of their
// names. Data is not read.
//
// If a node cannot be read, f gets its path and the error, an [*OpError]: mostly [ErrNoAuth], or [ErrReplyRefused] for a list of children
// that is too long. What is below it is left out. Walk ends with the first error that f returns, except for [SkipChildren] and
// [SkipAll], and with one of its own when the servers cannot be asked any more. f may use the client, and change what is below the
// node, and is never called by two goroutines at once.
//
// Walk is not a snapshot. A node that is deleted before Walk comes to it is left out without an error, unless it is the one at path:
// that is [ErrNoNode]. A node that is created meanwhile is found only if the list of its parent has not been read yet. A Client goes
// on in the next session when one is lost.
//
// Walk reads 16 siblings at once. It keeps the lists of children on the way from path to the node it is at, and those of the siblings
// that were read with each of them, whatever the size of the tree.
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

// treeWalk is a Walk under way.
type treeWalk struct {
	ops *ops
	ctx context.Context
	f   func(TreeNode, error) error
}

// visited is a node, or why it cannot be read.
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

// visit calls f for a node and for what is below it.
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
