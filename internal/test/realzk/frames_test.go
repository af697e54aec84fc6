package realzk

import (
	"sync/atomic"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Opcodes of the protocol.
const (
	opDelete  = 2
	opExists  = 3
	opGetData = 4
)

func TestProxyDecidesAboutFrames(t *testing.T) {
	space := Shared(t)
	p := NewProxy(t, space.Addr())
	var requests, replies, large atomic.Int32
	p.OnFrame(func(f Frame) Verdict {
		switch {
		case f.Op == opExists && f.Way == ToServer:
			requests.Add(1)
		case f.Op == opExists:
			replies.Add(1)
		case f.Op == opGetData && f.Way == ToClient && f.Size > 200_000:
			large.Add(1)
			return AnswerWith(-101)
		case f.Op == opDelete && f.Way == ToClient:
			return CutLink
		}
		return Pass
	})
	c := connect(t, p.Addr())
	node := space.Root() + "/node"
	_, err := c.Create(node, make([]byte, 300_000), 0, zk.WorldACL(zk.PermAll))
	require.NoError(t, err)
	_, _, watch, err := c.ExistsW(node)
	require.NoError(t, err)
	_, _, err = c.Get(node)
	assert.ErrorIs(t, err, zk.ErrNoNode)
	_, err = c.Set(node, []byte("short"), -1)
	require.NoError(t, err)
	assert.Equal(t, zk.EventNodeDataChanged, (<-watch).Type, "events go on")
	data, _, err := c.Get(node)
	require.NoError(t, err)
	assert.Equal(t, "short", string(data))
	assert.ErrorIs(t, c.Delete(node, -1), zk.ErrConnectionClosed)
	c.await(t, zk.StateHasSession)
	exists, _, err := c.Exists(node)
	require.NoError(t, err)
	assert.False(t, exists, "the request of a reply that is lost was processed")
	assert.Equal(t, []int32{2, 2, 1}, []int32{requests.Load(), replies.Load(), large.Load()})
	assert.Equal(t, 2, p.Accepted())
}

// A dropped request never reaches the server, and a dropped reply never the client. The connection lives.
func TestProxyDropsFrames(t *testing.T) {
	space := Shared(t)
	p := NewProxy(t, space.Addr())
	dropped := make(chan struct{})
	p.OnFrame(func(f Frame) Verdict {
		if f.Op == opExists && f.Way == ToClient || f.Op == opDelete {
			if f.Op == opExists {
				close(dropped)
			} else {
				assert.Equal(t, ToServer, f.Way)
			}
			return Drop
		}
		return Pass
	})
	c, other := connect(t, p.Addr()), connect(t, space.Addr())
	node := space.Root() + "/node"
	create(t, other, node)
	go func() { _ = c.Delete(node, -1) }() // until the connection is closed
	go func() { _, _, _ = c.Exists(node) }()
	<-dropped
	_, _, err := c.Get(node)
	assert.NoError(t, err)
	assert.Equal(t, 1, p.Accepted())
}
