package framework

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-zookeeper/zk"
)

// Op is one operation of a [Client.Multi]. Make it with [CreateOp], [SetOp], [DeleteOp] or [CheckOp].
type Op struct {
	name    string
	path    string
	data    []byte
	version int32
	mode    Mode
	acl     []ACL
}

// CreateOp creates a node. Parents, Protected, containers and TTL modes are not possible inside a multi.
func CreateOp(path string, data []byte, mode Mode) Op {
	return Op{name: "create", path: path, data: data, mode: mode}
}

// WithACL returns op with an access-control list of its own, for CreateOp. The list is copied. Defaults to Config.ACL.
func (op Op) WithACL(acl []ACL) Op {
	op.acl = slices.Clone(acl)
	return op
}

// SetOp replaces a node's data if it has this version, or [AnyVersion].
func SetOp(path string, data []byte, version int32) Op {
	return Op{name: "set", path: path, data: data, version: version}
}

// DeleteOp removes a node if it has this version, or [AnyVersion].
func DeleteOp(path string, version int32) Op {
	return Op{name: "delete", path: path, version: version}
}

// CheckOp changes nothing and fails the multi unless the node exists with this version, or [AnyVersion].
func CheckOp(path string, version int32) Op {
	return Op{name: "check", path: path, version: version}
}

// Path is the path that the operation is about, as it was given.
func (op Op) Path() string { return op.path }

// OpResult is what one operation of a multi has done: the path of a created node, the new Stat of a set one.
type OpResult struct {
	Path string // of a created node, in the client's namespace
	Stat Stat   // of a node that was set
}

// Multi applies all operations, in order and as one change, or none of them. A refused one is reported as [*MultiError],
// which unwraps to the server's error. When the answer is lost the result is [ErrOutcomeUnknown], unless [Idempotent] is
// given among opts.
func (o *ops) Multi(ctx context.Context, operations []Op, opts ...WriteOption) ([]OpResult, error) {
	w := &write{}
	for _, opt := range opts {
		opt.applyWrite(w)
	}
	requests, size, err := o.multiRequests(operations)
	path := "(no operations)"
	if len(operations) > 0 {
		path = operations[0].path
	}
	if err != nil {
		return nil, &OpError{Op: "multi", Path: path, State: o.core.gate.Load().State, Err: err}
	}
	var results []OpResult
	err = o.do(ctx, request{op: "multi", path: path, size: size, repeatable: w.repeat,
		try: func(ctx context.Context, e *epoch) error {
			answers, err := call(ctx, e, func(conn *zk.Conn) ([]zk.MultiResponse, error) { return conn.Multi(requests...) })
			if err != nil {
				return o.core.refusal(operations, answers, err)
			}
			results = o.results(answers)
			return nil
		}})
	return results, err
}

func (o *ops) multiRequests(operations []Op) (requests []any, size int, err error) {
	for _, op := range operations {
		at, err := o.resolveNew(op.path, op.mode)
		if err != nil {
			return nil, 0, err
		}
		if op.name == "create" && len(op.acl) == 0 {
			op.acl = o.core.cfg.ACL
		}
		r, err := o.multiRequest(op, at)
		if err != nil {
			return nil, 0, err
		}
		requests = append(requests, r)
		size += 48 + len(at) + len(op.data)
		for _, a := range op.acl {
			size += 12 + len(a.Scheme) + len(a.ID)
		}
	}
	return requests, size, nil
}

func (o *ops) multiRequest(op Op, at string) (any, error) {
	switch op.name {
	case "create":
		if !op.mode.valid() || op.mode == Container || op.mode.ttl() {
			return nil, fmt.Errorf("create %s: %w: a multi creates persistent and ephemeral nodes, sequential or not", op.path, zk.ErrInvalidFlags)
		}
		return &zk.CreateRequest{Path: at, Data: owned(op.data), Acl: op.acl, Flags: int32(op.mode)}, nil
	case "set":
		return &zk.SetDataRequest{Path: at, Data: owned(op.data), Version: op.version}, nil
	case "delete":
		return &zk.DeleteRequest{Path: at, Version: op.version}, nil
	case "check":
		return &zk.CheckVersionRequest{Path: at, Version: op.version}, nil
	}
	return nil, fmt.Errorf("%w: an Op must come from CreateOp, SetOp, DeleteOp or CheckOp", zk.ErrBadArguments)
}

// refusal names the first operation that the server refused: those before it carry no error, those behind it an
// unspecific one.
func (c *core) refusal(operations []Op, answers []zk.MultiResponse, err error) error {
	for i, a := range answers {
		if a.Error != nil && i < len(operations) {
			op := operations[i]
			return &MultiError{Index: i, Op: op.name, Path: op.path, Err: c.explain(op.name, op.path, a.Error)}
		}
	}
	return err
}

func (o *ops) results(answers []zk.MultiResponse) []OpResult {
	results := make([]OpResult, len(answers))
	for i, a := range answers {
		if a.String != "" {
			results[i].Path = o.space.local(a.String)
		}
		if a.Stat != nil {
			results[i].Stat = *a.Stat
		}
	}
	return results
}
