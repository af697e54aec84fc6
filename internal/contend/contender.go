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
	Token   int64 // its czxid
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
	order, err := q.arrange(names)
	if err != nil {
		return nil, err
	}
	list := make([]Contender, 0, len(order))
	for _, name := range places(order) {
		node, err := cli.Get(ctx, framework.Join(q.Dir, name.Full))
		if errors.Is(err, framework.ErrNoNode) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, Contender{
			Path: node.Path, Data: node.Data, Session: node.Stat.EphemeralOwner, Token: node.Stat.Czxid,
			Since: time.UnixMilli(node.Stat.Ctime),
		})
	}
	return list, nil
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
