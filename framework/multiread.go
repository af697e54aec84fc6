package framework

import (
	"context"
	"fmt"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/seam"
	"github.com/docent-zk/docent/internal/wire"
)

// readSize bounds the request of a MultiRead, in bytes. Servers might refuse longer ones.
const readSize = 32 << 10

// multiReadSize implements recipekit.MultiReadSize.
func (s *Session) multiReadSize() int {
	if !s.core.can.has(capMultiRead) {
		return 0
	}
	return readSize / (2 + len(s.space)/32) // a list sends its path twice, and each path includes the client's namespace
}

// multiRead implements recipekit.MultiRead.
func (s *Session) multiRead(ctx context.Context, reads []seam.Read) (answers []seam.ReadAnswer[Node], err error) {
	if len(reads) == 0 {
		return nil, nil
	}
	ops, size, err := s.readOps(reads)
	if err != nil {
		return nil, err
	}
	err = s.do(ctx, request{op: "multiRead", path: reads[0].Path, size: size, repeatable: true, try: func(ctx context.Context, e *epoch) error {
		if lack := e.core.can.lack(capMultiRead); lack != nil {
			return lack
		}
		results, err := ask(ctx, e, multiReadQuery(ops, e.core.can.kind(capMultiRead)))
		if err == nil {
			answers = s.readAnswers(ops, results)
		}
		return err
	}})
	return answers, err
}

// readOps returns the operations for reads: a getData for each, followed by a getChildren if List is set. The reply to
// a getChildren has no Stat, so the Stat is that of the getData. It must not be newer than the list, or a child created
// in between would seem to be missing.
func (s *Session) readOps(reads []seam.Read) (ops []jute.MultiOp, size int, err error) {
	ops = make([]jute.MultiOp, 0, len(reads))
	for _, r := range reads {
		at, err := s.locate("multiRead", r.Path)
		if err != nil {
			return nil, 0, err
		}
		body := &jute.PathWatchRequest{Path: at}
		ops = append(ops, jute.MultiOp{Type: jute.OpGetData, Body: body})
		if r.List {
			ops = append(ops, jute.MultiOp{Type: jute.OpGetChildren, Body: body})
		}
		size += 2*len(at) + 32
	}
	return ops, size, nil
}

func pathOf(op jute.MultiOp) string { return op.Body.(*jute.PathWatchRequest).Path }

// multiReadQuery returns the query for a multi of reads. Its reply has one result for each operation.
func multiReadQuery(ops []jute.MultiOp, kind wire.Kind) query[[]jute.ReadResult] {
	return query[[]jute.ReadResult]{
		op: jute.OpMultiRead, at: pathOf(ops[0]), body: &jute.MultiRequest{Ops: ops}, kind: kind,
		decode: func(d *jute.Decoder) []jute.ReadResult {
			results := d.ReadResults(len(ops))
			for i := range results {
				results[i].Data = cloned(results[i].Data)
			}
			return results
		},
		judge: func(results []jute.ReadResult) error { return judgeReads(ops, results) },
	}
}

// judgeReads returns an error if results do not fit ops.
func judgeReads(ops []jute.MultiOp, results []jute.ReadResult) error {
	if len(results) != len(ops) {
		return fmt.Errorf("%w: a multiRead of %d operations is answered with %d results", wire.ErrMalformed, len(ops), len(results))
	}
	for i, r := range results {
		if r.Op != ops[i].Type && (r.Op != -1 || r.Err == 0) {
			return fmt.Errorf("%w: operation %d of a multiRead is answered with a result of another kind", wire.ErrMalformed, i)
		}
	}
	return nil
}

// readAnswers combines the results of each Read.
func (s *Session) readAnswers(ops []jute.MultiOp, results []jute.ReadResult) []seam.ReadAnswer[Node] {
	answers := make([]seam.ReadAnswer[Node], 0, len(ops))
	for i, r := range results {
		var err error
		if r.Err != 0 {
			err = codeError(r.Err)
		}
		if ops[i].Type == jute.OpGetData {
			node := Node{Path: s.space.local(pathOf(ops[i])), Data: r.Data, Stat: Stat(r.Stat)}
			answers = append(answers, seam.ReadAnswer[Node]{Node: node, Err: err})
		} else if a := &answers[len(answers)-1]; a.Err == nil {
			a.Names, a.Err = r.Names, err
		}
	}
	return answers
}
