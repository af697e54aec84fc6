package framework

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Of all that the driver says when a link breaks, what came first since there was a connection is the reason.
func TestReasonOfABrokenLink(t *testing.T) {
	d := driverLog{log: slog.New(slog.DiscardHandler)}
	d.Printf("failed to connect to %s: %v", "other:2181", errors.New("refused"))
	d.clear()
	d.Printf("Failed to set previous watches: %v", zk.ErrConnectionClosed)
	d.Printf("send loop terminated: %v", errors.New("broken pipe"))
	d.Printf("recv loop terminated: %v", errors.New("use of closed connection"))
	err := d.broken("server:2181")
	require.ErrorIs(t, err, errLink)
	require.EqualError(t, err, "connection broke: server:2181: broken pipe")
	assert.EqualError(t, d.broken("server:2181"), "connection broke: server:2181", "it is told once")
}
