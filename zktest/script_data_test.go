package zktest_test

import (
	"fmt"
	"strings"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// scripts are run in this order; the first expects a server that was never written to.
var scripts = []conversation{
	{name: "fresh", steps: scriptFresh},
	{name: "create", steps: scriptCreate},
	{name: "create-errors", steps: scriptCreateErrors},
	{name: "paths", steps: scriptPaths},
	{name: "delete", steps: scriptDelete},
	{name: "data", steps: scriptData},
	{name: "reads", steps: scriptReads},
	{name: "counters", steps: scriptCounters},
	{name: "quota", steps: scriptQuota},
	{name: "multi", steps: scriptMulti},
	{name: "multi-errors", steps: scriptMultiErrors},
	{name: "multi-read", steps: scriptMultiRead},
	{name: "watch-once", steps: scriptWatchOnce},
	{name: "watch-standing", steps: scriptWatchStanding},
	{name: "watch-mixed", steps: scriptWatchMixed, differs: "modes stand side by side, as since 3.9 (ZOOKEEPER-4466)"},
	{name: "watch-remove", steps: scriptWatchRemove, differs: "checkWatches asks for the caller's own watches, as since 3.9"},
	{name: "watch-order", steps: scriptWatchOrder},
	{name: "set-watches", steps: scriptSetWatches},
	{name: "acl", steps: scriptACL},
	{name: "acl-forms", steps: scriptACLForms},
	{name: "acl-events", steps: scriptACLEvents},
	{name: "auth", steps: scriptAuth},
	{name: "handshake", steps: scriptHandshake},
	{name: "reattach", steps: scriptReattach},
	{name: "session-end", steps: scriptSessionEnd},
	{name: "garbage", steps: scriptGarbage},
	{name: "frames", steps: scriptFrames},
	{name: "rare", steps: scriptRare},
	{name: "bare-check", steps: scriptBareCheck, differs: "a check outside a multi is refused, as since 3.9, and not left without an answer"},
}

func scriptFresh(s *script) {
	a := s.client("a")
	for _, path := range []string{"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		a.get(path, false)
		a.children(path, false)
		a.call(zktest.OpGetACL, path, &jute.PathRequest{Path: path}, both(showACL, showStat))
	}
	a.call(zktest.OpGetAllChildrenNumber, "/", &jute.PathRequest{Path: "/"}, showInt)
	a.set("/", "root", 0)
	a.set("/", "", 1)
	a.create("/zookeeper/mine", "", 0)
	a.del("/zookeeper/mine", -1)
}

func scriptCreate(s *script) {
	a := s.client("a")
	a.create("/create", "", 0)
	for mode := range int32(5) {
		a.create(fmt.Sprintf("/create/m%d-", mode), "data", mode)
	}
	a.exists("/create", false)
	s.note("create answers with a path only, the other opcodes with a Stat too; each takes flags as given")
	for _, flags := range []int32{0, 1, 4} {
		a.call(zktest.OpCreate, fmt.Sprint(flags), creating(fmt.Sprintf("/create/old%d", flags), "x", flags), showPath)
	}
	for _, flags := range []int32{0, 2, 4} {
		a.call(zktest.OpCreateContainer, fmt.Sprint(flags), creating(fmt.Sprintf("/create/box%d", flags), "x", flags),
			both(showPath, showStat))
	}
	for _, flags := range []int32{5, 6} {
		for _, ttl := range []int64{1, 1<<40 - 1} {
			a.call(zktest.OpCreateTTL, fmt.Sprint(flags, ttl), &jute.CreateTTLRequest{
				CreateRequest: *creating(fmt.Sprintf("/create/ttl%d-%d", flags, ttl), "x", flags), TTL: ttl}, both(showPath, showStat))
		}
	}
	s.note("containers and TTL nodes take children, ephemerals do not")
	a.create("/create/box4/kid", "", 0)
	a.create("/create/ttl5-1099511627775/kid", "", 1)
	a.create("/create/m1-/kid", "", 0)
	s.note("a sequence suffix goes onto whatever the path is")
	a.create("/create/", "", 2)
	a.create("/create/日本-", "", 2)
	a.create("/create/7", "", 2)
}

func scriptCreateErrors(s *script) {
	a := s.client("a")
	a.create("/ce", "", 0)
	a.create("/ce/x", "", 0)
	a.create("/ce/e", "", 1)
	a.createACL("/ce/locked", acl(1, "world", "anyone"))
	for _, flags := range []int32{-1, 5, 6, 7, 99} {
		a.create("/ce/flags", "", flags)
	}
	for _, c := range []struct{ flags, ttl int64 }{{5, 0}, {5, -1}, {5, 1 << 40}, {0, 1}, {4, 1}, {9, 1}} {
		a.call(zktest.OpCreateTTL, fmt.Sprint(c), &jute.CreateTTLRequest{
			CreateRequest: *creating("/ce/ttl", "", int32(c.flags)), TTL: c.ttl}, both(showPath, showStat))
	}
	a.createACL("/ce/noacl")
	a.createACL("/missing/x")
	s.note("which of two errors wins")
	a.create("", "", 9)
	a.createACL("nope")
	a.createACL("/ce/locked/a")
	a.create("/missing/a//b", "", 0)
	a.create("/missing/..", "", 0)
	a.create("/ce/locked/..", "", 0)
	a.create("/ce/e/..", "", 0)
	a.create("/ce/e/k", "", 0)
	a.create("/ce/x", "", 0)
	a.create("/", "", 0)
	a.createACL("/", acl(31, "nope", ""))
	a.create("/ce/x\x00", "", 0)
	s.note("a sequential name that exists is an error and not skipped")
	a.create("/ce/s0000000005", "", 0)
	a.create("/ce/s", "", 2)
	a.create("/ce/s", "", 2)
	a.exists("/ce", false)
}

func scriptPaths(s *script) {
	a := s.client("a")
	a.create("/paths", "", 0)
	for _, tail := range []string{"", ".", "..", "...", "a..b", ".a", " ", "a b", "a/", "/a", "a//b", "a/./b", "a/../b",
		"\x01", "\x1f", "\x20", "\x7e", "\x7f", "\u0080", "\u009f", "\u00a0", "\ue000", "\uf8ff", "\uf900", "\uffef", "\ufff0",
		"\uffff", "\U0001f600", "é", strings.Repeat("n", 5000)} {
		path := "/paths/" + tail
		what := fmt.Sprintf("%.20q", path)
		a.call(zktest.OpCreate, what, creating(path, "", 0), func(_ *raw, d *jute.Decoder) string { return fmt.Sprintf("%.20q", d.String()) })
		a.call(zktest.OpSetData, what, &jute.SetDataRequest{Path: path, Version: -1}, showStat)
		a.call(zktest.OpExists, what, &jute.PathWatchRequest{Path: path}, showStat)
	}
	for _, path := range []string{"", "x", "x/y", "//", "/paths/", "/paths/\x00", "."} {
		s.note(fmt.Sprintf("%q", path))
		a.call(zktest.OpCreate, "", creating(path, "", 0), showPath)
		a.call(zktest.OpDelete, "", &jute.PathInt32Request{Path: path, Value: -1}, nil)
		a.call(zktest.OpSetData, "", &jute.SetDataRequest{Path: path, Version: 77}, nil)
		a.call(zktest.OpSetACL, "", &jute.SetACLRequest{Path: path, ACL: anyone, Version: 77}, nil)
		a.call(zktest.OpGetACL, "", &jute.PathRequest{Path: path}, showSome)
		a.call(zktest.OpExists, "", &jute.PathWatchRequest{Path: path}, showSome)
		a.call(zktest.OpGetData, "", &jute.PathWatchRequest{Path: path}, showSome)
		a.call(zktest.OpGetChildren, "", &jute.PathWatchRequest{Path: path}, showSome)
		a.call(zktest.OpGetAllChildrenNumber, "", &jute.PathRequest{Path: path}, showSome)
		a.call(zktest.OpSync, "", &jute.PathRequest{Path: path}, showPath)
		a.multi(zktest.OpMulti, "check", multiItem(zktest.OpCheck, &jute.PathInt32Request{Path: path, Value: 77}))
	}
}

func scriptDelete(s *script) {
	a := s.client("a")
	a.create("/del", "", 0)
	a.create("/del/x", "", 0)
	a.create("/del/x/y", "", 0)
	a.createACL("/del/locked", acl(1, "world", "anyone"))
	a.del("/del/locked/k", -1)
	a.del("/del/missing", -1)
	a.del("/del/missing/k", 5)
	a.del("/del/x", 5)
	a.del("/del/x", 0)
	a.set("/del/x/y", "1", -1)
	a.del("/del/x/y", 0)
	a.del("/del/x/y", 1)
	a.exists("/del/x", false)
	a.del("/del/x", -1)
	a.exists("/del", false)
	for _, path := range []string{"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/del/"} {
		a.del(path, -1)
	}
}

func scriptData(s *script) {
	a := s.client("a")
	a.call(zktest.OpCreate2, "null", &jute.CreateRequest{Path: "/data", ACL: anyone}, both(showPath, showStat))
	a.get("/data", false)
	a.set("/data", "", 0)
	a.get("/data", false)
	a.set("/data", "abc", 1)
	a.set("/data", "abc", 2)
	a.set("/data", "abc", 2)
	a.set("/data", "abc", -1)
	a.set("/data", "abc", -2)
	a.call(zktest.OpSetData, "null", &jute.SetDataRequest{Path: "/data", Version: -1}, showStat)
	a.get("/data", false)
	a.set("/data/missing", "", 0)
	a.set("/data/", "", 0)
	s.note("setACL leaves the mzxid alone")
	for _, version := range []int32{7, 0, 0, 1, -1} {
		a.call(zktest.OpSetACL, fmt.Sprint(version), &jute.SetACLRequest{Path: "/data", ACL: anyone, Version: version}, showStat)
	}
	a.call(zktest.OpSetACL, "missing", &jute.SetACLRequest{Path: "/data/missing", ACL: anyone}, showStat)
	a.call(zktest.OpSetACL, "missing, no ACL", &jute.SetACLRequest{Path: "/data/missing"}, showStat)
}

func scriptReads(s *script) {
	a, b := s.client("a"), s.client("b")
	a.create("/reads", "r", 0)
	a.create("/reads/e", "", 1)
	a.create("/reads/e2", "", 3)
	b.create("/reads/other", "", 1)
	a.create("/reads/sub", "", 0)
	a.create("/reads/sub/deep", "", 1)
	for _, op := range []zktest.Op{zktest.OpGetChildren, zktest.OpGetChildren2} {
		result := showList
		if op == zktest.OpGetChildren2 {
			result = both(showList, showStat)
		}
		a.pathWatch(op, "/reads", false, result)
		a.pathWatch(op, "/reads/e", false, result)
		a.pathWatch(op, "/reads/missing", false, result)
	}
	a.get("/reads", false)
	a.get("/reads/e", false)
	a.get("/reads/missing", false)
	b.exists("/reads/e", false)
	for _, path := range []string{"/reads", "/reads/sub", "/reads/e", "/reads/su", "/reads/missing", "/zookeeper"} {
		a.call(zktest.OpGetAllChildrenNumber, path, &jute.PathRequest{Path: path}, showInt)
	}
	var counts [2]int32
	for i, path := range []string{"/", ""} {
		a.call(zktest.OpGetAllChildrenNumber, "some", &jute.PathRequest{Path: path}, func(_ *raw, d *jute.Decoder) string {
			counts[i] = d.Int32()
			return "some"
		})
	}
	a.printf("an empty path has %d more than the root", counts[1]-counts[0])
	for _, prefix := range []string{"/", "/reads", "/reads/e", "/reads/sub", "/reads/sub/", "/missing", ""} {
		a.call(zktest.OpGetEphemerals, prefix, &jute.PathRequest{Path: prefix}, showList)
	}
	a.call(zktest.OpSync, "/reads", &jute.PathRequest{Path: "/reads"}, showPath)
	a.call(zktest.OpSync, "/nowhere", &jute.PathRequest{Path: "/nowhere"}, showPath)
	a.call(zktest.OpSync, "junk", &jute.PathRequest{Path: "not a path"}, showPath)
	a.callXid(-2, zktest.OpPing, "", joined{}, nil)
	a.callXid(77, zktest.OpPing, "with an xid", joined{}, nil)
	a.callXid(-7, zktest.OpExists, "with a negative xid", &jute.PathWatchRequest{Path: "/reads"}, showStat)
}

// scriptCounters follows a parent's counters through everything that may or may not move them.
func scriptCounters(s *script) {
	a := s.client("a")
	a.create("/cnt", "", 0)
	a.create("/cnt/s", "", 2)
	a.create("/cnt/plain", "", 0)
	a.create("/cnt/s", "", 3)
	a.exists("/cnt", false)
	a.create("/cnt/plain", "", 0)
	a.create("/cnt/plain/grandchild", "", 2)
	a.set("/cnt", "x", -1)
	a.set("/cnt/plain", "x", -1)
	a.create("/cnt/s", "", 2)
	a.del("/cnt/s0000000000", -1)
	a.exists("/cnt", false)
	a.create("/cnt/s", "", 2)
	s.note("a multi that fails leaves the counter as it was")
	a.multi(zktest.OpMulti, "two creates and a mistake",
		multiItem(zktest.OpCreate, creating("/cnt/m", "", 2)),
		multiItem(zktest.OpCreate, creating("/cnt/m", "", 2)),
		multiItem(zktest.OpDelete, &jute.PathInt32Request{Path: "/cnt/missing", Value: -1}))
	a.exists("/cnt", false)
	a.create("/cnt/s", "", 2)
	s.note("a new node with an old name starts again")
	a.create("/cnt2", "", 0)
	a.create("/cnt2/s", "", 2)
	a.del("/cnt2/s0000000000", -1)
	a.del("/cnt2", -1)
	a.create("/cnt2", "", 0)
	a.create("/cnt2/s", "", 2)
}
