package framework

import (
	"context"
	"errors"
	"fmt"
)

// Changed is what [Session.ChangedSince] has found, in the order in which it was asked.
type Changed struct {
	// Nodes are those whose data was set, that were created, or that were deleted.
	Nodes []string
	// Children are those that have got or lost a child, or were deleted.
	Children []string
}

// ErrNotTold says that a server cannot tell what has changed since a transaction: it has not got that far itself, or it does not
// know the request. What matters has to be read instead.
var ErrNotTold = errors.New("the server cannot tell what has changed since then")

// inquirySize bounds the paths in one request, in bytes as they are sent. Servers accept requests of 1 MiB unless they are told
// otherwise; this is what their own clients keep to in requests of this kind.
const inquirySize = 128 << 10

// ChangedSince asks which of the nodes in data were set, created or deleted after the transaction zxid, and which of those in
// children have got or lost a child, or were deleted. It answers as the server does that the session is connected to: to have it
// no older than the call, call [Session.Sync] first. Nothing is missing from it if the caller knows of all that has happened to
// these nodes up to zxid, from reads or from watches: see [TreeWatch.Zxid]. Nodes may be in it without need. A change of an ACL
// is none.
//
// It is ZooKeeper's setWatches, with which clients set their watches again after a reconnect: one request for each 128 KiB of
// paths, in which a longer path goes alone, and a small one with each. So it leaves one-shot watches behind, one on each node in
// data that has not changed and one on each list in children that has not, until that happens or the connection ends. They concern nobody but the server's memory.
// What they tell is told to each [TreeWatch] above the node, once for each change, as it would be without them, and so is what the
// answer says of data, as EventDataChanged or EventDeleted, before ChangedSince returns. A [Watch] on one of the nodes may fire
// without need.
//
// Nodes on which the session has a TreeWatch are looked at one by one: a one-shot watch would end it on servers before 3.9
// (ZOOKEEPER-4466).
//
// It returns [ErrNotTold] if the server has not seen zxid, not even behind a sync, as when its data was replaced by older data,
// and if it does not know setWatches, as some servers that speak ZooKeeper's protocol do not. A path that is longer than
// Config.MaxRequestSize allows is [ErrTooLarge].
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
