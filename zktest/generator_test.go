package zktest_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// generator draws the requests of a play.
type generator struct {
	*rand.Rand
	root string
}

func oneOf[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// path is one of a few, so that clients meet; now and then it is not valid.
func (g *generator) path() string {
	if g.IntN(25) == 0 {
		return oneOf(g, "", "a", g.root+"/", "//", g.root+"//a", g.root+"/.", g.root+"/../a", g.root+"/a\x00b", g.root+"/a\x01b", "/", "/zookeeper",
			g.root+"/\u007f", g.root+"/\ufff0", g.root+"/\ue000", g.root+"/ü", g.root+"/...", g.root+"/a b", "/zookeeper/quota")
	}
	path := g.root
	for depth := g.IntN(4); depth > 0; depth-- {
		path += "/" + oneOf(g, "a", "b", "c", "q-")
	}
	return path
}

// numbered is a path that may be that of a sequential node.
func (g *generator) numbered() string {
	path := g.path()
	if strings.HasSuffix(path, "q-") && g.IntN(2) == 0 {
		path += fmt.Sprintf("%010d", g.IntN(6))
	}
	return path
}

func (g *generator) version() int32 { return oneOf[int32](g, -1, -1, -1, 0, 0, 1, 2, 7, -2) }

func (g *generator) data() []byte {
	return oneOf(g, nil, []byte{}, []byte("x"), []byte("some more"), []byte(strings.Repeat("long", 4)))
}

const johnsDigest = "john:Lu7MLsl9QXxn3TRdaQ8FsVQEcJI="

func (g *generator) acl() []jute.ACL {
	if g.IntN(5) > 0 {
		return anyone
	}
	perms := oneOf[int32](g, 31, 31, 1, 3, 7, 16, 0, 30, 64)
	entry := func() jute.ACL {
		return oneOf(g,
			acl(perms, "world", "anyone"), acl(perms, "world", "nobody"), acl(perms, "auth", ""), acl(perms, "auth", "x"),
			acl(perms, "digest", johnsDigest), acl(perms, "digest", "john"), acl(perms, "digest", "a:b:c"), acl(perms, "digest", "a:b::"), acl(perms, "digest", ":"),
			acl(perms, "ip", "127.0.0.1"), acl(perms, "ip", "10.0.0.0/8"), acl(perms, "ip", "127.0.0.1/33"), acl(perms, "ip", "127.0.0.9/24"), acl(perms, "ip", "::1"),
			acl(perms, "ip", "127.0.1"), acl(perms, "ip", ""), acl(perms, "sasl", "john"), acl(perms, "super", ""), acl(perms, "x509", "CN=a"), acl(perms, "", ""))
	}
	switch g.IntN(10) {
	case 0:
		return nil
	case 1:
		return []jute.ACL{}
	case 2:
		return []jute.ACL{entry(), entry()}
	}
	return []jute.ACL{entry()}
}

// flags are those of a create, most often valid.
func (g *generator) flags() int32 {
	return oneOf[int32](g, 0, 0, 0, 0, 1, 1, 2, 3, 3, 4, 5, 6, 7, -1)
}

// step draws a request.
func (g *generator) step() step {
	switch n := g.IntN(100); {
	case n < 22:
		return g.creates()
	case n < 32:
		return g.deletes()
	case n < 42:
		return g.sets()
	case n < 62:
		return g.reads()
	case n < 72:
		return g.multis()
	case n < 77:
		return g.multiReads()
	case n < 88:
		return g.watches()
	case n < 93:
		return g.acls()
	}
	return g.others()
}

func fixed(op zktest.Op, what string, b body, result show) step {
	return step{op: op, what: what, body: func(*script) body { return b }, show: result}
}

// alone is a step that is a batch of its own.
func alone(op zktest.Op, what string, b body, result show) step {
	st := fixed(op, what, b, result)
	st.alone = true
	return st
}

// creation draws the body of a create by an opcode.
func (g *generator) creation(op zktest.Op) (what string, b body) {
	return g.creationOf(op, g.flags())
}

func (g *generator) creationOf(op zktest.Op, flags int32) (what string, b body) {
	req := jute.CreateRequest{Path: g.path(), Data: g.data(), ACL: g.acl(), Flags: flags}
	what = fmt.Sprintf("%q %q %v flags=%d", req.Path, req.Data, req.ACL, req.Flags)
	if op != zktest.OpCreateTTL {
		return what, &req
	}
	ttl := oneOf[int64](g, 1<<30, 1<<20, 0, -1, 1<<39, 1<<40, 1<<62)
	if req.Flags != 5 && req.Flags != 6 {
		ttl = 1 << 30 // a negative one stops a real server for good
	}
	return fmt.Sprintf("%s ttl=%d", what, ttl), &jute.CreateTTLRequest{CreateRequest: req, TTL: ttl}
}

func (g *generator) creates() step {
	if g.IntN(15) == 0 {
		n := nullID{g.path(), oneOf(g, "auth", "auth", "world", "digest", "ip", "sasl"), oneOf[int32](g, 0, 0, 1, 2)}
		return fixed(zktest.OpCreate, fmt.Sprintf("%q with a null id of %s", n.path, n.scheme), n, showPath)
	}
	op := oneOf(g, zktest.OpCreate, zktest.OpCreate, zktest.OpCreate2, zktest.OpCreate2, zktest.OpCreate2, zktest.OpCreateContainer, zktest.OpCreateTTL)
	what, b := g.creation(op)
	result := both(showPath, showStat)
	if op == zktest.OpCreate {
		result = showPath
	}
	return fixed(op, what, b, result)
}

// unless shows a result, unless it is that of the root, which other plays have changed before.
func (g *generator) unless(path string, result show) show {
	if strings.HasPrefix(path, g.root) {
		return result
	}
	return showSome
}

// nullID is a create whose ACL has an entry with a null id, as kazoo writes it.
type nullID struct {
	path, scheme string
	flags        int32
}

func (n nullID) Encode(e *jute.Encoder) {
	e.String(n.path)
	e.Buffer([]byte("null"))
	e.Int32(1)
	e.Int32(31)
	e.String(n.scheme)
	e.Buffer(nil)
	e.Int32(n.flags)
}

func (g *generator) deletes() step {
	path, version := g.numbered(), g.version()
	return fixed(zktest.OpDelete, fmt.Sprintf("%q v=%d", path, version), deleting(path, version), nil)
}

func (g *generator) sets() step {
	path, data, version := g.numbered(), g.data(), g.version()
	return fixed(zktest.OpSetData, fmt.Sprintf("%q %q v=%d", path, data, version),
		&jute.SetDataRequest{Path: path, Data: data, Version: version}, g.unless(path, showStat))
}

func (g *generator) reads() step {
	path, watch := g.numbered(), g.IntN(3) == 0
	op := oneOf(g, zktest.OpExists, zktest.OpGetData, zktest.OpGetChildren, zktest.OpGetChildren2)
	result := map[zktest.Op]show{
		zktest.OpExists: showStat, zktest.OpGetData: both(showData, showStat), zktest.OpGetChildren: showList, zktest.OpGetChildren2: both(showList, showStat),
	}[op]
	return fixed(op, fmt.Sprintf("%q watch=%v", path, watch), &jute.PathWatchRequest{Path: path, Watch: watch}, g.unless(path, result))
}

func (g *generator) multis() step {
	var items []body
	var names []string
	for range g.IntN(5) {
		op := oneOf(g, zktest.OpCreate, zktest.OpCreate2, zktest.OpCreateContainer, zktest.OpCreateTTL, zktest.OpDelete, zktest.OpSetData, zktest.OpCheck, zktest.OpCheck)
		var what string
		var b body
		switch op {
		case zktest.OpDelete, zktest.OpCheck:
			path, version := g.numbered(), g.version()
			what, b = fmt.Sprintf("%q v=%d", path, version), deleting(path, version)
		case zktest.OpSetData:
			path, data, version := g.numbered(), g.data(), g.version()
			what, b = fmt.Sprintf("%q %q v=%d", path, data, version), &jute.SetDataRequest{Path: path, Data: data, Version: version}
		default:
			flags := g.flags()
			if op != zktest.OpCreateTTL && (flags == 5 || flags == 6) && len(items) > 0 {
				flags = 0 // such a one fails the multi in a way in which a real server forgets to take back what came before it
			}
			what, b = g.creationOf(op, flags)
		}
		items, names = append(items, multiItem(op, b)), append(names, fmt.Sprintf("%v %s", op, what))
	}
	return fixed(zktest.OpMulti, fmt.Sprint(names), joined{joined(items), jute.EndOfMulti()}, showMulti)
}

func (g *generator) multiReads() step {
	var items []body
	var names []string
	for range g.IntN(5) {
		op, path := oneOf(g, zktest.OpGetData, zktest.OpGetChildren), g.numbered()
		if !strings.HasPrefix(path, g.root) {
			path = g.root
		}
		items = append(items, multiItem(op, &jute.PathWatchRequest{Path: path, Watch: g.IntN(4) == 0}))
		names = append(names, fmt.Sprintf("%v %q", op, path))
	}
	if g.IntN(12) == 0 {
		items, names = append(items, multiItem(zktest.OpDelete, deleting(g.root+"/a", -1))), append(names, "a delete")
	}
	return fixed(zktest.OpMultiRead, fmt.Sprint(names), joined{joined(items), jute.EndOfMulti()}, showMulti)
}

func (g *generator) watches() step {
	path := g.numbered()
	switch g.IntN(8) {
	case 0, 1, 2:
		mode := oneOf[int32](g, 0, 0, 1, 1, 2, -1)
		return fixed(zktest.OpAddWatch, fmt.Sprintf("%q mode=%d", path, mode), deleting(path, mode), showInt)
	case 3, 4:
		kind := oneOf[int32](g, 1, 2, 3, 3, 0, 4, 5, 6)
		op := oneOf(g, zktest.OpRemoveWatches, zktest.OpRemoveWatches, zktest.OpCheckWatches)
		return fixed(op, fmt.Sprintf("%q type=%d", path, kind), deleting(path, kind), nil)
	}
	return g.setWatches()
}

// setWatches sets watches again, as seen from a while ago.
func (g *generator) setWatches() step {
	lists := make([][]string, 5)
	for i := range lists {
		for range g.IntN(3) {
			lists[i] = append(lists[i], g.root+oneOf(g, "", "/a", "/b", "/a/b", "/c", "/c/a"))
		}
		if lists[i] == nil {
			lists[i] = []string{}
		}
	}
	back := int64(g.IntN(200))
	op := oneOf(g, zktest.OpSetWatches, zktest.OpSetWatches2)
	if op == zktest.OpSetWatches {
		lists = lists[:3]
	}
	return step{op: op, what: fmt.Sprintf("+%d %v", back, lists), body: func(s *script) body {
		req := jute.SetWatchesRequest{RelativeZxid: s.base + back, Data: lists[0], Exist: lists[1], Child: lists[2]}
		if op == zktest.OpSetWatches {
			return &req
		}
		return &jute.SetWatches2Request{SetWatchesRequest: req, Persistent: lists[3], Recursive: lists[4]}
	}}
}

func (g *generator) acls() step {
	path := g.numbered()
	if g.IntN(2) == 0 {
		return fixed(zktest.OpGetACL, fmt.Sprintf("%q", path), &jute.PathRequest{Path: path}, g.unless(path, both(showACL, showStat)))
	}
	list, version := g.acl(), g.version()
	return fixed(zktest.OpSetACL, fmt.Sprintf("%q %v v=%d", path, list, version),
		&jute.SetACLRequest{Path: path, ACL: list, Version: version}, g.unless(path, showStat))
}

// others draws what is rare, and what ends the connection.
func (g *generator) others() step {
	path := g.numbered()
	switch g.IntN(14) {
	case 0:
		return fixed(zktest.OpSync, fmt.Sprintf("%q", path), &jute.PathRequest{Path: path}, showPath)
	case 1:
		return fixed(zktest.OpPing, "", joined{}, nil)
	case 2, 3:
		return fixed(zktest.OpGetEphemerals, fmt.Sprintf("%q", path), &jute.PathRequest{Path: path}, g.unless(path, showList))
	case 4, 5:
		return fixed(zktest.OpGetAllChildrenNumber, fmt.Sprintf("%q", path), &jute.PathRequest{Path: path}, g.unless(path, showInt))
	case 6:
		return fixed(zktest.OpWhoAmI, "", joined{}, showIdentities)
	case 7:
		credential := oneOf(g, "john:pw", "jane:pw", "super:secret", "nobody", ":")
		return alone(zktest.OpAuth, "digest "+credential, &jute.AuthRequest{Scheme: "digest", Auth: []byte(credential)}, nil)
	case 8:
		return alone(zktest.OpAuth, "ip", &jute.AuthRequest{Scheme: "ip", Auth: []byte{}}, nil)
	case 9:
		return fixed(zktest.OpReconfig, "", joined{&jute.PathRequest{}, &jute.PathRequest{}, &jute.PathRequest{}, number(0), number(-1)}, nil)
	case 10:
		return alone(zktest.OpSASL, "", &jute.PathRequest{}, showData)
	case 11:
		op := oneOf(g, zktest.OpCreate, zktest.OpDelete, zktest.OpSetData, zktest.OpExists, zktest.OpMulti, zktest.OpSetWatches, zktest.OpAddWatch,
			zktest.OpRemoveWatches, zktest.OpCheckWatches, zktest.OpGetACL, zktest.OpSetACL, zktest.OpGetEphemerals, zktest.OpSync)
		short := oneOf(g, "", "\x00\x00", "\x00\x00\x00\x09/cu", "\xff\xff\xff\xfe")
		return alone(op, fmt.Sprintf("cut short: %q", short), bytesBody(short), showSome)
	case 12:
		return alone(zktest.Op(oneOf[int32](g, 99, 0, -7, 1000)), "unknown", joined{}, nil)
	}
	return alone(zktest.OpAuth, "nonsense", &jute.AuthRequest{Scheme: "nonsense", Auth: []byte("a:b")}, nil)
}

func showIdentities(_ *raw, d *jute.Decoder) string {
	var ids []string
	for n := d.Int32(); n > 0; n-- {
		ids = append(ids, d.String()+":"+d.String())
	}
	slices.Sort(ids) // a server keeps a set
	return fmt.Sprint(ids)
}
