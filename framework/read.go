package framework

import "context"

// read runs one read operation.
func read[T any](ctx context.Context, o *ops, op, path string, q query[T]) (T, error) {
	var v T
	err := o.do(ctx, request{op: op, path: path, size: len(q.at), repeatable: true, try: func(ctx context.Context, e *epoch) (err error) {
		v, err = ask(ctx, e, q)
		return err
	}})
	return v, err
}

// locate returns a path in the servers' form, or the error of an operation on it.
func (o *ops) locate(op, path string) (string, error) {
	at, err := o.space.resolve(path)
	if err != nil {
		return "", o.failUnsent(op, path, err)
	}
	return at, nil
}

// Get reads a node. It returns [ErrNoNode] if the node does not exist.
func (o *ops) Get(ctx context.Context, path string) (Node, error) {
	at, err := o.locate("get", path)
	if err != nil {
		return Node{}, err
	}
	return read(ctx, o, "get", path, getQuery(o.space, at, false))
}

// Exists reports whether a node exists, and returns its Stat if it does.
func (o *ops) Exists(ctx context.Context, path string) (Stat, bool, error) {
	at, err := o.locate("exists", path)
	if err != nil {
		return Stat{}, false, err
	}
	var stat *Stat
	err = o.do(ctx, request{op: "exists", path: path, size: len(at), repeatable: true, try: func(ctx context.Context, e *epoch) (err error) {
		stat, err = e.stat(ctx, at) // a node that does not exist is not an error
		return err
	}})
	if stat == nil {
		return Stat{}, false, err
	}
	return *stat, true, nil
}

// Children returns the names of a node's children, in no particular order, and the node's own Stat. It returns
// [ErrNoNode] if the node does not exist.
func (o *ops) Children(ctx context.Context, path string) ([]string, Stat, error) {
	at, err := o.locate("children", path)
	if err != nil {
		return nil, Stat{}, err
	}
	l, err := read(ctx, o, "children", path, childrenQuery(at, false))
	return l.names, l.stat, err
}

// Sync waits until the connected server has applied every change that was committed before the call. Reads after Sync
// are at least as recent as that.
func (o *ops) Sync(ctx context.Context, path string) error {
	at, err := o.locate("sync", path)
	if err != nil {
		return err
	}
	_, err = read(ctx, o, "sync", path, syncQuery(at))
	return err
}

// ACL returns a node's access-control list and its Stat. The Stat's Aversion is the version for SetACL.
func (o *ops) ACL(ctx context.Context, path string) ([]ACL, Stat, error) {
	at, err := o.locate("getACL", path)
	if err != nil {
		return nil, Stat{}, err
	}
	a, err := read(ctx, o, "getACL", path, aclQuery(at))
	return a.acl, a.stat, err
}
