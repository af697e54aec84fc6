package zktest

import "github.com/docent-zk/docent/internal/jute"

// multiOp is one operation of a multi. Only the field that belongs to op is set.
type multiOp struct {
	op     Op
	create creation
	target jute.PathInt32Request // delete, check
	set    jute.SetDataRequest
}

// multiResult is what an operation of a multi is answered with.
type multiResult struct {
	op   Op // as it stands in the reply
	path string
	stat *jute.Stat
}

// decodeMulti reads the operations of a multi; ok is false if the body is malformed or holds an operation that a
// multi cannot.
func decodeMulti(d *jute.Decoder) (ops []multiOp, ok bool) {
	for {
		var h jute.MultiHeader
		h.Decode(d)
		if d.Err() != nil {
			return nil, false
		}
		if h.Done {
			return ops, true
		}
		o := multiOp{op: Op(h.Type)}
		switch o.op {
		case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL:
			o.create.decode(o.op, d)
			o.create.byFlags()
		case OpDelete, OpCheck:
			o.target.Decode(d)
		case OpSetData:
			o.set.Decode(d)
		default:
			return nil, false
		}
		ops = append(ops, o)
	}
}

// byFlags gives a create of any opcode the one that it has within a multi, where the flags decide and not, as elsewhere, the
// opcode.
func (c *creation) byFlags() {
	switch mode := Mode(c.Flags); {
	case mode.ttl():
		c.unfit, c.op = c.op != OpCreateTTL, OpCreateTTL
	case mode == Container:
		c.op, c.ttl = OpCreateContainer, -1
	default:
		c.op, c.ttl = OpCreate, -1
	}
}

// apply runs one operation of a multi.
func (t *txn) apply(o *multiOp) (multiResult, ErrCode) {
	result := multiResult{op: o.op}
	var err ErrCode
	switch o.op {
	case OpDelete:
		err = t.delete(&o.target)
	case OpCheck:
		err = t.check(&o.target)
	case OpSetData:
		var n *node
		if n, err = t.setData(&o.set); err == 0 {
			result.stat = n.wireStat()
		}
	default:
		if o.create.unfit {
			return result, ErrMarshalling
		}
		var n *node
		if n, err = t.create(&o.create); err == 0 {
			result = createResult(n)
		}
	}
	return result, err
}

// createResult is the answer to a create of any opcode. What it looks like depends on the node that was made: containers
// and TTL nodes are answered as by create2, and all others as by create, even to a create2 (before 3.9).
func createResult(n *node) multiResult {
	if n.mode == Container || n.mode.ttl() {
		return multiResult{op: OpCreate2, path: n.path, stat: n.wireStat()}
	}
	return multiResult{op: OpCreate, path: n.path}
}

func (r *multiResult) encode(e *jute.Encoder) {
	(&jute.MultiHeader{Type: int32(r.op)}).Encode(e)
	if r.path != "" {
		e.String(r.path)
	}
	if r.stat != nil {
		r.stat.Encode(e)
	}
}

// serveMulti answers multi: all operations, or none. The header of the reply says success in either case; what failed
// stands in the results.
func (s *Server) serveMulti(c *conn, r *request) {
	t := s.begin(c)
	ops, ok := decodeMulti(r.body)
	if !ok {
		s.fail(c, r, t.end(ErrMarshalling))
		return
	}
	results := make([]multiResult, len(ops))
	for i := range ops {
		var err ErrCode
		if results[i], err = t.apply(&ops[i]); err == ErrMarshalling {
			s.fail(c, r, t.end(err)) // of the request as a whole
			return
		} else if err != 0 {
			t.end(err)
			r.err = err
			s.reply(c, r, func(e *jute.Encoder) { encodeFailedMulti(e, len(ops), i, err) })
			return
		}
	}
	t.end(0)
	s.reply(c, r, func(e *jute.Encoder) {
		for i := range results {
			results[i].encode(e)
		}
		jute.EndOfMulti().Encode(e)
	})
}

// encodeFailedMulti appends the results of a multi of n operations of which the one at failed did.
func encodeFailedMulti(e *jute.Encoder, n, failed int, err ErrCode) {
	for i := range n {
		code := ErrCode(0)
		switch {
		case i == failed:
			code = err
		case i > failed:
			code = ErrRuntimeInconsistency
		}
		encodeErrorResult(e, code)
	}
	jute.EndOfMulti().Encode(e)
}

func encodeErrorResult(e *jute.Encoder, err ErrCode) {
	(&jute.MultiHeader{Type: -1, Err: int32(err)}).Encode(e)
	e.Int32(int32(err))
}

// decodeMultiRead reads the operations of a multiRead, which may be getData and getChildren.
func decodeMultiRead(d *jute.Decoder) (ops []Op, paths []string, ok bool) {
	for {
		var h jute.MultiHeader
		h.Decode(d)
		if d.Err() != nil {
			return nil, nil, false
		}
		if h.Done {
			return ops, paths, true
		}
		if op := Op(h.Type); op != OpGetData && op != OpGetChildren {
			return nil, nil, false
		}
		var req jute.PathWatchRequest
		req.Decode(d)
		ops, paths = append(ops, Op(h.Type)), append(paths, req.Path)
	}
}

// refuseMultiRead answers a multiRead that cannot be read as one. If it is a multi, a server has begun its answer when it sees that these are
// no reads.
func (s *Server) refuseMultiRead(c *conn, r *request, body *jute.Decoder) {
	r.err = ErrMarshalling
	var begun func(*jute.Encoder)
	if writes, ok := decodeMulti(body); ok && len(writes) > 0 {
		begun = jute.EndOfMulti().Encode
	}
	s.respond(c, r, ErrMarshalling, begun)
}

// serveMultiRead answers multiRead, whose operations succeed and fail one by one.
func (s *Server) serveMultiRead(c *conn, r *request) {
	body := *r.body
	ops, paths, ok := decodeMultiRead(r.body)
	if !ok {
		s.refuseMultiRead(c, r, &body)
		return
	}
	s.reply(c, r, func(e *jute.Encoder) {
		for i, op := range ops {
			n, err := s.readable(c, paths[i])
			if err != 0 {
				encodeErrorResult(e, err)
				continue
			}
			(&jute.MultiHeader{Type: int32(op)}).Encode(e)
			encodeRead(e, op, n)
		}
		jute.EndOfMulti().Encode(e)
	})
}
