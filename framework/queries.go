package framework

import (
	"context"
	"errors"

	"github.com/docent-zk/docent/internal/jute"
)

func decodeStat(d *jute.Decoder) Stat {
	var s jute.Stat
	s.Decode(d)
	return Stat(s)
}

// cloned copies data of a decoder, which is only valid for the moment.
func cloned(data []byte) []byte { return append([]byte(nil), data...) }

func getQuery(s space, at string, watch bool) query[Node] {
	return query[Node]{op: jute.OpGetData, at: at, body: &jute.PathWatchRequest{Path: at, Watch: watch}, decode: func(d *jute.Decoder) Node {
		n := Node{Path: s.local(at), Data: cloned(d.Buffer())}
		n.Stat = decodeStat(d)
		return n
	}}
}

// existsQuery's reply is ErrNoNode if the node does not exist: see stat.
func existsQuery(at string, watch bool) query[*Stat] {
	return query[*Stat]{op: jute.OpExists, at: at, body: &jute.PathWatchRequest{Path: at, Watch: watch}, decode: func(d *jute.Decoder) *Stat {
		s := decodeStat(d)
		return &s
	}}
}

// listing is a directory's children and Stat.
type listing struct {
	names []string
	stat  Stat
}

func childrenQuery(at string, watch bool) query[listing] {
	return query[listing]{op: jute.OpGetChildren2, at: at, body: &jute.PathWatchRequest{Path: at, Watch: watch}, decode: func(d *jute.Decoder) listing {
		l := listing{names: d.Strings()}
		l.stat = decodeStat(d)
		return l
	}}
}

func syncQuery(at string) query[struct{}] {
	return query[struct{}]{op: jute.OpSync, at: at, body: &jute.PathRequest{Path: at}}
}

// ownedList is an ACL with the Stat of its node.
type ownedList struct {
	acl  []ACL
	stat Stat
}

func aclQuery(at string) query[ownedList] {
	return query[ownedList]{op: jute.OpGetACL, at: at, body: &jute.PathRequest{Path: at}, decode: func(d *jute.Decoder) ownedList {
		list := d.ACLs()
		a := ownedList{acl: make([]ACL, len(list))}
		for i, entry := range list {
			a.acl[i] = ACL{Perms: entry.Perms, Scheme: entry.Scheme, ID: entry.ID}
		}
		a.stat = decodeStat(d)
		return a
	}}
}

func setQuery(at string, data []byte, version int32) query[Stat] {
	return query[Stat]{op: jute.OpSetData, at: at, body: &jute.SetDataRequest{Path: at, Data: data, Version: version}, long: isLong(len(data)), decode: decodeStat}
}

func setACLQuery(at string, acl []ACL, version int32) query[Stat] {
	return query[Stat]{op: jute.OpSetACL, at: at, body: &jute.SetACLRequest{Path: at, ACL: juteACLs(acl), Version: version}, decode: decodeStat}
}

func deleteQuery(at string, version int32) query[struct{}] {
	return query[struct{}]{op: jute.OpDelete, at: at, body: &jute.PathInt32Request{Path: at, Value: version}}
}

func juteACLs(acl []ACL) []jute.ACL {
	list := make([]jute.ACL, len(acl))
	for i, a := range acl {
		list[i] = jute.ACL{Perms: a.Perms, Scheme: a.Scheme, ID: a.ID}
	}
	return list
}

// sync is Sync in an epoch. Servers ignore the path and whether the node exists. A proxy might not, so it is a path of
// the client, and not the root.
func (e *epoch) sync(ctx context.Context, at string) error {
	_, err := ask(ctx, e, syncQuery(at))
	return err
}

// stat reads a node's Stat in an epoch; nil if the node does not exist.
func (e *epoch) stat(ctx context.Context, at string) (*Stat, error) {
	s, err := ask(ctx, e, existsQuery(at, false))
	if errors.Is(err, ErrNoNode) {
		return nil, nil
	}
	return s, err
}
