package zktest

import (
	"slices"

	"github.com/docent-zk/docent/internal/jute"
)

// watchMode is a set of the ways in which one connection watches one path. Config.Watches says whether there can be
// several.
type watchMode uint8

const (
	oneShot    watchMode = 1 << iota
	persistent           // stays, and tells of the node and its children
	recursive            // stays, and tells of the node and everything below it, but never ChildrenChanged
)

// watchTable is one of the two tables of watches.
type watchTable uint8

const (
	dataTable watchTable = iota
	childTable
)

// watchKey names what a connection watches.
type watchKey struct {
	table watchTable
	path  string
}

// watchManager holds the watches of all connections.
type watchManager struct {
	s          *Server
	tables     [2]map[string]map[*conn]watchMode
	recursives int // recursive watches in both tables: without any, the ancestors of a path need no look-up
}

func newWatchManager(s *Server) *watchManager {
	w := &watchManager{s: s}
	for i := range w.tables {
		w.tables[i] = make(map[string]map[*conn]watchMode)
	}
	return w
}

// arm adds a way of watching, or replaces the one that there was.
func (w *watchManager) arm(c *conn, table watchTable, path string, mode watchMode) {
	key := watchKey{table, path}
	if w.s.cfg.Watches == SideBySide {
		mode |= c.watched[key]
	}
	w.store(c, key, mode)
	for t := range c.tallies {
		t.watches++
	}
}

// store makes mode the way in which c watches key; 0 ends it.
func (w *watchManager) store(c *conn, key watchKey, mode watchMode) {
	before := c.watched[key]
	w.recursives += int(mode&recursive)/int(recursive) - int(before&recursive)/int(recursive)
	table := w.tables[key.table]
	if mode == 0 {
		delete(c.watched, key)
		delete(table[key.path], c)
		if len(table[key.path]) == 0 {
			delete(table, key.path)
		}
		return
	}
	if table[key.path] == nil {
		table[key.path] = make(map[*conn]watchMode, 1)
	}
	table[key.path][c] = mode
	if c.watched == nil {
		c.watched = make(map[watchKey]watchMode)
	}
	c.watched[key] = mode
}

// dropAll ends every watch of a connection.
func (w *watchManager) dropAll(c *conn) {
	for key := range c.watched {
		w.store(c, key, 0)
	}
}

// fire tells watchers of a change. A connection that has both a data and a child watch on a deleted node hears of it
// once.
func (w *watchManager) fire(ch *change, zxid int64) {
	told := w.trigger(dataTable, ch.path, ch.event, ch.acl, nil)
	if ch.event == EventDataChanged {
		return
	}
	if ch.event == EventDeleted {
		w.trigger(childTable, ch.path, EventDeleted, ch.acl, told)
	}
	w.trigger(childTable, ch.parent, EventChildrenChanged, ch.parentACL, nil)
}

// trigger sends one event to everybody who watches for it in one table and who is not in skip, and returns them. A
// watcher that may not read the node uses its watch up but hears nothing (CVE-2024-23944).
func (w *watchManager) trigger(table watchTable, path string, event EventType, acl []jute.ACL, skip []*conn) []*conn {
	watchers := w.match(table, path, event)
	for _, c := range watchers {
		if !slices.Contains(skip, c) && permitted(acl, permRead, c.ids) {
			w.s.notify(c, event, path)
		}
	}
	return watchers
}

// match returns the connections that an event concerns, ordered by age, and uses up their one-shot watches.
func (w *watchManager) match(table watchTable, path string, event EventType) []*conn {
	var watchers []*conn
	for c, mode := range w.tables[table][path] {
		if mode&^recursive != 0 || event != EventChildrenChanged {
			watchers = append(watchers, c)
		}
	}
	for _, c := range watchers {
		key := watchKey{table, path}
		w.store(c, key, c.watched[key]&^oneShot)
	}
	if w.recursives > 0 && event != EventChildrenChanged {
		watchers = w.matchAncestors(watchers, table, path)
	}
	slices.SortFunc(watchers, byAge)
	return slices.Compact(watchers)
}

// matchAncestors appends the connections that watch a node above path recursively.
func (w *watchManager) matchAncestors(watchers []*conn, table watchTable, path string) []*conn {
	for path != "/" && path != "" {
		path = path[:lastSlash(path)]
		if path == "" {
			path = "/"
		}
		for c, mode := range w.tables[table][path] {
			if mode&recursive != 0 {
				watchers = append(watchers, c)
			}
		}
	}
	return watchers
}

// count returns the number of watches in one table, and of paths that have any.
func (w *watchManager) count(table watchTable) (watches, paths int) {
	for _, conns := range w.tables[table] {
		watches += len(conns)
	}
	return watches, len(w.tables[table])
}
