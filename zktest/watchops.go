package zktest

import (
	"strings"

	"github.com/docent-zk/docent/internal/jute"
)

// The watcher types of checkWatches and removeWatches.
const (
	watcherChildren   = 1
	watcherData       = 2
	watcherAny        = 3
	watcherPersistent = 4 // since 3.9
	watcherRecursive  = 5 // since 3.9
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
	c.rep().watches.arm(c, dataTable, req.Path, mode)
	c.rep().watches.arm(c, childTable, req.Path, mode)
	s.reply(c, r, func(e *jute.Encoder) { e.Int32(0) })
}

// serveWatchTypes answers checkWatches and removeWatches.
func (s *Server) serveWatchTypes(c *conn, r *request) {
	var req jute.PathInt32Request
	req.Decode(r.body)
	keys, modes := s.watchesOf(req.Path, req.Value)
	// A server may go through the parents of the path, which a path without a slash does not survive.
	rootless := r.op == OpCheckWatches && req.Path != "" && !strings.Contains(req.Path, "/")
	if r.body.Err() != nil || keys == nil || rootless {
		s.fail(c, r, ErrMarshalling)
		return
	}
	found := false
	for _, key := range keys {
		switch {
		case c.watched[key]&modes != 0:
			found = true
			if r.op == OpRemoveWatches {
				c.rep().watches.store(c, key, c.watched[key]&^modes)
			}
		case r.op == OpCheckWatches && s.cfg.Watches != SideBySide && len(c.rep().watches.tables[key.table][key.path]) > 0:
			found = true // before 3.9 somebody else's will do
		}
	}
	if !found {
		s.fail(c, r, ErrNoWatcher)
		return
	}
	s.finish(c, r, 0)
}

// watchesOf returns where the watches of a type are and in which ways they watch; no keys for a type that the server does not know.
// Since 3.9 the types of before are those of one-shot watches.
func (s *Server) watchesOf(path string, watcherType int32) (keys []watchKey, modes watchMode) {
	const every = oneShot | persistent | recursive
	child, data := watchKey{childTable, path}, watchKey{dataTable, path}
	old := s.cfg.Watches != SideBySide
	switch {
	case watcherType == watcherAny:
		return []watchKey{child, data}, every
	case watcherType == watcherChildren && old:
		return []watchKey{child}, every
	case watcherType == watcherData && old:
		return []watchKey{data}, every
	case watcherType == watcherChildren:
		return []watchKey{child}, oneShot
	case watcherType == watcherData:
		return []watchKey{data}, oneShot
	case watcherType == watcherPersistent && !old:
		return []watchKey{child, data}, persistent
	case watcherType == watcherRecursive && !old:
		return []watchKey{child, data}, recursive
	}
	return nil, 0
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
	s.finish(c, r, s.rearmAll(c, r.op, &req))
}

// rearmAll goes through the lists of a setWatches2. A null list stops it halfway, which is how a real server answers it.
func (s *Server) rearmAll(c *conn, op Op, req *jute.SetWatches2Request) ErrCode {
	since := req.RelativeZxid
	once := []struct {
		paths  []string
		table  watchTable
		missed func(*node) EventType
	}{
		{req.Data, dataTable, func(n *node) EventType { return missedData(n, since) }},
		{req.Exist, dataTable, missedExist},
		{req.Child, childTable, func(n *node) EventType { return missedChild(n, since) }},
	}
	for _, list := range once {
		if list.paths == nil {
			return ErrMarshalling
		}
		for _, path := range list.paths {
			s.rearm(c, list.table, path, list.missed)
		}
	}
	if op == OpSetWatches {
		return 0
	}
	return s.rearmStanding(c, req)
}

// missedData returns the event that a getData watch has missed since a zxid, or 0.
func missedData(n *node, since int64) EventType {
	switch {
	case n == nil:
		return EventDeleted
	case n.mzxid > since:
		return EventDataChanged
	}
	return 0
}

// missedExist returns the event that the watch of an exists that found nothing has missed, or 0.
func missedExist(n *node) EventType {
	if n == nil {
		return 0
	}
	return EventCreated
}

// missedChild returns the event that a getChildren watch has missed since a zxid, or 0.
func missedChild(n *node, since int64) EventType {
	switch {
	case n == nil:
		return EventDeleted
	case n.pzxid > since:
		return EventChildrenChanged
	}
	return 0
}

// rearm sends the event that a one-shot watch has missed, or arms it again if there is none.
func (s *Server) rearm(c *conn, table watchTable, path string, missed func(*node) EventType) {
	if event := missed(c.rep().tree.get(path)); event != 0 {
		s.notify(c, event, path)
		return
	}
	c.rep().watches.arm(c, table, path, oneShot)
}

// rearmStanding arms the persistent and recursive watches of a setWatches2, for which there is no catching up.
func (s *Server) rearmStanding(c *conn, req *jute.SetWatches2Request) ErrCode {
	for _, list := range []struct {
		paths []string
		mode  watchMode
	}{{req.Persistent, persistent}, {req.Recursive, recursive}} {
		if list.paths == nil {
			return ErrMarshalling
		}
		for _, path := range list.paths {
			c.rep().watches.arm(c, dataTable, path, list.mode)
			c.rep().watches.arm(c, childTable, path, list.mode)
		}
	}
	return 0
}
