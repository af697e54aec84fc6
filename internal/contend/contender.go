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
	Kind    seqnode.Kind
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
	return q.read(ctx, cli, seqnode.Places(q.arrange(names)))
}

// readAtOnce is how many nodes of a queue are read in one request.
const readAtOnce = 100

// read reads nodes of the queue, many in one request. Nodes that are deleted meanwhile are omitted.
func (q Queue) read(ctx context.Context, from reader, names []seqnode.Name) ([]Contender, error) {
	list := make([]Contender, 0, len(names))
	for some := range slices.Chunk(names, readAtOnce) {
		reads := make([]framework.ReadOp, len(some))
		for i, name := range some {
			reads[i] = framework.GetOp(framework.Join(q.Dir, name.Full))
		}
		results, err := from.MultiRead(ctx, reads)
		if errors.Is(err, framework.ErrReplyRefused) {
			results, err = readSingly(ctx, from, reads)
		}
		if err != nil {
			return nil, err
		}
		for _, r := range results {
			if errors.Is(r.Err, framework.ErrNoNode) {
				continue
			}
			if r.Err != nil {
				return nil, r.Err
			}
			list = append(list, ContenderOf(r.Node))
		}
	}
	return list, nil
}

// readSingly reads nodes whose data is too long for one reply.
func readSingly(ctx context.Context, from reader, reads []framework.ReadOp) (results []framework.ReadResult, err error) {
	for _, r := range reads {
		one, err := from.MultiRead(ctx, []framework.ReadOp{r})
		if err != nil {
			return nil, err
		}
		results = append(results, one...)
	}
	return results, nil
}

// reader is a client, or one of its sessions.
type reader interface {
	MultiRead(ctx context.Context, reads []framework.ReadOp) ([]framework.ReadResult, error)
}

// ContenderOf returns the contender of a node.
func ContenderOf(node framework.Node) Contender {
	return Contender{
		Path: node.Path, Kind: seqnode.Parse(base(node.Path)).Kind, Data: node.Data, Session: node.Stat.EphemeralOwner, Token: seqnode.Token(node.Stat.Czxid, 0),
		Since: time.UnixMilli(node.Stat.Ctime),
	}
}
