package zktest_test

import (
	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

func deleting(path string, version int32) *jute.PathInt32Request {
	return &jute.PathInt32Request{Path: path, Value: version}
}

func setting(path, data string, version int32) *jute.SetDataRequest {
	return &jute.SetDataRequest{Path: path, Data: []byte(data), Version: version}
}

func scriptMulti(s *script) {
	a, b := s.client("a"), s.client("b")
	a.create("/multi", "", 0)
	b.children("/multi", true)
	b.exists("/multi/x", true)
	a.multi(zktest.OpMulti, "each kind",
		multiItem(zktest.OpCreate, creating("/multi/x", "1", 0)),
		multiItem(zktest.OpSetData, setting("/multi/x", "22", 0)),
		multiItem(zktest.OpCheck, deleting("/multi/x", 1)),
		multiItem(zktest.OpCreate2, creating("/multi/c2-", "", 3)),
		multiItem(zktest.OpCreateContainer, creating("/multi/box", "", 4)),
		multiItem(zktest.OpCreateTTL, &jute.CreateTTLRequest{CreateRequest: *creating("/multi/ttl", "", 5), TTL: 1 << 30}),
		multiItem(zktest.OpCreate, creating("/multi/box/kid", "", 1)),
		multiItem(zktest.OpDelete, deleting("/multi/x", 1)),
		multiItem(zktest.OpCreate, creating("/multi/x", "again", 0)))
	a.exists("/multi", false)
	a.exists("/multi/x", false)
	a.exists("/multi/box", false)
	s.note("containers by other opcodes, other nodes by createContainer")
	a.multi(zktest.OpMulti, "",
		multiItem(zktest.OpCreate, creating("/multi/by1", "", 4)),
		multiItem(zktest.OpCreate2, creating("/multi/by15", "", 4)),
		multiItem(zktest.OpCreateContainer, creating("/multi/by19", "", 0)),
		multiItem(zktest.OpCreateContainer, creating("/multi/by19e", "", 3)))
	a.multi(zktest.OpMulti, "empty")
	s.note("one-shot watches fire in the order of the operations")
	a.create("/multi/first", "", 0)
	a.create("/multi/second", "", 0)
	b.get("/multi/first", true)
	b.get("/multi/second", true)
	a.multi(zktest.OpMulti, "from the back",
		multiItem(zktest.OpDelete, deleting("/multi/second", -1)),
		multiItem(zktest.OpDelete, deleting("/multi/first", -1)))
	b.exists("/multi/first", false)
	s.note("standing watches hear of every operation, in order")
	b.addWatch("/multi", 1)
	a.multi(zktest.OpMulti, "in and out",
		multiItem(zktest.OpCreate, creating("/multi/t", "", 0)),
		multiItem(zktest.OpSetData, setting("/multi/t", "x", 0)),
		multiItem(zktest.OpCreate, creating("/multi/t/u", "", 0)),
		multiItem(zktest.OpDelete, deleting("/multi/t/u", -1)),
		multiItem(zktest.OpDelete, deleting("/multi/t", -1)))
	a.exists("/multi", false)
}

func scriptMultiErrors(s *script) {
	a, b := s.client("a"), s.client("b")
	a.create("/me", "data", 0)
	a.create("/me/kid", "", 0)
	b.addWatch("/me", 1)
	item := multiItem
	for _, c := range []struct {
		name  string
		items []body
	}{
		{"first fails", []body{item(zktest.OpCreate, creating("/me", "", 0)), item(zktest.OpCreate, creating("/me/x", "", 0))}},
		{"middle fails", []body{item(zktest.OpCreate, creating("/me/x", "", 0)), item(zktest.OpCheck, deleting("/me", 4)),
			item(zktest.OpSetData, setting("/me", "", -1))}},
		{"last fails", []body{item(zktest.OpSetData, setting("/me", "changed", 0)), item(zktest.OpDelete, deleting("/me/kid", 0)),
			item(zktest.OpCreate, creating("/me/kid", "", 0)), item(zktest.OpDelete, deleting("/me", -1))}},
		{"check of a missing node", []body{item(zktest.OpCheck, deleting("/me/missing", -1))}},
		{"bad path", []body{item(zktest.OpCreate, creating("/me//x", "", 0))}},
		{"flags of a TTL node", []body{item(zktest.OpCreate, creating("/me/x", "", 5))}},
		{"flags of a TTL node in create2", []body{item(zktest.OpCreate2, creating("/me/x", "", 6))}},
		{"flags that do not exist", []body{item(zktest.OpCreate, creating("/me/x", "", 99))}},
		{"negative flags", []body{item(zktest.OpCreate, creating("/me/x", "", -1))}},
		{"flags that do not exist in createContainer", []body{item(zktest.OpCreateContainer, creating("/me/x", "", 9))}},
		{"flags of a TTL node in createContainer", []body{item(zktest.OpCreateContainer, creating("/me/x", "", 5))}},
		{"createContainer of an ephemeral node, and a mistake", []body{item(zktest.OpCreateContainer, creating("/me/x", "", 1)),
			item(zktest.OpCheck, deleting("/me", 99))}},
		{"a container by create, and a mistake", []body{item(zktest.OpCreate, creating("/me/x", "", 4)),
			item(zktest.OpCheck, deleting("/me", 99))}},
		{"no ACL", []body{item(zktest.OpCreate, &jute.CreateRequest{Path: "/me/x"})}},
		{"bad TTL", []body{item(zktest.OpCreateTTL, &jute.CreateTTLRequest{CreateRequest: *creating("/me/x", "", 5)})}},
		{"a read", []body{item(zktest.OpCreate, creating("/me/x", "", 0)), item(zktest.OpGetData, &jute.PathWatchRequest{Path: "/me"})}},
		{"a setACL", []body{item(zktest.OpSetACL, &jute.SetACLRequest{Path: "/me", ACL: anyone, Version: -1})}},
		{"an unknown operation", []body{item(99, deleting("/me", -1))}},
		{"a body cut short", []body{item(zktest.OpDelete, number(5))}},
	} {
		a.multi(zktest.OpMulti, c.name, c.items...)
	}
	a.call(zktest.OpMulti, "no end", item(zktest.OpDelete, deleting("/me/kid", 7)), showMulti)
	a.call(zktest.OpMulti, "no body", joined{}, showMulti)
	a.exists("/me", false)
	a.exists("/me/kid", false)
	a.create("/me/s", "", 2)
}

func scriptMultiRead(s *script) {
	a := s.client("a")
	a.create("/mr", "data", 0)
	a.create("/mr/a", "", 0)
	a.create("/mr/b", "", 0)
	a.createACL("/mr/locked", acl(2, "world", "anyone"))
	read := func(op zktest.Op, path string) body {
		return multiItem(op, &jute.PathWatchRequest{Path: path})
	}
	a.multi(zktest.OpMultiRead, "all kinds", read(zktest.OpGetData, "/mr"), read(zktest.OpGetChildren, "/mr"),
		read(zktest.OpGetData, "/mr/missing"), read(zktest.OpGetChildren, "/mr/locked"), read(zktest.OpGetData, "nope"),
		read(zktest.OpGetChildren, "/mr/a"))
	a.multi(zktest.OpMultiRead, "empty")
	a.multi(zktest.OpMultiRead, "getChildren2", read(zktest.OpGetChildren2, "/mr"))
	a.multi(zktest.OpMultiRead, "exists", read(zktest.OpExists, "/mr"))
	a.call(zktest.OpMultiRead, "no end", read(zktest.OpGetData, "/mr"), showMulti)
	a.multi(zktest.OpMulti, "reads in a multi", read(zktest.OpGetData, "/mr"))
}

// rows goes through everything that can happen to a node P and its surroundings.
func rows(a *raw, p string, between func()) {
	for _, step := range []struct {
		what string
		do   func()
	}{
		{"P created", func() { a.create(p, "", 0) }},
		{"P data set", func() { a.set(p, "x", -1) }},
		{"P data set to the same", func() { a.set(p, "x", -1) }},
		{"P setACL", func() {
			a.call(zktest.OpSetACL, p, &jute.SetACLRequest{Path: p, ACL: anyone, Version: -1}, nil)
		}},
		{"child created", func() { a.create(p+"/c", "", 0) }},
		{"child data set", func() { a.set(p+"/c", "x", -1) }},
		{"grandchild created", func() { a.create(p+"/c/g", "", 0) }},
		{"grandchild deleted", func() { a.del(p+"/c/g", -1) }},
		{"child deleted", func() { a.del(p+"/c", -1) }},
		{"a create that fails", func() { a.create(p, "", 0) }},
		{"a sibling with P's name as a prefix", func() { a.create(p+"x", "", 0) }},
		{"P deleted", func() { a.del(p, -1) }},
		{"P created again", func() { a.create(p, "", 0) }},
		{"P deleted again", func() { a.del(p, -1) }},
	} {
		a.s.note(step.what)
		step.do()
		between()
	}
	a.del(p+"x", -1)
}
