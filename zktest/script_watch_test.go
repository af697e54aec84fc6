package zktest_test

import (
	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// scriptWatchOnce keeps each kind of one-shot watch armed through everything that can happen.
func scriptWatchOnce(s *script) {
	a := s.client("a")
	a.create("/wo", "", 0)
	kinds := []struct {
		name string
		arm  func(*raw)
	}{
		{"exists", func(r *raw) { r.exists("/wo/p", true) }},
		{"data", func(r *raw) { r.get("/wo/p", true) }},
		{"children", func(r *raw) { r.children("/wo/p", true) }},
		{"oldchildren", func(r *raw) { r.pathWatch(zktest.OpGetChildren, "/wo/p", true, showList) }},
	}
	var watchers []*raw
	for _, k := range kinds {
		w := s.client(k.name)
		watchers = append(watchers, w)
		k.arm(w)
	}
	rows(a, "/wo/p", func() {
		for i, k := range kinds {
			k.arm(watchers[i])
		}
	})
	s.note("once is once, also when set twice")
	a.create("/wo/q", "", 0)
	w := watchers[0]
	w.exists("/wo/q", true)
	w.get("/wo/q", true)
	w.children("/wo/q", true)
	w.children("/wo/q", true)
	a.set("/wo/q", "1", -1)
	a.set("/wo/q", "2", -1)
	a.create("/wo/q/k", "", 0)
	a.create("/wo/q/l", "", 0)
	s.note("a watch that failed is none")
	w.get("/wo/r", true)
	w.children("/wo/r", true)
	a.create("/wo/r", "", 0)
	a.create("/wo/r/k", "", 0)
	s.note("a read without a watch leaves the one that is there")
	w.get("/wo/r", true)
	w.get("/wo/r", false)
	a.set("/wo/r", "1", -1)
}

func scriptWatchStanding(s *script) {
	a := s.client("a")
	a.create("/ws", "", 0)
	on, below, above := s.client("persistent"), s.client("recursive"), s.client("ancestor")
	on.addWatch("/ws/p", 0)
	below.addWatch("/ws/p", 1)
	above.addWatch("/ws", 1)
	rows(a, "/ws/p", func() {})
	s.note("the root")
	root := s.client("root")
	root.addWatch("/", 1)
	a.create("/ws/deep", "", 0)
	a.create("/ws-other", "", 0)
	a.del("/ws-other", -1)
	s.note("both /ws and /ws/deep: still one event")
	above.addWatch("/ws/deep", 1)
	a.create("/ws/deep/er", "", 0)
	s.note("no such mode")
	on.addWatch("/ws", 2)
	on.addWatch("/ws", -1)
	s.note("no such path")
	on.addWatch("", 0)
	on.addWatch("x", 1)
}

// scriptWatchMixed has several kinds of watch of one connection on one path.
func scriptWatchMixed(s *script) {
	a := s.client("a")
	a.create("/wm", "", 0)
	for _, c := range []struct {
		name string
		arm  func(*raw, string)
	}{
		{"getData after persistent", func(r *raw, p string) { r.addWatch(p, 0); r.get(p, true) }},
		{"persistent after getData", func(r *raw, p string) { r.get(p, true); r.addWatch(p, 0) }},
		{"getData after recursive", func(r *raw, p string) { r.addWatch(p, 1); r.get(p, true) }},
		{"getChildren after recursive", func(r *raw, p string) { r.addWatch(p, 1); r.children(p, true) }},
		{"persistent after recursive", func(r *raw, p string) { r.addWatch(p, 1); r.addWatch(p, 0) }},
		{"recursive after persistent", func(r *raw, p string) { r.addWatch(p, 0); r.addWatch(p, 1) }},
	} {
		s.note(c.name)
		w := s.client("w")
		a.create("/wm/p", "", 0)
		c.arm(w, "/wm/p")
		a.set("/wm/p", "1", -1)
		a.set("/wm/p", "2", -1)
		a.create("/wm/p/k", "", 0)
		a.set("/wm/p/k", "1", -1)
		a.del("/wm/p/k", -1)
		a.del("/wm/p", -1)
		w.close()
	}
}

func scriptWatchRemove(s *script) {
	a, b := s.client("a"), s.client("b")
	a.create("/wr", "", 0)
	remove := func(path string, kind int32) { a.watches(zktest.OpRemoveWatches, path, kind) }
	check := func(path string, kind int32) { a.watches(zktest.OpCheckWatches, path, kind) }
	for kind := range int32(5) {
		check("/wr", kind)
		remove("/wr", kind)
	}
	s.note("data")
	a.get("/wr", true)
	for kind := range int32(3) {
		check("/wr", kind+1)
	}
	remove("/wr", 1)
	remove("/wr", 2)
	remove("/wr", 2)
	a.set("/wr", "x", -1)
	s.note("children")
	a.children("/wr", true)
	remove("/wr", 2)
	remove("/wr", 1)
	a.create("/wr/k", "", 0)
	s.note("both")
	a.children("/wr", true)
	a.exists("/wr", true)
	remove("/wr", 3)
	remove("/wr", 3)
	a.set("/wr", "x", -1)
	s.note("a missing node")
	a.exists("/wr/missing", true)
	remove("/wr/missing", 2)
	a.create("/wr/missing", "", 0)
	s.note("standing")
	a.addWatch("/wr", 1)
	remove("/wr", 3)
	a.create("/wr/l", "", 0)
	a.addWatch("/wr", 0)
	remove("/wr", 1)
	a.create("/wr/m", "", 0)
	a.set("/wr", "x", -1)
	s.note("somebody else's watch")
	b.get("/wr", true)
	check("/wr/k", 2)
	b.get("/wr/k", true)
	check("/wr/k", 2)
	remove("/wr/k", 2)
	a.set("/wr/k", "x", -1)
}

// scriptWatchOrder has many watches on one change.
func scriptWatchOrder(s *script) {
	a, b := s.client("a"), s.client("b")
	a.create("/word", "", 0)
	s.note("a writer hears of its own write before the reply")
	a.exists("/word/n", true)
	a.children("/word", true)
	a.create("/word/n", "", 0)
	a.get("/word/n", true)
	a.set("/word/n", "x", -1)
	s.note("a deleted node: one Deleted, then ChildrenChanged of the parent")
	a.get("/word/n", true)
	a.children("/word/n", true)
	a.children("/word", true)
	b.children("/word/n", true)
	b.children("/word", true)
	a.del("/word/n", -1)
	s.note("a recursive watch and a child watch")
	b.addWatch("/word", 1)
	b.create("/word/sub", "", 0)
	b.children("/word/sub", true)
	a.create("/word/sub/k", "", 0)
	s.note("setWatches tells before it answers")
	b.call(zktest.OpSetWatches, "", rearming(0, []string{"/word"}, []string{"/word"}, []string{"/word"}), nil)
}

func scriptSetWatches(s *script) {
	a, w := s.client("a"), s.client("w")
	a.create("/sw", "", 0)
	for _, name := range []string{"same", "changed", "gone", "kids", "lostkid"} {
		a.create("/sw/"+name, "", 0)
	}
	a.create("/sw/lostkid/k", "", 0)
	w.callXid(-2, zktest.OpPing, "", joined{}, nil)
	since := s.base + 7
	a.set("/sw/changed", "x", -1)
	a.del("/sw/gone", -1)
	a.create("/sw/kids/k", "", 0)
	a.del("/sw/lostkid/k", -1)
	a.create("/sw/new", "", 0)
	all := []string{"/sw/same", "/sw/changed", "/sw/gone", "/sw/kids", "/sw/lostkid", "/sw/new", "/sw/never"}
	set := func(op zktest.Op, what string, b body) { w.callXid(-8, op, what, b, nil) }
	s.note("data")
	set(zktest.OpSetWatches, "data", rearming(since, all, nil, nil))
	s.note("exist")
	set(zktest.OpSetWatches, "exist", rearming(since, nil, all, nil))
	s.note("child")
	set(zktest.OpSetWatches, "child", rearming(since, nil, nil, all))
	s.note("what was armed")
	for _, path := range []string{"/sw/same", "/sw/kids", "/sw/changed", "/sw/lostkid"} {
		a.set(path, "y", -1)
		a.create(path+"/z", "", 0)
	}
	a.create("/sw/never", "", 0)
	a.create("/sw/gone", "", 0)
	s.note("standing watches are armed and nothing else")
	set(zktest.OpSetWatches2, "standing", &jute.SetWatches2Request{
		SetWatchesRequest: *rearming(since, []string{"/sw/changed"}, nil, nil),
		Persistent:        []string{"/sw/never"}, Recursive: []string{"/sw/same"}})
	a.set("/sw/never", "1", -1)
	a.set("/sw/never", "2", -1)
	a.create("/sw/never/k", "", 0)
	a.create("/sw/same/deep", "", 0)
	a.set("/sw/same/deep", "", 0)
	s.note("null lists, other xids, cut short")
	w.call(zktest.OpSetWatches, "empty", rearming(since, nil, nil, nil), nil)
	gone := []string{"/sw/nowhere"}
	w.call(zktest.OpSetWatches, "no child list", &jute.SetWatchesRequest{Data: gone, Exist: gone}, nil)
	w.call(zktest.OpSetWatches, "no data list", &jute.SetWatchesRequest{Exist: []string{"/sw"}, Child: gone}, nil)
	w.call(zktest.OpSetWatches2, "no recursive list", &jute.SetWatches2Request{
		SetWatchesRequest: *rearming(0, gone, nil, nil), Persistent: gone}, nil)
	w.call(zktest.OpSetWatches2, "body of setWatches", &jute.SetWatchesRequest{}, nil)
	w.call(zktest.OpSetWatches, "short", number(1), nil)
	a.create("/sw/nowhere", "", 0)
}

// rearming returns a setWatches request whose lists are empty where they are nil here.
func rearming(since int64, data, exist, child []string) *jute.SetWatchesRequest {
	list := func(l []string) []string { return append([]string{}, l...) }
	return &jute.SetWatchesRequest{RelativeZxid: since, Data: list(data), Exist: list(exist), Child: list(child)}
}
