package zktest

import "github.com/docent-zk/docent/internal/jute"

// The watcher types of checkWatches and removeWatches.
const (
	watcherChildren = 1
	watcherData     = 2
	watcherAny      = 3
)

// serveAddWatch answers addWatch. The watch goes into both tables, and there need not be a node.
func (s *Server) serveAddWatch(c *conn, r *request) {
	var req jute.PathInt32Request
	req.Decode(r.body)
	if r.body.Err() != nil || req.Value < 0 || req.Value > 1 {
		s.fail(c, r, ErrMarshalling)
		return
	}
	mode := persistent
	if req.Value == 1 {
		mode = recursive
	}
	s.watches.arm(c, dataTable, req.Path, mode)
	s.watches.arm(c, childTable, req.Path, mode)
	s.reply(c, r, func(e *jute.Encoder) { e.Int32(0) })
}

// serveWatchTypes answers checkWatches and removeWatches.
func (s *Server) serveWatchTypes(c *conn, r *request) {
	var req jute.PathInt32Request
	req.Decode(r.body)
	if r.body.Err() != nil || req.Value < watcherChildren || req.Value > watcherAny {
		s.fail(c, r, ErrMarshalling)
		return
	}
	found := false
	for _, key := range watchKeys(req.Path, req.Value) {
		if c.watched[key] == 0 {
			continue
		}
		found = true
		if r.op == OpRemoveWatches {
			s.watches.store(c, key, 0)
		}
	}
	if !found {
		s.fail(c, r, ErrNoWatcher)
		return
	}
	s.finish(c, r, 0)
}

func watchKeys(path string, watcherType int32) []watchKey {
	switch watcherType {
	case watcherChildren:
		return []watchKey{{childTable, path}}
	case watcherData:
		return []watchKey{{dataTable, path}}
	}
	return []watchKey{{childTable, path}, {dataTable, path}}
}

// serveSetWatches answers setWatches and setWatches2, with which a client puts its watches back after a reconnect. What
// has changed since the last zxid the client saw is told at once, in the order of the lists; the rest is armed.
func (s *Server) serveSetWatches(c *conn, r *request) {
	var req jute.SetWatches2Request
	if r.op == OpSetWatches2 {
		req.Decode(r.body)
	} else {
		req.SetWatchesRequest.Decode(r.body)
	}
	if r.body.Err() != nil {
		s.fail(c, r, ErrMarshalling)
		return
	}
	for _, path := range req.Data {
		s.rearm(c, dataTable, path, func(n *node) EventType { return missed(n, n != nil && n.mzxid > req.RelativeZxid, EventDataChanged) })
	}
	for _, path := range req.Exist {
		s.rearm(c, dataTable, path, func(n *node) EventType {
			if n != nil {
				return EventCreated
			}
			return 0
		})
	}
	for _, path := range req.Child {
		s.rearm(c, childTable, path, func(n *node) EventType {
			return missed(n, n != nil && n.pzxid > req.RelativeZxid, EventChildrenChanged)
		})
	}
	s.rearmStanding(c, req.Persistent, persistent)
	s.rearmStanding(c, req.Recursive, recursive)
	s.finish(c, r, 0)
}

// missed returns the event that a watch on a node that existed has missed, or 0.
func missed(n *node, changed bool, event EventType) EventType {
	switch {
	case n == nil:
		return EventDeleted
	case changed:
		return event
	}
	return 0
}

// rearm sends the event that a one-shot watch has missed, or arms it again if there is none.
func (s *Server) rearm(c *conn, table watchTable, path string, missed func(*node) EventType) {
	if event := missed(s.tree.get(path)); event != 0 {
		s.notify(c, event, path)
		return
	}
	s.watches.arm(c, table, path, oneShot)
}

func (s *Server) rearmStanding(c *conn, paths []string, mode watchMode) {
	for _, path := range paths {
		s.watches.arm(c, dataTable, path, mode)
		s.watches.arm(c, childTable, path, mode)
	}
}
