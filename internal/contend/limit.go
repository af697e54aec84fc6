package contend

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/docent-zk/docent/framework"
)

// Limit is how many nodes of a [Pool] hold permits: a fixed number, or the number in a node that all contenders share.
type Limit struct {
	Fixed int
	Path  string // of the node, absolute; empty for a fixed limit
}

// DecodeCount decodes a count of Curator's SharedCount: a signed number of 4 bytes, big-endian.
func DecodeCount(data []byte) (int, error) {
	if len(data) != 4 {
		return 0, fmt.Errorf("a count has 4 bytes and not %d", len(data))
	}
	return int(int32(binary.BigEndian.Uint32(data))), nil
}

// EncodeCount encodes a count for DecodeCount.
func EncodeCount(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// getter is a client, or one of its sessions.
type getter interface {
	Get(ctx context.Context, path string) (framework.Node, error)
}

// Read returns the limit.
func (l Limit) Read(ctx context.Context, from getter) (int, error) {
	if l.Path == "" {
		return l.Fixed, nil
	}
	node, err := from.Get(ctx, l.Path)
	if err != nil {
		return 0, fmt.Errorf("limit: %w", err)
	}
	return l.decode(node)
}

func (l Limit) decode(node framework.Node) (int, error) {
	n, err := DecodeCount(node.Data)
	if err != nil {
		return 0, fmt.Errorf("limit %s: %w", l.Path, err)
	}
	return n, nil
}

// watch is read with a channel that receives a change; a fixed limit never changes. stop must be called.
func (l Limit) watch(ctx context.Context, s *framework.Session) (n int, changed <-chan framework.Event, stop func(), err error) {
	if l.Path == "" {
		return l.Fixed, nil, func() {}, nil
	}
	node, w, err := s.WatchData(ctx, l.Path)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("limit: %w", err)
	}
	n, err = l.decode(node)
	if err != nil {
		w.Stop()
	}
	return n, w.C, w.Stop, err
}
