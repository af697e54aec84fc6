package contend

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Contender is one place of a queue, for those who look at it.
type Contender struct {
	Path    string // its node, the first one if there are several
	Data    []byte
	Session int64 // the session that owns it
	Token   int64 // its fencing token, once it holds
	Since   time.Time
}

// Contenders lists the queue in order; the first one holds. A place of several nodes, which share a GUID, is listed once.
// Nodes that go while the list is read are left out.
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

// read looks at nodes of the queue. Those that go meanwhile are left out.
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

// ContenderOf describes a node of a queue.
func ContenderOf(node framework.Node) Contender {
	return Contender{
		Path: node.Path, Data: node.Data, Session: node.Stat.EphemeralOwner, Token: seqnode.Token(node.Stat.Czxid, 0),
		Since: time.UnixMilli(node.Stat.Ctime),
	}
}

// places leaves out names that stand for the place of another one.
func places(order []seqnode.Name) []seqnode.Name {
	seen := make(map[string]bool)
	return slices.DeleteFunc(order, func(n seqnode.Name) bool {
		again := seen[n.GUID]
		seen[n.GUID] = n.GUID != ""
		return again
	})
}
