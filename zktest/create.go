package zktest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// maxTTL is the longest time to live that a node can have, in milliseconds.
const maxTTL = 1<<40 - 1

// creation is a create operation of any opcode.
type creation struct {
	jute.CreateRequest
	op  Op
	ttl int64 // milliseconds; -1 for every opcode but createTTL
	// unfit says that the flags are those of a node with a time to live, and that the body has none.
	unfit bool
}

// decode reads the body that belongs to op.
func (c *creation) decode(op Op, d *jute.Decoder) {
	c.op, c.ttl = op, -1
	c.CreateRequest.Decode(d)
	if op == OpCreateTTL {
		c.ttl = d.Int64()
	}
}

// create adds a node. The order of the checks is the server's: the first that fails decides the error.
func (t *txn) create(c *creation) (*node, ErrCode) {
	mode := Mode(c.Flags)
	parentPath, _, named := splitPath(c.Path)
	if !mode.valid() || !c.validTTL() || !named {
		return nil, ErrBadArguments
	}
	acl, err := t.fixACL(c.ACL)
	if err != 0 {
		return nil, err
	}
	parent := t.s.tree.get(parentPath)
	if parent == nil {
		return nil, ErrNoNode
	}
	if !t.allowed(parent, permCreate) {
		return nil, ErrNoAuth
	}
	path := c.Path
	if mode.sequential() {
		path += fmt.Sprintf("%010d", parent.created)
	}
	switch {
	case !validPath(path):
		return nil, ErrBadArguments
	case t.s.tree.get(path) != nil:
		return nil, ErrNodeExists
	case parent.mode == Ephemeral:
		return nil, ErrNoChildrenForEphemerals
	case !t.withinQuota(path, 1, int64(len(c.Data))):
		return nil, ErrQuotaExceeded
	}
	n := &node{path: path, acl: acl, data: bytes.Clone(c.Data), mode: c.kind()}
	switch {
	case n.mode == Ephemeral:
		n.owner = t.session
	case n.mode.ttl():
		n.ttl = time.Duration(c.ttl) * time.Millisecond
	}
	t.add(n)
	return n, 0
}

// kind returns the mode that the node keeps. Containers are made by their own opcode, whatever its flags; create and
// create2 take a container's flags and make a persistent node of them, which no sweep will ever remove.
func (c *creation) kind() Mode {
	switch mode := Mode(c.Flags).lasting(); {
	case c.op == OpCreateContainer:
		return Container
	case mode == Container:
		return Persistent
	default:
		return mode
	}
}

// validTTL reports whether a time to live was given exactly if the mode has one, and within its range. (A createTTL of
// another mode with a negative time to live stops a real server for good.)
func (c *creation) validTTL() bool {
	if Mode(c.Flags).ttl() {
		return c.ttl > 0 && c.ttl <= maxTTL
	}
	return c.op != OpCreateTTL
}

// serveCreate answers create, create2, createContainer and createTTL.
func (s *Server) serveCreate(c *conn, r *request) {
	t := s.begin(c)
	var req creation
	req.decode(r.op, r.body)
	if r.body.Err() != nil {
		s.fail(c, r, t.end(ErrMarshalling))
		return
	}
	n, err := t.create(&req)
	if t.end(err) != 0 {
		s.fail(c, r, err)
		return
	}
	r.path = n.path
	s.reply(c, r, func(e *jute.Encoder) {
		e.String(n.path)
		if r.op != OpCreate {
			n.wireStat().Encode(e)
		}
	})
}
