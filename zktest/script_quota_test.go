package zktest_test

import (
	"strings"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// scriptQuota follows what a quota counts, and what its hard limits refuse in which order of checks.
func scriptQuota(s *script) {
	a := s.client("a")
	stats := func() { a.get("/zookeeper/quota/quota/zookeeper_stats", false) }
	a.create("/quota", "", 0)
	a.create("/quota/a", "12345", 0)
	a.create("/zookeeper/quota/quota", "", 0)
	a.create("/zookeeper/quota/quota/zookeeper_limits", "count=2,bytes=3=;byteHardLimit=20;countHardLimit=4", 0)
	a.create("/zookeeper/quota/quota/zookeeper_stats", "count=0,bytes=0", 0)
	stats()
	a.create("/quota/b", "123", 0)
	stats()
	a.create("/quota/b/c", "", 1)
	stats()
	s.note("the hard limit of nodes is reached")
	a.create("/quota/d", "", 0)
	a.create("/quota/b", "", 0)
	a.create("/quota/s", "", 2)
	a.create("/quota/s", "", 3)
	a.create("/quota/b/c/d", "", 0)
	a.create("/quota/none/d", "", 0)
	a.create("/quotas", "", 0)
	a.exists("/quota", false)
	s.note("the hard limit of bytes: a set is judged by it ahead of the version")
	a.set("/quota/a", strings.Repeat("x", 18), -1)
	a.set("/quota/a", strings.Repeat("x", 18), 7)
	a.set("/quota/a", strings.Repeat("x", 17), 7)
	a.set("/quota/a", strings.Repeat("x", 17), -1)
	stats()
	a.set("/quota/a", "1", -1)
	s.note("what is deleted counts no more, and each operation of a multi is judged by what was there before it")
	a.del("/quota/b/c", -1)
	stats()
	a.multi(zktest.OpMulti, "two creates", multiItem(zktest.OpCreate, creating("/quota/m1", "1234567890", 0)),
		multiItem(zktest.OpCreate, creating("/quota/m2", "1234567890", 0)))
	stats()
	a.multi(zktest.OpMulti, "a create over the limit", multiItem(zktest.OpCreate, creating("/quota/m3", "", 0)),
		multiItem(zktest.OpDelete, &jute.PathInt32Request{Path: "/quota/m1", Value: -1}))
	stats()
	s.note("other limits, and none")
	a.set("/zookeeper/quota/quota/zookeeper_limits", "count=1,bytes=1", -1)
	a.create("/quota/more", "12345678901234567890", 0)
	stats()
	a.del("/zookeeper/quota/quota/zookeeper_limits", -1)
	stats()
}
