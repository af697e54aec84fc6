package framework

import (
	"context"
	"errors"
	"fmt"
)

// Changed is the result of [Session.ChangedSince]. Both lists are in the order of the request.
type Changed struct {
	// Nodes are the nodes whose data was set, or that were created or deleted.
	Nodes []string
	// Children are the nodes that gained or lost a child, or were deleted.
	Children []string
}

// ErrNotTold means that the server cannot tell what has changed since a transaction, because it has not reached that
// transaction or does not support the request. Read the nodes instead.
var ErrNotTold = errors.New("the server cannot tell what has changed since then")

// inquirySize bounds the paths in one request, in bytes on the wire. Servers accept requests of 1 MiB by default;
// ZooKeeper's own client uses this limit for such requests.
const inquirySize = 128 << 10

// ChangedSince returns which of the nodes in data were set, created or deleted after the transaction zxid, and which of
// those in children gained or lost a child, or were deleted. The connected server answers; call [Session.Sync] first if
// the answer must be as recent as the call. The answer is complete if the caller knows everything that happened to
// these nodes up to zxid, from reads or watches: see [TreeWatch.Zxid]. It may contain nodes that have not changed.
// Changes of ACLs are not reported.
//
// The request is ZooKeeper's setWatches, with which clients set their watches again after a reconnect: one request for
// each 128 KiB of paths (a longer path has its own request), each followed by a small request. It leaves one-shot
// watches on the server, one for each node in data and each list in children that has not changed, until that changes
// or the connection ends. They only cost memory on the server. Their events are delivered to each [TreeWatch] above the
// node, once for each change, as they would be without them. So is the answer for data, as EventDataChanged or
// EventDeleted, before ChangedSince returns. A [Watch] on one of the nodes may fire although nothing has changed.
//
// Nodes on which the session has a TreeWatch are read one by one, because a one-shot watch would end it on servers
// before 3.9 (ZOOKEEPER-4466).
//
// ChangedSince returns [ErrNotTold] if the server has not reached zxid even after a sync, for example because its data
// was replaced by a backup, and if it does not support setWatches. It returns [ErrTooLarge] for a path that is longer
// than Config.MaxRequestSize allows.
func (s *Session) ChangedSince(ctx context.Context, zxid int64, data, children []string) (Changed, error) {
	lists := [2][]string{data, children}
	for i := range lists {
		at, err := s.resolveAll(lists[i])
		if err != nil {
			return Changed{}, err
		}
		lists[i] = at
	}
	limit := min(inquirySize, s.core.cfg.MaxRequestSize-overhead)
	var all Changed
	for len(lists[0])+len(lists[1]) > 0 {
		q := inquiry{zxid: zxid, session: s}
		room := max(limit, 4+len(first(lists[0], lists[1])))
		q.data, lists[0] = portion(lists[0], &room)
		q.children, lists[1] = portion(lists[1], &room)
		if err := q.run(ctx); err != nil {
			return Changed{}, err
		}
		all.Nodes = append(all.Nodes, q.found(q.data, toldNode)...)
		all.Children = append(all.Children, q.found(q.children, toldChildren)...)
	}
	return all, nil
}

// resolveAll returns the paths as the server knows them.
func (s *Session) resolveAll(paths []string) ([]string, error) {
	at := make([]string, len(paths))
	for i, path := range paths {
		var err error
		if at[i], err = s.space.resolve(path); err != nil {
			return nil, s.failUnsent("changedSince", path, err)
		}
	}
	return at, nil
}

// first is the first path of the lists, which are not all empty.
func first(lists ...[]string) string {
	for _, list := range lists {
		if len(list) > 0 {
			return list[0]
		}
	}
	return ""
}

// longest is the length of the longest of the paths.
func longest(paths ...string) (n int) {
	for _, path := range paths {
		n = max(n, len(path))
	}
	return n
}

// portion cuts off as many paths as there is room for.
func portion(paths []string, room *int) (some, rest []string) {
	n := 0
	for n < len(paths) && *room >= 4+len(paths[n]) {
		*room -= 4 + len(paths[n])
		n++
	}
	return paths[:n], paths[n:]
}

// run asks until there is an answer.
func (q *inquiry) run(ctx context.Context) error {
	r := request{
		op: "changedSince", path: q.session.space.local(first(q.data, q.children)),
		size: max(longest(q.data...), longest(q.children...)), repeatable: true, try: q.try,
	}
	if err := q.session.do(ctx, r); err != nil {
		return err
	}
	if q.refusal != nil {
		e := q.session.failUnsent(r.op, r.path, fmt.Errorf("%w: %w", ErrNotTold, q.refusal))
		e.Attempts = 1
		return e
	}
	return nil
}
