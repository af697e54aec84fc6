package framework

import (
	"context"

	"github.com/go-zookeeper/zk"
)

// read runs one repeatable operation that returns a value.
func read[T any](ctx context.Context, o *ops, op, path string, fn func(conn *zk.Conn, path string) (T, error)) (T, error) {
	var v T
	at, err := o.space.resolve(path)
	if err != nil {
		return v, &OpError{Op: op, Path: path, State: o.core.gate.Load().State, Err: err}
	}
	err = o.do(ctx, request{op: op, path: path, size: len(at), repeatable: true, try: func(ctx context.Context, e *epoch) (err error) {
		v, err = call(ctx, e, func(conn *zk.Conn) (T, error) { return fn(conn, at) })
		return err
	}})
	return v, err
}

// Get reads a node. It returns [ErrNoNode] if there is none.
func (o *ops) Get(ctx context.Context, path string) (Node, error) {
	return read(ctx, o, "get", path, func(conn *zk.Conn, at string) (Node, error) { return getNode(conn, o.space, at) })
}

func getNode(conn *zk.Conn, s space, at string) (Node, error) {
	data, stat, err := conn.Get(at)
	if err != nil {
		return Node{}, err
	}
	return Node{Path: s.local(at), Data: data, Stat: *stat}, nil
}

// Exists reports whether a node exists, and its Stat if it does.
func (o *ops) Exists(ctx context.Context, path string) (Stat, bool, error) {
	stat, err := read(ctx, o, "exists", path, existsStat)
	if stat == nil {
		return Stat{}, false, err
	}
	return *stat, true, nil
}

// existsStat returns nil for a node that does not exist.
func existsStat(conn *zk.Conn, at string) (*Stat, error) {
	ok, stat, err := conn.Exists(at)
	if err != nil || !ok {
		return nil, err
	}
	return stat, nil
}

// listing is a directory as it was read.
type listing struct {
	names []string
	stat  Stat
}

func listChildren(conn *zk.Conn, at string) (listing, error) {
	names, stat, err := conn.Children(at)
	if err != nil {
		return listing{}, err
	}
	return listing{names: names, stat: *stat}, nil
}

// Children returns the names of a node's children, in no particular order, and the node's own Stat. It returns
// [ErrNoNode] if the node does not exist.
func (o *ops) Children(ctx context.Context, path string) ([]string, Stat, error) {
	l, err := read(ctx, o, "children", path, listChildren)
	return l.names, l.stat, err
}

// Sync waits until the server that the client is connected to has seen every change that was committed before the call,
// so that the reads that follow cannot be older than that.
func (o *ops) Sync(ctx context.Context, path string) error {
	_, err := read(ctx, o, "sync", path, (*zk.Conn).Sync)
	return err
}

// ACL returns a node's access-control list and its Stat, whose Aversion is the version for SetACL.
func (o *ops) ACL(ctx context.Context, path string) ([]ACL, Stat, error) {
	type answer struct {
		acl  []ACL
		stat Stat
	}
	a, err := read(ctx, o, "getACL", path, func(conn *zk.Conn, at string) (answer, error) {
		acl, stat, err := conn.GetACL(at)
		if err != nil {
			return answer{}, err
		}
		return answer{acl, *stat}, nil
	})
	return a.acl, a.stat, err
}

// sync is Sync on an epoch. The root exists in every tree, chroot or not.
func (e *epoch) sync(ctx context.Context) error {
	_, err := call(ctx, e, func(conn *zk.Conn) (string, error) { return conn.Sync("/") })
	return err
}

// stat reads a node's Stat on an epoch, nil for a node that does not exist.
func (e *epoch) stat(ctx context.Context, at string) (*Stat, error) {
	return call(ctx, e, func(conn *zk.Conn) (*Stat, error) { return existsStat(conn, at) })
}
