package zktest

import "github.com/docent-zk/docent/internal/jute"

// delete removes a node. The permission it needs is DELETE on the parent, which is checked before the node is even
// looked for.
func (t *txn) delete(r *jute.PathInt32Request) ErrCode {
	parentPath, _, named := splitPath(r.Path)
	if !named || reserved(r.Path) {
		return ErrBadArguments
	}
	parent := t.s.tree.get(parentPath)
	if parent == nil {
		return ErrNoNode
	}
	if !t.allowed(parent, permDelete) {
		return ErrNoAuth
	}
	n := t.s.tree.get(r.Path)
	switch {
	case n == nil:
		return ErrNoNode
	case !matchesVersion(n.version, r.Value):
		return ErrBadVersion
	case len(n.kids) > 0:
		return ErrNotEmpty
	}
	t.drop(n)
	return 0
}

// check fails the transaction unless the node has the version. It exists only inside a multi.
func (t *txn) check(r *jute.PathInt32Request) ErrCode {
	if !validPath(r.Path) {
		return ErrBadArguments
	}
	n := t.s.tree.get(r.Path)
	switch {
	case n == nil:
		return ErrNoNode
	case !t.allowed(n, permRead):
		return ErrNoAuth
	case !matchesVersion(n.version, r.Value):
		return ErrBadVersion
	}
	return 0
}

// matchesVersion compares a version with the expected one, of which -1 means any.
func matchesVersion(have, want int32) bool {
	return want == -1 || have == want
}

// serveDelete answers delete.
func (s *Server) serveDelete(c *conn, r *request) {
	t := s.begin(c)
	var req jute.PathInt32Request
	req.Decode(r.body)
	if r.body.Err() != nil {
		s.fail(c, r, t.end(ErrMarshalling))
		return
	}
	s.finish(c, r, t.end(t.delete(&req)))
}
