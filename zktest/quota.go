package zktest

import (
	"fmt"
	"strconv"
	"strings"
)

// A quota of /a is the node /zookeeper/quota/a/zookeeper_limits. Beside it stands zookeeper_stats, whose data the server keeps up to
// date. Here that is done when somebody looks.
const (
	quotaRoot  = "/zookeeper/quota"
	limitsName = "/zookeeper_limits"
	statsName  = "/zookeeper_stats"
)

// usage is how many nodes a tree has, its root included, and how many bytes of data.
type usage struct{ count, bytes int64 }

// usage counts what there is at and below a node.
func (n *node) usage() usage {
	u := usage{1, int64(len(n.data))}
	for _, k := range n.kids {
		below := k.usage()
		u.count += below.count
		u.bytes += below.bytes
	}
	return u
}

// usageAt is the usage of a path at which there may be no node.
func (t *tree) usageAt(path string) usage {
	if n := t.nodes[path]; n != nil {
		return n.usage()
	}
	return usage{}
}

// quotaOf returns the path, at or above the given one, whose quota counts for it: the deepest that has one. It returns nil limits if there is
// none.
func (t *tree) quotaOf(path string) (at string, limits *node) {
	if root := t.nodes[quotaRoot]; root == nil || len(root.kids) == 0 {
		return "", nil
	}
	for at = path; at != "" && at != "/"; at = at[:lastSlash(at)] {
		if limits := t.nodes[quotaRoot+at+limitsName]; limits != nil {
			return at, limits
		}
	}
	return "", nil
}

// count brings the data of a zookeeper_stats up to date.
func (t *tree) countQuota(n *node) {
	at, ok := strings.CutSuffix(strings.TrimPrefix(n.path, quotaRoot), statsName)
	if !ok || at == "" || t.nodes[quotaRoot+at+limitsName] == nil {
		return
	}
	u := t.usageAt(at)
	data := fmt.Appendf(nil, "count=%d,bytes=%d", u.count, u.bytes)
	t.dataSize += int64(len(data) - len(n.data))
	n.data = data
}

// hardLimits reads the hard limits from the data of a zookeeper_limits, -1 for one that is not set.
func hardLimits(data []byte) usage {
	limits := usage{-1, -1}
	for pair := range strings.FieldsFuncSeq(string(data), func(r rune) bool { return r == ',' || r == ';' }) {
		key, value, _ := strings.Cut(strings.TrimSuffix(pair, "="), "=")
		n, err := strconv.ParseInt(value, 10, 64)
		switch {
		case err != nil:
		case key == "countHardLimit":
			limits.count = n
		case key == "byteHardLimit":
			limits.bytes = n
		}
	}
	return limits
}

// withinQuota reports whether so many more nodes and bytes at path exceed no hard limit. As on a real server, every operation of a
// multi is judged by what was there before the multi.
func (t *txn) withinQuota(path string, nodes, bytes int64) bool {
	if !t.s.cfg.EnforceQuota || t.trusted {
		return true
	}
	at, limits := t.s.tree.quotaOf(path)
	if limits == nil {
		return true
	}
	used, ok := t.usages[at]
	if !ok {
		used = t.s.tree.usageAt(at)
		if t.usages == nil {
			t.usages = make(map[string]usage)
		}
		t.usages[at] = used
	}
	hard := hardLimits(limits.data)
	return (nodes <= 0 || hard.count < 0 || used.count+nodes <= hard.count) &&
		(bytes <= 0 || hard.bytes < 0 || used.bytes+bytes <= hard.bytes)
}
