package framework

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

// ReadOp is one read of a [Client.MultiRead]. Create it with [GetOp] or [ChildrenOp].
type ReadOp struct {
	op   int32
	path string
}

// GetOp reads a node, as Get does.
func GetOp(path string) ReadOp { return ReadOp{jute.OpGetData, path} }

// ChildrenOp reads the names of a node's children, without the node's Stat.
func ChildrenOp(path string) ReadOp { return ReadOp{jute.OpGetChildren, path} }

// Path returns the path as it was given.
func (r ReadOp) Path() string { return r.path }

// name returns the operation's name for errors.
func (r ReadOp) name() string {
	if r.op == jute.OpGetChildren {
		return "children"
	}
	return "get"
}

// ReadResult is the result of one read of a MultiRead.
type ReadResult struct {
	Node     Node     // of a GetOp
	Children []string // of a ChildrenOp, in no particular order
	Err      error    // an [*OpError] if this read failed, such as ErrNoNode
}

// MultiRead reads many nodes in few requests. It returns a result for each of reads, in the same order. If a node does
// not exist, or must not be read, only its own result has an error. Reads cannot be part of a transaction: see
// [Client.Multi].
//
// One server does the reads of a request one after the other, so they are not a snapshot. A request contains up to 32
// KiB of paths. Servers without multiRead (ZooKeeper before 3.6) receive a request for each read, all at once.
//
// Errors: [ErrInvalidPath]; [ErrReplyRefused] if the data of one request is longer than Config.MaxReplySize.
func (o *ops) MultiRead(ctx context.Context, reads []ReadOp) ([]ReadResult, error) {
	results := make([]ReadResult, 0, len(reads))
	ats := make([]string, len(reads))
	for i, r := range reads {
		if r.op == 0 {
			return nil, o.failUnsent("multiRead", r.path, fmt.Errorf("%w: a ReadOp must come from GetOp or ChildrenOp", zk.ErrBadArguments))
		}
		var err error
		if ats[i], err = o.locate("multiRead", r.path); err != nil {
			return nil, err
		}
	}
	for from := 0; from < len(reads); {
		to, size := from, 0
		for to < len(reads) && (to == from || size+len(ats[to])+16 <= readSize) {
			size += len(ats[to]) + 16
			to++
		}
		part, err := o.readPart(ctx, reads[from:to], ats[from:to], size)
		if err != nil {
			return nil, err
		}
		results, from = append(results, part...), to
	}
	return results, nil
}

// readPart does the reads of one request.
func (o *ops) readPart(ctx context.Context, reads []ReadOp, ats []string, size int) (results []ReadResult, err error) {
	err = o.do(ctx, request{op: "multiRead", path: reads[0].path, size: size, repeatable: true, try: func(ctx context.Context, e *epoch) error {
		ask := o.readTogether
		if !e.core.can.has(capMultiRead) {
			ask = o.readSingly
		}
		results, err = ask(ctx, e, reads, ats)
		return err
	}})
	if err != nil {
		return nil, err
	}
	for i, r := range reads {
		if results[i].Err != nil {
			results[i] = ReadResult{Err: o.failUnsent(r.name(), r.path, o.core.explain(r.name(), r.path, results[i].Err))}
		}
	}
	return results, nil
}

func (o *ops) readTogether(ctx context.Context, e *epoch, reads []ReadOp, ats []string) ([]ReadResult, error) {
	list := make([]jute.MultiOp, len(reads))
	for i, r := range reads {
		list[i] = jute.MultiOp{Type: r.op, Body: &jute.PathWatchRequest{Path: ats[i]}}
	}
	answers, err := ask(ctx, e, multiReadQuery(list, e.core.can.kind(capMultiRead)))
	if err != nil {
		return nil, err
	}
	results := make([]ReadResult, len(answers))
	for i, a := range answers {
		switch {
		case a.Err != 0:
			results[i].Err = codeError(a.Err)
		case reads[i].op == jute.OpGetData:
			results[i].Node = Node{Path: o.space.local(ats[i]), Data: a.Data, Stat: Stat(a.Stat)}
		default:
			results[i].Children = a.Names
		}
	}
	return results, nil
}

func (o *ops) readSingly(ctx context.Context, e *epoch, reads []ReadOp, ats []string) ([]ReadResult, error) {
	queries := make([]query[ReadResult], len(reads))
	for i, r := range reads {
		queries[i] = as(getQuery(o.space, ats[i], false), func(n Node) ReadResult { return ReadResult{Node: n} })
		if r.op == jute.OpGetChildren {
			queries[i] = as(childrenQuery(ats[i], false), func(l listing) ReadResult { return ReadResult{Children: l.names} })
		}
	}
	results, errs, err := askAll(ctx, e, queries)
	for i := range results {
		results[i].Err = errs[i]
	}
	return results, err
}

// as returns a query whose reply is converted.
func as[T, R any](q query[T], convert func(T) R) query[R] {
	return query[R]{op: q.op, at: q.at, body: q.body, kind: q.kind, long: q.long, decode: func(d *jute.Decoder) R { return convert(q.decode(d)) }}
}

// askAll sends all queries at once and waits for all replies. errs has the error codes of the replies. err is not nil
// if a reply is missing.
func askAll[T any](ctx context.Context, e *epoch, queries []query[T]) (answers []T, errs []error, err error) {
	list, calls := make([]*asked[T], len(queries)), make([]*wire.Call, len(queries))
	for i, q := range queries {
		list[i] = q.call(ctx)
		calls[i] = &list[i].Call
	}
	if err := e.send(ctx, calls...); err != nil {
		return nil, nil, err
	}
	answers, errs = make([]T, len(queries)), make([]error, len(queries))
	for i, a := range list {
		answer, failure := a.wait(ctx, e)
		failure = answerTo("", failure)
		if failure != nil && outcomeOf(failure) != answered && !errors.Is(failure, ErrReplyRefused) {
			err = cmp.Or(err, failure)
		}
		answers[i], errs[i] = answer, failure
	}
	return answers, errs, err
}

// Ephemerals returns the paths of the session's ephemeral nodes at and below path, sorted. For a Client, it is the
// current session. All nodes whose create was answered before the call are included.
//
// It returns [ErrUnsupported] on servers without getEphemerals (ZooKeeper before 3.6).
func (o *ops) Ephemerals(ctx context.Context, path string) ([]string, error) {
	at, err := o.locate("ephemerals", path)
	if err != nil {
		return nil, err
	}
	paths, err := readKind(ctx, o, "ephemerals", path, capEphemerals, query[[]string]{
		op: jute.OpGetEphemerals, at: at, body: &jute.PathRequest{Path: at}, decode: (*jute.Decoder).Strings,
	})
	return o.space.below(at, paths), err
}

// Descendants returns the number of nodes below a node, at all levels. Only the node itself must be readable. The
// number of direct children is in the node's Stat (NumChildren).
//
// It returns [ErrNoNode] if the node does not exist, and [ErrUnsupported] on servers without getAllChildrenNumber
// (ZooKeeper before 3.6).
func (o *ops) Descendants(ctx context.Context, path string) (int, error) {
	at, err := o.locate("descendants", path)
	if err != nil {
		return 0, err
	}
	n, err := readKind(ctx, o, "descendants", path, capDescendants, query[int32]{
		op: jute.OpDescendants, at: at, body: &jute.PathRequest{Path: at}, decode: (*jute.Decoder).Int32,
	})
	return int(n), err
}

// readKind is read for a request that some servers do not support.
func readKind[T any](ctx context.Context, o *ops, op, path string, which capability, q query[T]) (answer T, err error) {
	q.kind = o.core.can.kind(which)
	err = o.do(ctx, request{op: op, path: path, size: len(q.at), repeatable: true, try: func(ctx context.Context, e *epoch) (err error) {
		if lack := e.core.can.lack(which); lack != nil {
			return lack
		}
		answer, err = ask(ctx, e, q)
		return err
	}})
	return answer, err
}
