package framework

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-zookeeper/zk"
)

// Quota limits a node and everything below it. 0 means no limit.
//
// If Nodes or Bytes is exceeded, the servers only write a warning to their log. They refuse writes that would exceed
// HardNodes or HardBytes, with [ErrQuotaExceeded], if enforceQuota is set (ZooKeeper 3.7 and later, off by default).
type Quota struct {
	Nodes     int64 // number of nodes, including the node itself
	Bytes     int64 // bytes of data
	HardNodes int64 // as Nodes
	HardBytes int64 // as Bytes
}

// QuotaUsage is a quota and how much of it is used, as counted by the servers.
type QuotaUsage struct {
	Quota
	UsedNodes int64 // as Nodes counts them
	UsedBytes int64 // as Bytes counts them
}

// Paths and limits of the servers' quota nodes.
const (
	quotaRoot  = "/zookeeper/quota"
	limitsName = "zookeeper_limits"
	statsName  = "zookeeper_stats"
	noUsage    = "count=0,bytes=0"
)

// quotas are the operations on the quota of one node. Quota nodes are relative to the servers' root, whatever the
// client's namespace.
type quotas struct {
	ops
	op   string
	path string // as given by the caller
	at   string // in the servers' form
}

// Quota returns the quota of the node at path and its usage. It ignores quotas of nodes above. The error matches
// [ErrNoNode] if path itself has no quota.
//
// Other errors are those of Get. Quotas are stored below /zookeeper/quota, whatever the client's namespace, and an ACL
// there may deny the read.
func (o *ops) Quota(ctx context.Context, path string) (QuotaUsage, error) {
	q, err := o.quotas("quota", path)
	if err != nil {
		return QuotaUsage{}, err
	}
	limits, err := q.Get(ctx, q.node(limitsName))
	if err != nil {
		if errors.Is(err, ErrNoNode) {
			err = &explainedError{ErrNoNode, "the node has no quota of its own; SetQuota makes one"}
		}
		return QuotaUsage{}, q.fail(err)
	}
	stats, err := q.Get(ctx, q.node(statsName))
	if err != nil && !errors.Is(err, ErrNoNode) {
		return QuotaUsage{}, q.fail(err)
	}
	limit, used := parseQuota(limits.Data), parseQuota(stats.Data)
	return QuotaUsage{limit, used.Nodes, used.Bytes}, nil
}

// SetQuota sets or replaces the quota of the node at path. The nodes that store it are created with Config.ACL.
// ZooKeeper's command line shows it with listquota.
//
// A quota cannot be set below another one. SetQuota looks for others first and returns an error that names them. If two
// quotas are set at the same time, both may succeed. The servers then count a node for the nearest quota above it.
//
// Errors: [ErrNoNode] if there is no node at path; [ErrInvalidPath] for the servers' root and for /zookeeper; those of
// Create and Set.
func (o *ops) SetQuota(ctx context.Context, path string, quota Quota) error {
	q, err := o.quotas("setQuota", path)
	if err != nil {
		return err
	}
	if _, there, err := o.Exists(ctx, path); err != nil || !there {
		if err == nil {
			err = &explainedError{ErrNoNode, "create the node before you give it a quota"}
		}
		return q.fail(err)
	}
	if err := q.alone(ctx); err != nil {
		return q.fail(err)
	}
	return q.fail(q.put(ctx, quota))
}

// DeleteQuota removes the quota of the node at path. It is not an error if there is none.
func (o *ops) DeleteQuota(ctx context.Context, path string) error {
	q, err := o.quotas("deleteQuota", path)
	if err != nil {
		return err
	}
	for _, name := range []string{limitsName, statsName} {
		if err := q.Delete(ctx, q.node(name), AnyVersion); err != nil && !errors.Is(err, ErrNoNode) {
			return q.fail(err)
		}
	}
	for dir := quotaRoot + q.at; dir != quotaRoot; dir, _ = Split(dir) { // parents without further children
		err := q.Delete(ctx, dir, AnyVersion)
		if errors.Is(err, ErrNotEmpty) {
			break
		}
		if err != nil && !errors.Is(err, ErrNoNode) {
			return q.fail(err)
		}
	}
	return nil
}

func (o *ops) quotas(op, path string) (*quotas, error) {
	at, err := o.locate(op, path)
	if err != nil {
		return nil, err
	}
	if at == "/" || at == "/zookeeper" || strings.HasPrefix(at, "/zookeeper/") {
		return nil, o.failUnsent(op, path, fmt.Errorf("%w: servers do not support a quota of %s", ErrInvalidPath, at))
	}
	root := *o
	root.space = ""
	return &quotas{ops: root, op: op, path: path, at: at}, nil
}

// node returns the path of one of the quota's nodes.
func (q *quotas) node(name string) string { return Join(quotaRoot+q.at, name) }

// fail adds the quota's path to an error.
func (q *quotas) fail(err error) error {
	if err == nil {
		return nil
	}
	return q.failUnsent(q.op, q.path, err)
}

// alone returns an error if a node above or below has a quota.
func (q *quotas) alone(ctx context.Context) error {
	for dir, _ := Split(q.at); dir != "/"; dir, _ = Split(dir) {
		if _, there, err := q.Exists(ctx, Join(quotaRoot+dir, limitsName)); err != nil {
			return err
		} else if there {
			return fmt.Errorf("%w: %s, which is above it, has a quota", zk.ErrBadArguments, dir)
		}
	}
	own := quotaRoot + q.at
	err := q.Walk(ctx, own, func(n TreeNode, err error) error {
		switch dir, name := Split(n.Path); {
		case err != nil:
			return err
		case name == limitsName && dir != own:
			return fmt.Errorf("%w: %s, which is below it, has a quota", zk.ErrBadArguments, strings.TrimPrefix(dir, quotaRoot))
		}
		return nil
	})
	if errors.Is(err, ErrNoNode) {
		return nil
	}
	return err
}

// put writes the limits. The servers begin to count when the second of the two nodes is created.
func (q *quotas) put(ctx context.Context, quota Quota) error {
	limits, stats, data := q.node(limitsName), q.node(statsName), []byte(quota.String())
	for {
		_, err := q.Set(ctx, limits, data, AnyVersion, Idempotent)
		if errors.Is(err, ErrNoNode) {
			_, err = q.Create(ctx, limits, data, PersistentParents, Idempotent)
			if errors.Is(err, ErrNodeExists) {
				continue // another client has created it meanwhile
			}
		}
		if err != nil {
			return err
		}
		_, err = q.Create(ctx, stats, []byte(noUsage), Idempotent)
		switch {
		case err == nil, errors.Is(err, ErrNodeExists):
			return nil
		case !errors.Is(err, ErrNoNode): // another client has deleted the quota meanwhile
			return err
		}
	}
}

// String formats the quota as servers do, in the order that all versions read. The limits of newer versions follow a
// second "=", where older versions stop reading.
func (q Quota) String() string {
	number := func(n int64) int64 {
		if n <= 0 {
			return -1
		}
		return n
	}
	text := fmt.Sprintf("count=%d,bytes=%d", number(q.Nodes), number(q.Bytes))
	if q.HardNodes > 0 || q.HardBytes > 0 {
		text += fmt.Sprintf("=;byteHardLimit=%d;countHardLimit=%d", number(q.HardBytes), number(q.HardNodes))
	}
	return text
}

// parseQuota parses the servers' format. It returns 0 for limits that are not set, which servers write as -1.
func parseQuota(data []byte) (q Quota) {
	fields := map[string]*int64{"count": &q.Nodes, "bytes": &q.Bytes, "countHardLimit": &q.HardNodes, "byteHardLimit": &q.HardBytes}
	for pair := range strings.FieldsFuncSeq(string(data), func(r rune) bool { return r == ',' || r == ';' }) {
		key, value, _ := strings.Cut(strings.TrimSuffix(pair, "="), "=")
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 && fields[key] != nil {
			*fields[key] = n
		}
	}
	return q
}
