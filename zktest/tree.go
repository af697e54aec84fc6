package zktest

import (
	"strings"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// Stat describes a node, as the protocol shows it.
type Stat struct {
	Czxid          int64 // transaction that created the node
	Mzxid          int64 // transaction that last set its data
	Ctime          int64 // milliseconds since 1970
	Mtime          int64 // milliseconds since 1970
	Version        int32 // number of times the data was set
	Cversion       int32 // number of children created and deleted
	Aversion       int32 // number of times the ACL was set
	EphemeralOwner int64 // session that owns an ephemeral node; 0 for every other node
	DataLength     int32 // bytes of data
	NumChildren    int32 // number of children now
	Pzxid          int64 // transaction that last created or deleted a child
}

// node is one znode. Its children are a slice, not a map, so that the order in which they are listed does not depend on
// map iteration; pos is the node's place in its parent's slice.
type node struct {
	path   string
	parent *node
	pos    int
	kids   []*node

	data  []byte // nil is null, which clients can tell from empty
	acl   []jute.ACL
	mode  Mode
	owner int64         // session of an ephemeral node
	ttl   time.Duration // of a TTL node

	czxid, mzxid, pzxid int64
	ctime, mtime        int64
	version, aversion   int32
	created             int32 // children ever created here: the source of sequence numbers; wraps like Java's int
}

func (n *node) stat() Stat {
	return Stat{
		Czxid: n.czxid, Mzxid: n.mzxid, Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: 2*n.created - int32(len(n.kids)), Aversion: n.aversion,
		EphemeralOwner: n.owner, DataLength: int32(len(n.data)), NumChildren: int32(len(n.kids)), Pzxid: n.pzxid,
	}
}

func (n *node) wireStat() *jute.Stat {
	st := jute.Stat(n.stat())
	return &st
}

// name returns the last element of the node's path.
func (n *node) name() string {
	return n.path[lastSlash(n.path)+1:]
}

func lastSlash(path string) int {
	i := len(path) - 1
	for path[i] != '/' {
		i--
	}
	return i
}

// childNames lists the children newest first. Real servers list them in no useful order, and clients that forget to
// sort would get away with oldest first.
func (n *node) childNames() []string {
	names := make([]string, 0, len(n.kids))
	for i := len(n.kids) - 1; i >= 0; i-- {
		names = append(names, n.kids[i].name())
	}
	return names
}

// descendants counts the nodes below n.
func (n *node) descendants() int {
	total := len(n.kids)
	for _, k := range n.kids {
		total += k.descendants()
	}
	return total
}

// tree is the data tree. It knows nothing of permissions, watches or sessions.
type tree struct {
	nodes      map[string]*node
	root       *node
	dataSize   int64            // bytes of paths and data
	reapable   map[string]*node // container and TTL nodes
	ephemerals int
}

var worldAnyone = []jute.ACL{{Perms: permAll, Scheme: "world", ID: "anyone"}}

// newTree returns the tree of a server that was never written to.
func newTree() *tree {
	t := &tree{nodes: make(map[string]*node), reapable: make(map[string]*node)}
	t.root = &node{path: "/", acl: worldAnyone, data: []byte{}}
	t.nodes["/"], t.nodes[""] = t.root, t.root
	t.account(t.root, 1)
	for _, path := range []string{"/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		t.insert(&node{path: path, acl: worldAnyone, data: []byte{}})
	}
	config := t.get("/zookeeper/config")
	config.acl = []jute.ACL{{Perms: permRead, Scheme: "world", ID: "anyone"}}
	config.aversion = -1
	return t
}

// get returns the node at path, or nil. The root also answers to "".
func (t *tree) get(path string) *node {
	n := t.nodes[path]
	if n != nil && strings.HasPrefix(path, quotaRoot) {
		t.countQuota(n)
	}
	return n
}

// size returns the number of nodes as servers count them: the root, which is there under two names, twice.
func (t *tree) size() int {
	return len(t.nodes)
}

// insert puts n under its parent, which must exist. Counters and zxids are the caller's business.
func (t *tree) insert(n *node) {
	n.parent = t.nodes[n.path[:lastSlash(n.path)]]
	n.pos = len(n.parent.kids)
	n.parent.kids = append(n.parent.kids, n)
	t.nodes[n.path] = n
	t.account(n, 1)
}

// remove takes a childless node out of the tree. The parent's last child moves into the gap.
func (t *tree) remove(n *node) {
	kids := n.parent.kids
	last := len(kids) - 1
	kids[n.pos] = kids[last]
	kids[n.pos].pos = n.pos
	kids[last] = nil
	n.parent.kids = kids[:last]
	delete(t.nodes, n.path)
	t.account(n, -1)
}

func (t *tree) account(n *node, sign int) {
	t.dataSize += int64(sign) * int64(len(n.path)+len(n.data))
	switch {
	case n.mode == Ephemeral:
		t.ephemerals += sign
	case n.mode != Container && !n.mode.ttl():
	case sign > 0:
		t.reapable[n.path] = n
	default:
		delete(t.reapable, n.path)
	}
}

// set gives a node new data.
func (t *tree) set(n *node, data []byte, zxid, now int64) {
	t.dataSize += int64(len(data) - len(n.data))
	n.data, n.mzxid, n.mtime = data, zxid, now
	n.version++
}
