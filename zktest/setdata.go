package zktest

import (
	"bytes"

	"github.com/docent-zk/docent/internal/jute"
)

// setData gives a node new data; the same data again counts as a change.
func (t *txn) setData(r *jute.SetDataRequest) (*node, ErrCode) {
	if !validPath(r.Path) {
		return nil, ErrBadArguments
	}
	n := t.s.tree.get(r.Path)
	switch {
	case n == nil:
		return nil, ErrNoNode
	case !t.allowed(n, permWrite):
		return nil, ErrNoAuth
	case !t.withinQuota(r.Path, 0, int64(len(r.Data)-len(n.data))):
		return nil, ErrQuotaExceeded
	case !matchesVersion(n.version, r.Version):
		return nil, ErrBadVersion
	}
	t.set(n, bytes.Clone(r.Data))
	return n, 0
}

// serveSetData answers setData.
func (s *Server) serveSetData(c *conn, r *request) {
	t := s.begin(c)
	var req jute.SetDataRequest
	req.Decode(r.body)
	if r.body.Err() != nil {
		s.fail(c, r, t.end(ErrMarshalling))
		return
	}
	n, err := t.setData(&req)
	if t.end(err) != 0 {
		s.fail(c, r, err)
		return
	}
	s.reply(c, r, n.wireStat().Encode)
}
