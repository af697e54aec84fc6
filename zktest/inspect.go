package zktest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// The methods in this file look at the tree and change it without a client: to assert what is there, and to interfere
// from outside. They do not ask for permissions. Watchers are told of the changes as usual, and each change takes a
// transaction. Their errors are ErrCode values wrapped with the path.

// Node is one node of a Dump.
type Node struct {
	Data []byte        // nil if the node's data is null
	Stat Stat          // as clients see it
	Mode Mode          // never one of the sequential modes
	TTL  time.Duration // of a TTL node
}

// SessionInfo describes a session.
type SessionInfo struct {
	ID         int64         // as clients know it
	Timeout    time.Duration // as granted
	Connected  bool          // whether a connection is attached to it
	Conn       ConnInfo      // valid if Connected
	Ephemerals []string      // paths of its ephemeral nodes, sorted
}

func pathError(op, path string, code ErrCode) error {
	if code == 0 {
		return nil
	}
	return fmt.Errorf("zktest: %s %q: %w", op, path, code)
}

// Get returns a copy of a node's data, nil for null, and its Stat.
func (s *Server) Get(path string) ([]byte, Stat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.tree.get(path)
	if n == nil {
		return nil, Stat{}, pathError("get", path, ErrNoNode)
	}
	return bytes.Clone(n.data), n.stat(), nil
}

// Exists reports whether the node at path exists.
func (s *Server) Exists(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tree.get(path) != nil
}

// Children returns the names of a node's children, sorted.
func (s *Server) Children(path string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.tree.get(path)
	if n == nil {
		return nil, pathError("list", path, ErrNoNode)
	}
	names := n.childNames()
	slices.Sort(names)
	return names, nil
}

// Create creates a node with an open ACL and returns its path. The parent must exist. For ephemeral modes, use
// CreateFor; TTL modes are not supported.
func (s *Server) Create(path string, data []byte, mode Mode) (string, error) {
	if mode.ephemeral() {
		return "", pathError("create", path, ErrSessionExpired)
	}
	s.mu.Lock()
	defer s.wake()
	defer s.mu.Unlock()
	return s.createFor(0, path, data, mode)
}

// CreateFor creates a node for a live session, which owns the node if it is ephemeral.
func (s *Server) CreateFor(session int64, path string, data []byte, mode Mode) (string, error) {
	s.mu.Lock()
	defer s.wake()
	defer s.mu.Unlock()
	if s.sessions[session] == nil {
		return "", pathError("create", path, ErrSessionExpired)
	}
	return s.createFor(session, path, data, mode)
}

// plant creates the nodes that are there from the beginning, and their parents.
func (s *Server) plant(nodes map[string]string) error {
	for _, path := range slices.Sorted(maps.Keys(nodes)) {
		for i := 1; i < len(path); i++ {
			if parent := path[:i]; path[i] == '/' && s.tree.get(parent) == nil {
				if _, err := s.createFor(0, parent, []byte{}, Persistent); err != nil {
					return err
				}
			}
		}
		if _, err := s.createFor(0, path, []byte(nodes[path]), Persistent); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) createFor(session int64, path string, data []byte, mode Mode) (string, error) {
	s.standStill()
	t := s.begin(nil)
	t.session = session
	c := creation{ttl: -1, CreateRequest: jute.CreateRequest{Path: path, Data: data, ACL: worldAnyone, Flags: int32(mode)}}
	c.byFlags()
	n, code := t.create(&c)
	if t.end(code) != 0 {
		return "", pathError("create", path, code)
	}
	return n.path, nil
}

// Set sets the data of a node, whatever its version.
func (s *Server) Set(path string, data []byte) error {
	s.mu.Lock()
	defer s.wake()
	defer s.mu.Unlock()
	s.standStill()
	t := s.begin(nil)
	_, code := t.setData(&jute.SetDataRequest{Path: path, Data: data, Version: -1})
	return pathError("set", path, t.end(code))
}

// Delete deletes a node without children, whatever its version.
func (s *Server) Delete(path string) error {
	s.mu.Lock()
	defer s.wake()
	defer s.mu.Unlock()
	s.standStill()
	t := s.begin(nil)
	code := t.delete(&jute.PathInt32Request{Path: path, Value: -1})
	return pathError("delete", path, t.end(code))
}

// Dump returns all nodes by path, except /zookeeper and the nodes below it.
func (s *Server) Dump() map[string]Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	dump := make(map[string]Node)
	dumpInto(dump, s.tree.root)
	return dump
}

func dumpInto(dump map[string]Node, n *node) {
	if n.path == "/zookeeper" {
		return
	}
	dump[n.path] = Node{Data: bytes.Clone(n.data), Stat: n.stat(), Mode: n.mode, TTL: n.ttl}
	for _, k := range n.kids {
		dumpInto(dump, k)
	}
}

// Zxid returns the last transaction.
func (s *Server) Zxid() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.zxid
}

// Sessions returns the live sessions, by id.
func (s *Server) Sessions() []SessionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []SessionInfo
	for _, id := range slices.Sorted(maps.Keys(s.sessions)) {
		ss := s.sessions[id]
		info := SessionInfo{ID: id, Timeout: ss.timeout, Connected: ss.conn != nil, Ephemerals: ss.sortedEphemerals()}
		if ss.conn != nil {
			info.Conn = ss.conn.info()
		}
		list = append(list, info)
	}
	return list
}

// Conns returns the open connections, oldest first. Those without a session have not completed their handshake.
func (s *Server) Conns() []ConnInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []ConnInfo
	for _, c := range s.liveConns() {
		list = append(list, c.info())
	}
	slices.SortFunc(list, func(a, b ConnInfo) int { return cmp.Compare(a.ID, b.ID) })
	return list
}
