package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

// Op is one operation of a [Client.Multi]. Create it with [CreateOp], [SetOp], [DeleteOp] or [CheckOp].
type Op struct {
	name    string
	path    string
	data    []byte
	version int32
	mode    Mode
	acl     []ACL
}

// CreateOp creates a node. Parents, Protected, containers and TTL modes cannot be used in a multi.
func CreateOp(path string, data []byte, mode Mode) Op {
	return Op{name: "create", path: path, data: data, mode: mode}
}

// WithACL returns a CreateOp with a copy of acl as the node's access-control list.
// Defaults to Config.ACL.
func (op Op) WithACL(acl []ACL) Op {
	op.acl = slices.Clone(acl)
	return op
}

// SetOp replaces a node's data if the node has this version, or [AnyVersion].
func SetOp(path string, data []byte, version int32) Op {
	return Op{name: "set", path: path, data: data, version: version}
}

// DeleteOp deletes a node if it has this version, or [AnyVersion].
func DeleteOp(path string, version int32) Op {
	return Op{name: "delete", path: path, version: version}
}

// CheckOp changes nothing. It makes the multi fail unless the node exists with this version, or [AnyVersion].
func CheckOp(path string, version int32) Op {
	return Op{name: "check", path: path, version: version}
}

// Path returns the operation's path as it was given.
func (op Op) Path() string { return op.path }

// OpResult is the result of one operation of a multi.
type OpResult struct {
	Path string // path of a created node, in the client's namespace
	Stat Stat   // new Stat of a node that was set
}

// Multi applies all operations in one transaction, in order, or none of them. If one is refused, the error is a
// [*MultiError], which unwraps to the server's reply. If the reply is lost, the error is [ErrOutcomeUnknown], unless
// opts contain [Idempotent].
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
		return nil, o.failUnsent("multi", path, err)
	}
	var results []OpResult
	err = o.do(ctx, request{op: "multi", path: path, size: size, repeatable: w.repeat,
		try: func(ctx context.Context, e *epoch) error {
			q := multiQuery(path, requests)
			q.long = isLong(size)
			answers, err := ask(ctx, e, q)
			if err != nil {
				return o.core.refusal(operations, err)
			}
			results = o.results(answers)
			return nil
		}})
	return results, err
}

func (o *ops) multiRequests(operations []Op) (requests []jute.MultiOp, size int, err error) {
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

func (o *ops) multiRequest(op Op, at string) (jute.MultiOp, error) {
	switch op.name {
	case "create":
		if !op.mode.valid() || op.mode == Container || op.mode.ttl() {
			return jute.MultiOp{}, fmt.Errorf("create %s: %w: a multi creates persistent and ephemeral nodes, sequential or not", op.path, zk.ErrInvalidFlags)
		}
		return createOp(at, notNull(op.data), op.acl, op.mode), nil
	case "set":
		return setOp(at, notNull(op.data), op.version), nil
	case "delete":
		return deleteOp(at, op.version), nil
	case "check":
		return jute.MultiOp{Type: jute.OpCheck, Body: &jute.PathInt32Request{Path: at, Value: op.version}}, nil
	}
	return jute.MultiOp{}, fmt.Errorf("%w: an Op must come from CreateOp, SetOp, DeleteOp or CheckOp", zk.ErrBadArguments)
}

func createOp(at string, data []byte, acl []ACL, mode Mode) jute.MultiOp {
	return jute.MultiOp{Type: jute.OpCreate, Body: &jute.CreateRequest{Path: at, Data: data, ACL: juteACLs(acl), Flags: int32(mode)}}
}

func setOp(at string, data []byte, version int32) jute.MultiOp {
	return jute.MultiOp{Type: jute.OpSetData, Body: &jute.SetDataRequest{Path: at, Data: data, Version: version}}
}

func deleteOp(at string, version int32) jute.MultiOp {
	return jute.MultiOp{Type: jute.OpDelete, Body: &jute.PathInt32Request{Path: at, Value: version}}
}

// refusedPart is the error of a multi in which one operation was refused.
type refusedPart struct {
	index int
	err   error // the server's reply to that operation
}

func (e *refusedPart) Error() string { return e.err.Error() }
func (e *refusedPart) Unwrap() error { return e.err }

// multiQuery returns the query for a multi. Its reply has the results of all operations. Its error is a refusedPart if
// the server has refused one.
func multiQuery(at string, requests []jute.MultiOp) query[[]jute.MultiResult] {
	return query[[]jute.MultiResult]{
		op: jute.OpMulti, at: at, body: &jute.MultiRequest{Ops: requests},
		decode: func(d *jute.Decoder) []jute.MultiResult { return d.MultiResults(len(requests)) },
		judge:  func(results []jute.MultiResult) error { return judgeMulti(results, len(requests)) },
	}
}

// judgeMulti returns the refusal, if there is one. Operations before the refused one have no error, and those after it
// an unspecific one.
func judgeMulti(results []jute.MultiResult, want int) error {
	i := slices.IndexFunc(results, func(r jute.MultiResult) bool { return r.Err != 0 })
	switch {
	case i >= 0:
		return &refusedPart{index: i, err: codeError(results[i].Err)}
	case len(results) != want:
		return fmt.Errorf("%w: a multi of %d operations is answered with %d results", wire.ErrMalformed, want, len(results))
	}
	return nil
}

// refusal names the refused operation.
func (c *core) refusal(operations []Op, err error) error {
	var part *refusedPart
	if !errors.As(err, &part) || part.index >= len(operations) {
		return err
	}
	op := operations[part.index]
	return &MultiError{Index: part.index, Op: op.name, Path: op.path, Err: c.explain(op.name, op.path, part.err)}
}

func (o *ops) results(answers []jute.MultiResult) []OpResult {
	results := make([]OpResult, len(answers))
	for i, a := range answers {
		if a.Path != "" {
			results[i].Path = o.space.local(a.Path)
		}
		if a.Stat != nil {
			results[i].Stat = Stat(*a.Stat)
		}
	}
	return results
}
