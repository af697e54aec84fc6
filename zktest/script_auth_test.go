package zktest_test

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// digest returns the id of a digest credential.
func digest(credential string) string {
	user, _, _ := strings.Cut(credential, ":")
	sum := sha1.Sum([]byte(credential))
	return user + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

var superDigest = digest("super:secret")

func scriptACL(s *script) {
	a, owner, root := s.client("a"), s.client("owner"), s.client("root")
	owner.auth("digest", "joe:pw")
	root.auth("digest", "super:secret")
	a.create("/acl", "", 0)
	joe := digest("joe:pw")
	nodes := []struct {
		name  string
		perms int32
	}{{"read", 1}, {"write", 2}, {"create", 4}, {"delete", 8}, {"admin", 16}, {"all", 31}, {"none", 0}}
	for _, n := range nodes {
		a.createACL("/acl/"+n.name, acl(n.perms, "world", "anyone"), acl(31, "digest", joe))
	}
	for _, n := range nodes {
		path := "/acl/" + n.name
		s.note(n.name)
		owner.create(path+"/k", "", 0)
		a.exists(path, false)
		a.get(path, false)
		a.children(path, false)
		a.call(zktest.OpGetChildren, path, &jute.PathWatchRequest{Path: path}, showList)
		a.call(zktest.OpGetAllChildrenNumber, path, &jute.PathRequest{Path: path}, showInt)
		a.call(zktest.OpGetACL, path, &jute.PathRequest{Path: path}, both(showACL, showStat))
		a.set(path, "x", 9)
		a.set(path, "x", -1)
		a.create(path+"/new", "", 0)
		a.del(path+"/missing", -1)
		a.del(path+"/k", 9)
		a.del(path+"/k", -1)
		a.multi(zktest.OpMulti, "check", multiItem(zktest.OpCheck, deleting(path, -1)))
		a.call(zktest.OpSync, path, &jute.PathRequest{Path: path}, showPath)
		a.call(zktest.OpSetACL, path, &jute.SetACLRequest{Path: path, ACL: anyone, Version: 9}, nil)
		owner.call(zktest.OpGetACL, path, &jute.PathRequest{Path: path}, both(showACL, showStat))
	}
	s.note("the super user")
	root.get("/acl/none", false)
	root.call(zktest.OpGetACL, "/acl/none", &jute.PathRequest{Path: "/acl/none"}, both(showACL, showStat))
	root.del("/acl/none", -1)
	s.note("a watch needs no more than the read")
	a.exists("/acl/write", true)
	a.get("/acl/write", true)
	owner.set("/acl/write", "y", -1)
}

// scriptACLForms tries what an ACL may look like.
func scriptACLForms(s *script) {
	a, joe := s.client("a"), s.client("joe")
	joe.auth("digest", "joe:pw")
	joe.auth("digest", "ann:pw")
	joe.auth("digest", "joe:pw")
	a.create("/forms", "", 0)
	for i, list := range [][]jute.ACL{
		{}, {acl(31, "world", "anyone"), acl(31, "world", "anyone")}, {acl(31, "world", "anyone"), acl(1, "world", "anyone")},
		{acl(31, "world", "someone")}, {acl(31, "world", "")}, {acl(31, "", "")}, {acl(31, "nope", "x")}, {acl(31, "super", "")},
		{acl(31, "auth", "")}, {acl(31, "auth", "ignored")}, {acl(3, "auth", "")}, {acl(31, "auth", ""), acl(31, "world", "anyone")},
		{acl(31, "digest", "a:b")}, {acl(31, "digest", "ab")}, {acl(31, "digest", "a:b:c")}, {acl(31, "digest", "a:")},
		{acl(31, "digest", ":b")}, {acl(31, "digest", ":")}, {acl(31, "digest", "")}, {acl(31, "digest", "a:b:")}, {acl(31, "digest", "a:b::")},
		{acl(31, "ip", "127.0.0.1")}, {acl(31, "ip", "127.0.0.0/8")}, {acl(31, "ip", "127.0.0.1/32")}, {acl(31, "ip", "127.0.0.1/33")},
		{acl(31, "ip", "127.0.0.1/-1")}, {acl(31, "ip", "127.0.0.1/x")}, {acl(31, "ip", "127.0.0.1/0")}, {acl(31, "ip", "localhost")},
		{acl(31, "ip", "127.0.1")}, {acl(31, "ip", "::1")}, {acl(31, "ip", "")}, {acl(31, "ip", "256.0.0.1")}, {acl(31, "ip", "127.0.0.1/")},
		{acl(31, "ip", "10.0.0.0/8")}, {acl(31, "ip", "0.0.0.0/0")}, {acl(31, "ip", "010.0.0.1")},
		{acl(32, "world", "anyone")}, {acl(-1, "world", "anyone")}, {acl(0, "world", "anyone")},
		{acl(31, "world", "anyone"), acl(31, "nope", "")},
	} {
		for _, c := range []*raw{a, joe} {
			path := fmt.Sprintf("/forms/%s%d", c.name, i)
			c.createACL(path, list...)
			c.call(zktest.OpGetACL, path, &jute.PathRequest{Path: path}, both(showACL, showStat))
			c.get(path, false)
		}
	}
	s.note("null and empty lists")
	a.call(zktest.OpCreate, "null", &jute.CreateRequest{Path: "/forms/null"}, showPath)
	a.call(zktest.OpCreate, "empty", &jute.CreateRequest{Path: "/forms/empty", ACL: []jute.ACL{}}, showPath)
	a.call(zktest.OpSetACL, "empty", &jute.SetACLRequest{Path: "/forms", ACL: []jute.ACL{}, Version: -1}, showStat)
	a.call(zktest.OpSetACL, "auth without any", &jute.SetACLRequest{Path: "/forms", ACL: []jute.ACL{acl(31, "auth", "")}, Version: -1}, showStat)
	joe.call(zktest.OpSetACL, "auth", &jute.SetACLRequest{Path: "/forms", ACL: []jute.ACL{acl(31, "auth", "")}, Version: -1}, showStat)
	a.create("/forms/x", "", 0)
	joe.create("/forms/x", "", 0)
}

// scriptACLEvents shows that a watcher hears nothing of a node that it may not read.
func scriptACLEvents(s *script) {
	a, w := s.client("a"), s.client("w")
	a.auth("digest", "joe:pw")
	mine := []jute.ACL{acl(31, "auth", "")}
	a.create("/ae", "", 0)
	w.exists("/ae/secret", true)
	w.children("/ae", true)
	s.note("Created of a secret node, but ChildrenChanged of its open parent")
	a.createACL("/ae/secret", mine...)
	s.note("the watch is used up")
	w.exists("/ae/secret", true)
	a.set("/ae/secret", "x", -1)
	a.call(zktest.OpSetACL, "open", &jute.SetACLRequest{Path: "/ae/secret", ACL: anyone, Version: -1}, nil)
	a.set("/ae/secret", "x", -1)
	s.note("standing watches hear nothing of it either, until it is open")
	w.addWatch("/ae", 1)
	a.createACL("/ae/hidden", mine...)
	a.set("/ae/hidden", "x", -1)
	a.create("/ae/hidden/open", "", 0)
	a.del("/ae/hidden/open", -1)
	a.del("/ae/hidden", -1)
	s.note("ChildrenChanged of a secret parent")
	a.createACL("/ae/p", anyone...)
	w.children("/ae/p", true)
	a.call(zktest.OpSetACL, "close", &jute.SetACLRequest{Path: "/ae/p", ACL: mine, Version: -1}, nil)
	a.create("/ae/p/k", "", 0)
	s.note("setWatches tells of secret nodes")
	w.callXid(-8, zktest.OpSetWatches, "", rearming(0, []string{"/ae/p"}, []string{"/ae/p"}, []string{"/ae/p"}), nil)
}

func scriptAuth(s *script) {
	a := s.client("a")
	who := func(r *raw) {
		r.call(zktest.OpWhoAmI, "", joined{}, func(_ *raw, d *jute.Decoder) string {
			text := ""
			for range d.Int32() {
				text += fmt.Sprintf("%s=%s ", d.String(), d.String())
			}
			return text
		})
	}
	who(a)
	a.auth("digest", "joe:pw")
	a.auth("digest", "joe:pw")
	a.call(zktest.OpAuth, "with a plain xid", &jute.AuthRequest{Scheme: "ip", Auth: []byte("x")}, nil)
	a.call(zktest.OpAuth, "short", number(0), nil)
	b := s.client("b")
	b.auth("nope", "x")
	c := s.client("c")
	c.auth("world", "anyone")
	d := s.client("d")
	d.auth("digest", "")
	d.auth("digest", "nocolon")
	d.createACL("/auth-nocolon", acl(31, "auth", ""))
	d.del("/auth-nocolon", -1)
	e := s.client("e")
	e.call(zktest.OpAuth, "null credential", &jute.AuthRequest{Scheme: "digest"}, nil)
}
