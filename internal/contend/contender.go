package contend

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
)

// Contender is one node of a queue, for those who look at it.
type Contender struct {
	Path    string
	Data    []byte
	Session int64 // the session that owns it
	Token   int64 // its czxid
	Since   time.Time
}

// Contenders lists the queue in order; the first one holds. Nodes that go while the list is read are left out.
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
	for _, name := range order {
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
