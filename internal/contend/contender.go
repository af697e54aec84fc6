package contend

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Contender is a place of a queue, as listed.
type Contender struct {
	Path    string // its node, the first one if there are several
	Data    []byte
	Session int64 // the session that owns it
	Token   int64 // its fencing token, once it is a claim
	Since   time.Time
}

// Contenders lists the queue in order; the first one holds the claim. A place of several nodes, which share a GUID, is
// listed once. Nodes that are deleted during the call are omitted.
func (q Queue) Contenders(ctx context.Context, cli *framework.Client) ([]Contender, error) {
	names, _, err := cli.Children(ctx, q.Dir)
	if errors.Is(err, framework.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return q.read(ctx, cli, places(q.arrange(names)))
}

// read reads nodes of the queue. Nodes that are deleted meanwhile are omitted.
func (q Queue) read(ctx context.Context, from reader, names []seqnode.Name) ([]Contender, error) {
	list := make([]Contender, 0, len(names))
	for _, name := range names {
		node, err := from.Get(ctx, framework.Join(q.Dir, name.Full))
		if errors.Is(err, framework.ErrNoNode) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, ContenderOf(node))
	}
	return list, nil
}

// reader is a client, or one of its sessions.
type reader interface {
	Get(ctx context.Context, path string) (framework.Node, error)
}

// ContenderOf returns the contender of a node.
func ContenderOf(node framework.Node) Contender {
	return Contender{
		Path: node.Path, Data: node.Data, Session: node.Stat.EphemeralOwner, Token: seqnode.Token(node.Stat.Czxid, 0),
		Since: time.UnixMilli(node.Stat.Ctime),
	}
}

// places removes names that belong to the place of another name.
func places(order []seqnode.Name) []seqnode.Name {
	seen := make(map[string]bool)
	return slices.DeleteFunc(order, func(n seqnode.Name) bool {
		again := seen[n.GUID]
		seen[n.GUID] = n.GUID != ""
		return again
	})
}
