package zktest

import (
	"maps"
	"slices"
	"time"
)

// nextReap returns when containers are to be searched next, on the server's clock. Without container and TTL nodes
// there is nothing to wait for, and an idle server sets no timer.
func (s *Server) nextReap() time.Duration {
	if len(s.tree.reapable) == 0 {
		return never
	}
	return s.lastReap + s.cfg.ContainerCheckInterval
}

// reapDue deletes containers that have lost their last child and TTL nodes that have outlived their time, if it is time
// to look for them. Each goes in a transaction of its own. It reports whether it looked.
func (s *Server) reapDue() bool {
	now, interval := s.clock(), s.cfg.ContainerCheckInterval
	if s.frozen() || now < s.lastReap+interval {
		return false
	}
	s.lastReap = now / interval * interval
	wall := time.Now().UnixMilli()
	for _, path := range slices.Sorted(maps.Keys(s.tree.reapable)) {
		if n := s.tree.get(path); n.outlived(wall) {
			s.tracef("%v %s removed", n.mode, path)
			t := s.begin(nil)
			t.drop(n)
			t.end(0)
		}
	}
	return true
}

// outlived reports whether a container or TTL node is to be removed. A container that never had a child stays.
func (n *node) outlived(now int64) bool {
	if len(n.kids) > 0 {
		return false
	}
	if n.mode == Container {
		return n.created > 0
	}
	return now-n.mtime > n.ttl.Milliseconds()
}
