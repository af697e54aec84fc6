package zktest_test

import (
	"fmt"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

func scriptHandshake(s *script) {
	a := s.client("a")
	for _, timeout := range []int32{-1, 0, 1, 399, 400, 401, 5000, 60000, 60001, 1 << 30} {
		r := s.open("r")
		r.shake(&jute.ConnectRequest{TimeOut: timeout, HasReadOnly: true, ReadOnly: true})
		r.close()
	}
	s.note("an old client, any password, any protocol version")
	for _, req := range []jute.ConnectRequest{
		{TimeOut: 1000},
		{TimeOut: 1000, Passwd: []byte("abc"), HasReadOnly: true},
		{TimeOut: 1000, Passwd: make([]byte, 40)},
		{TimeOut: 1000, ProtocolVersion: 99},
	} {
		r := s.open("r")
		r.shake(&req)
		r.close()
	}
	s.note("a client that has seen more than the server")
	a.callXid(-2, zktest.OpPing, "", joined{}, nil)
	r := s.open("r")
	r.shake(&jute.ConnectRequest{TimeOut: 1000, LastZxidSeen: 1 << 40, HasReadOnly: true})
	r = s.open("r")
	r.shake(&jute.ConnectRequest{TimeOut: 1000, LastZxidSeen: s.base, HasReadOnly: true})
	r.close()
	s.note("a session takes a transaction to begin and one to end")
	a.callXid(-2, zktest.OpPing, "", joined{}, nil)
	b := s.client("b")
	a.callXid(-2, zktest.OpPing, "", joined{}, nil)
	b.close()
	a.callXid(-2, zktest.OpPing, "", joined{}, nil)
	s.note("cut short")
	r = s.open("r")
	r.send(frame(number(0)))
	r.read()
}

func scriptReattach(s *script) {
	watch, a := s.client("watch"), s.client("a")
	watch.create("/re", "", 0)
	a.create("/re/e", "", 1)
	a.auth("digest", "joe:pw")
	a.exists("/re/watched", true)
	again := func(name string, id int64, passwd []byte, timeout int32) *raw {
		r := s.open(name)
		r.shake(&jute.ConnectRequest{TimeOut: timeout, SessionID: id, Passwd: passwd, HasReadOnly: true})
		return r
	}
	s.note("a new connection takes the session over and the old one is closed")
	b := again("b", a.id, a.passwd, 7000)
	a.quiet = true
	a.read()
	s.note("no watches, no identities, and no transaction")
	watch.create("/re/watched", "", 0)
	b.createACL("/re/auth", acl(31, "auth", ""))
	b.exists("/re/e", false)
	s.note("a wrong password closes the owner's connection all the same, and the session lives")
	c := again("c", a.id, make([]byte, 16), 7000)
	c.read()
	b.quiet = true
	b.read()
	watch.exists("/re/e", false)
	d := again("d", a.id, a.passwd, 1)
	d.exists("/re/e", false)
	for _, passwd := range [][]byte{nil, {}, []byte("short")} {
		r := again("r", a.id, passwd, 7000)
		r.read()
	}
	d.quiet = true
	d.read()
	e := again("e", a.id, a.passwd, 7000)
	e.close()
	s.note("a session that has ended, and one that never was")
	r := again("r", a.id, a.passwd, 7000)
	r.read()
	r = again("r", 42, a.passwd, 7000)
	r.read()
	r = s.open("old")
	r.shake(&jute.ConnectRequest{TimeOut: 1000, SessionID: 42, Passwd: a.passwd})
	r.read()
	watch.children("/re", false)
}

func scriptSessionEnd(s *script) {
	watch := s.client("watch")
	watch.create("/se", "", 0)
	a := s.client("a")
	a.create("/se/a", "", 1)
	watch.get("/se/a", true)
	watch.children("/se/a", true)
	watch.children("/se", true)
	a.children("/se", true)
	a.exists("/se/a", true)
	s.note("closed: events, then the reply, then the end")
	a.close()
	watch.exists("/se", false)
	s.note("expired: the connection is closed without a word")
	b := s.client("b")
	b.create("/se/b", "", 1)
	watch.addWatch("/se", 1)
	b.quiet = true
	s.expire(b.id, b.passwd)
	b.read()
	watch.exists("/se", false)
	s.note("an ephemeral node may be deleted by anybody, and its name be used again")
	c := s.client("c")
	c.create("/se/c", "", 1)
	watch.del("/se/c", -1)
	watch.create("/se/c", "", 0)
	c.close()
	watch.exists("/se/c", false)
	s.note("and a child of a node that is someone else's")
	d := s.client("d")
	watch.create("/se/p", "", 1)
	d.create("/se/p/k", "", 1)
	d.create("/se/s", "", 3)
	d.close()
	watch.exists("/se", false)
}

// scriptGarbage sends bodies that end too early to every operation.
func scriptGarbage(s *script) {
	a := s.client("a")
	a.create("/garbage", "", 0)
	for _, op := range []zktest.Op{zktest.OpCreate, zktest.OpDelete, zktest.OpExists, zktest.OpGetData, zktest.OpSetData,
		zktest.OpGetACL, zktest.OpSetACL, zktest.OpGetChildren, zktest.OpSync, zktest.OpGetChildren2, zktest.OpMulti, zktest.OpCreate2,
		zktest.OpReconfig, zktest.OpCheckWatches, zktest.OpRemoveWatches, zktest.OpCreateContainer, zktest.OpCreateTTL, zktest.OpMultiRead,
		zktest.OpSetWatches, zktest.OpGetEphemerals, zktest.OpGetAllChildrenNumber, zktest.OpSetWatches2,
		zktest.OpAddWatch} {
		a.call(op, "nothing", joined{}, nil)
		a.call(op, "three bytes", bytesBody{0, 0, 0}, nil)
		a.call(op, "a string that is longer than the frame", joined{number(100), bytesBody{1, 1}}, nil)
		a.call(op, "a string of negative length", joined{number(-5), bytesBody{1, 1, 1, 1}}, nil)
	}
	for _, op := range []zktest.Op{zktest.OpPing, zktest.OpWhoAmI} {
		a.call(op, "more than it needs", number(1), showSome)
	}
	a.call(zktest.OpExists, "more than it needs", joined{&jute.PathWatchRequest{Path: "/garbage"}, number(1)}, showStat)
	for _, op := range []zktest.Op{0, 10, 20, 50, 99, 108, -1, -5, 1 << 30} {
		r := s.client("r")
		r.call(op, "", joined{}, nil)
		r.exists("/garbage", false)
	}
	r := s.client("r")
	r.send(frame(bytesBody{0, 0, 0}))
	r.read()
}

func scriptFrames(s *script) {
	a := s.client("a")
	a.create("/frames", "", 0)
	const limit = 0xfffff
	overhead := len(frame(&jute.RequestHeader{}, setting("/frames", "", -1))) - 4
	for _, size := range []int{limit - 1, limit} {
		data := make([]byte, size-overhead)
		a.call(zktest.OpSetData, fmt.Sprint("frame of ", size), &jute.SetDataRequest{Path: "/frames", Data: data, Version: -1}, showStat)
	}
	for _, length := range []int32{limit + 1, 1 << 30, -1, -1 << 31} {
		r := s.client("r")
		r.send(joinBytes(number(length)))
		s.printf("r sends a length of %d", length)
		r.read()
	}
	s.note("the first frame")
	for _, length := range []int32{0, limit + 1, -1} {
		r := s.open("r")
		r.send(joinBytes(number(length)))
		s.printf("r sends a length of %d", length)
		r.read()
	}
	s.note("byte by byte")
	b := s.client("b")
	for _, x := range frame(&jute.RequestHeader{Xid: 9, Op: int32(zktest.OpExists)}, &jute.PathWatchRequest{Path: "/frames"}) {
		b.send([]byte{x})
	}
	b.printReply(9, "exists", showStat)
	s.note("several at once: answered in order")
	var all []byte
	for xid := range int32(5) {
		all = append(all, frame(&jute.RequestHeader{Xid: 20 + xid, Op: int32(zktest.OpCreate)}, creating("/frames/s", "", 2))...)
	}
	b.send(all)
	for xid := range int32(5) {
		b.printReply(20+xid, "create", showPath)
	}
}

func joinBytes(b body) []byte {
	var e jute.Encoder
	b.Encode(&e)
	return e.Bytes()
}

func scriptRare(s *script) {
	a := s.client("a")
	a.call(zktest.OpReconfig, "", joined{&jute.PathRequest{}, &jute.PathRequest{}, &jute.PathRequest{Path: "server.1=x"}, bytesBody(make([]byte, 8))}, nil)
	a.callXid(-2, zktest.OpPing, "", joined{}, nil)
	a.create("/rare", "", 0)
}

func scriptBareCheck(s *script) {
	a := s.client("a")
	a.create("/bare", "", 0)
	s.patience /= 60 // no answer comes
	a.call(zktest.OpCheck, "/bare", deleting("/bare", 0), nil)
}
