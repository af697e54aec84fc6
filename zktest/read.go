package zktest

import (
	"strings"

	"github.com/docent-zk/docent/internal/jute"
)

// Reads do not validate paths, as the real server does not: a malformed one just names no node. The root answers to ""
// as well as to "/".

// readable returns the node at path if c may read it.
func (s *Server) readable(c *conn, path string) (*node, ErrCode) {
	n := c.rep().tree.get(path)
	switch {
	case n == nil:
		return nil, ErrNoNode
	case !permitted(n.acl, permRead, c.ids):
		return nil, ErrNoAuth
	}
	return n, 0
}

// serveExists answers exists. It needs no permission, and its watch stays also when there is no node.
func (s *Server) serveExists(c *conn, r *request) {
	var req jute.PathWatchRequest
	req.Decode(r.body)
	switch {
	case r.body.Err() != nil:
		s.fail(c, r, ErrMarshalling)
		return
	case strings.IndexByte(req.Path, 0) >= 0:
		s.fail(c, r, ErrBadArguments)
		return
	}
	if req.Watch {
		c.rep().watches.arm(c, dataTable, req.Path, oneShot)
	}
	n := c.rep().tree.get(req.Path)
	if n == nil {
		s.fail(c, r, ErrNoNode)
		return
	}
	s.reply(c, r, n.wireStat().Encode)
}

// serveRead answers getData, getChildren and getChildren2, whose watches are set only on success.
func (s *Server) serveRead(c *conn, r *request) {
	var req jute.PathWatchRequest
	req.Decode(r.body)
	if r.body.Err() != nil {
		s.fail(c, r, ErrMarshalling)
		return
	}
	n, err := s.readable(c, req.Path)
	if err != 0 {
		s.fail(c, r, err)
		return
	}
	if req.Watch {
		table := childTable
		if r.op == OpGetData {
			table = dataTable
		}
		c.rep().watches.arm(c, table, req.Path, oneShot)
	}
	s.reply(c, r, func(e *jute.Encoder) { encodeRead(e, r.op, n) })
}

// encodeRead appends the body of a successful read.
func encodeRead(e *jute.Encoder, op Op, n *node) {
	if op == OpGetData {
		e.Buffer(n.data)
	} else {
		e.Strings(n.childNames())
	}
	if op != OpGetChildren {
		n.wireStat().Encode(e)
	}
}

// serveSync answers sync, which has nothing to wait for on a server that is its own leader.
func (s *Server) serveSync(c *conn, r *request) {
	var req jute.PathRequest
	req.Decode(r.body)
	if r.body.Err() != nil {
		s.fail(c, r, ErrMarshalling)
		return
	}
	s.reply(c, r, req.Encode)
}

// serveChildrenNumber answers getAllChildrenNumber, which counts all descendants.
func (s *Server) serveChildrenNumber(c *conn, r *request) {
	var req jute.PathRequest
	req.Decode(r.body)
	if r.body.Err() != nil {
		s.fail(c, r, ErrMarshalling)
		return
	}
	n, err := s.readable(c, req.Path)
	if err != 0 {
		s.fail(c, r, err)
		return
	}
	count := n.descendants()
	if req.Path == "" {
		count++ // the root is below its other name
	}
	s.reply(c, r, func(e *jute.Encoder) { e.Int32(int32(count)) })
}

// serveEphemerals answers getEphemerals: the session's own ephemeral nodes under a prefix.
func (s *Server) serveEphemerals(c *conn, r *request) {
	var req jute.PathRequest
	req.Decode(r.body)
	if r.body.Err() != nil {
		s.fail(c, r, ErrMarshalling)
		return
	}
	paths := []string{}
	for _, path := range c.session.sortedEphemerals() {
		if strings.HasPrefix(path, req.Path) {
			paths = append(paths, path)
		}
	}
	s.reply(c, r, func(e *jute.Encoder) { e.Strings(paths) })
}
