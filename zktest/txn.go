package zktest

import (
	"bytes"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// txn is one transaction: a single write, a multi, the end of a session or a write that a test makes directly. It owns
// one zxid, which is used up even when the transaction fails. Operations are applied at once and undone if a later one
// fails; what watchers are to be told waits until all have succeeded.
type txn struct {
	s       *Server
	zxid    int64
	now     int64 // milliseconds since 1970, the same for all operations
	session int64 // owner of ephemeral nodes
	ids     []authID
	trusted bool // permissions are not checked: the server's own writes and those of tests
	ending  bool // the transaction ends the session
	undo    []func()
	redo    []func(*tree) // what members of a cluster do to their trees
	changes []change
	usages  map[string]usage // of paths with a quota, before the transaction
}

// change is one thing that watchers may have to be told, with the ACLs that decide who may hear of it.
type change struct {
	event     EventType
	path      string
	parent    string
	acl       []jute.ACL
	parentACL []jute.ACL
	node      *node
	data      []byte // behind the change; before it, if the node was deleted
}

// begin starts a transaction on behalf of c, or of the server itself if c is nil.
func (s *Server) begin(c *conn) *txn {
	s.advance()
	t := &txn{s: s, zxid: s.zxid, now: time.Now().UnixMilli(), trusted: c == nil}
	if c != nil {
		t.session, t.ids = c.session.id, c.ids
	}
	return t
}

// end finishes the transaction: watchers are told of it if err is 0, and otherwise nothing of it remains.
func (t *txn) end(err ErrCode) ErrCode {
	if err != 0 {
		t.rollback()
		t.s.replicate(t)
		return err
	}
	t.log()
	for i := range t.changes {
		t.s.watches.fire(&t.changes[i], t.zxid)
	}
	t.s.replicate(t)
	return 0
}

// log passes the changes to Config.Log.
func (t *txn) log() {
	if t.s.cfg.Log == nil {
		return
	}
	for _, c := range t.changes {
		t.s.cfg.Log(Change{
			Zxid: t.zxid, Event: c.event, Path: c.path, Data: bytes.Clone(c.data),
			Czxid: c.node.czxid, Owner: c.node.owner, Session: t.session, Ending: t.ending,
		})
	}
}

// Change is one change of a node, for Config.Log.
type Change struct {
	Zxid    int64     // transaction; a multi, or the end of a session, is one transaction
	Event   EventType // EventCreated, EventDeleted or EventDataChanged
	Path    string    // node
	Data    []byte    // its data after the change; before it, if the node was deleted
	Czxid   int64     // transaction that created the node
	Owner   int64     // session that owns it if it is ephemeral; 0 otherwise
	Session int64     // session that requested the change, or that ended; 0 for the server itself and for tests
	Ending  bool      // whether the change is part of the end of Session
}

func (t *txn) rollback() {
	for i := len(t.undo) - 1; i >= 0; i-- {
		t.undo[i]()
	}
	t.undo, t.changes, t.redo = nil, nil, nil
}

// allowed reports whether the transaction's identities have perm on n.
func (t *txn) allowed(n *node, perm int32) bool {
	return t.trusted || permitted(n.acl, perm, t.ids)
}

// add puts a new node into the tree.
func (t *txn) add(n *node) {
	tr := t.s.tree
	n.czxid, n.mzxid, n.pzxid = t.zxid, t.zxid, t.zxid
	n.ctime, n.mtime = t.now, t.now
	tr.insert(n)
	parent, pzxid := n.parent, n.parent.pzxid
	parent.created++
	parent.pzxid = t.zxid
	t.s.own(n)
	t.replay(copyOf(n).insertInto)
	t.undo = append(t.undo, func() {
		t.s.disown(n)
		tr.remove(n)
		parent.created--
		parent.pzxid = pzxid
	})
	t.changes = append(t.changes, change{EventCreated, n.path, parent.path, n.acl, parent.acl, n, n.data})
}

// drop takes a childless node out of the tree.
func (t *txn) drop(n *node) {
	tr := t.s.tree
	parent, pzxid := n.parent, n.parent.pzxid
	t.s.disown(n)
	tr.remove(n)
	parent.pzxid = t.zxid
	t.replay(func(tr *tree) {
		gone := tr.get(n.path)
		tr.remove(gone)
		gone.parent.pzxid = t.zxid
	})
	t.undo = append(t.undo, func() {
		tr.insert(n)
		parent.pzxid = pzxid
		t.s.own(n)
	})
	t.changes = append(t.changes, change{EventDeleted, n.path, parent.path, n.acl, parent.acl, n, n.data})
}

// set gives n new data.
func (t *txn) set(n *node, data []byte) {
	before := *n
	tr := t.s.tree
	tr.set(n, data, t.zxid, t.now)
	t.replay(func(tr *tree) { tr.set(tr.get(n.path), data, t.zxid, t.now) })
	t.undo = append(t.undo, func() {
		tr.dataSize -= int64(len(data) - len(before.data))
		n.data, n.mzxid, n.mtime, n.version = before.data, before.mzxid, before.mtime, before.version
	})
	t.changes = append(t.changes, change{event: EventDataChanged, path: n.path, acl: n.acl, node: n, data: data})
}

// own records an ephemeral node with its session; disown forgets it.
func (s *Server) own(n *node) {
	if owner := s.sessions[n.owner]; owner != nil {
		owner.ephemerals[n.path] = struct{}{}
	}
}

func (s *Server) disown(n *node) {
	if owner := s.sessions[n.owner]; owner != nil {
		delete(owner.ephemerals, n.path)
	}
}
