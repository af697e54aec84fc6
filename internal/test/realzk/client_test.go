package realzk

import (
	"io"
	"log"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"
)

// client is a connection of an ordinary client with its session events.
type client struct {
	*zk.Conn
	states chan zk.State
}

// connect returns a client that has a session. Its connection ends with the test.
func connect(t *testing.T, addrs ...string) *client {
	t.Helper()
	c := &client{states: make(chan zk.State, 1000)}
	conn, _, err := zk.Connect(addrs, 10*time.Second,
		zk.WithLogger(log.New(io.Discard, "", 0)),
		zk.WithEventCallback(func(ev zk.Event) {
			if ev.Type == zk.EventSession {
				c.states <- ev.State
			}
		}))
	require.NoError(t, err)
	c.Conn = conn
	t.Cleanup(conn.Close)
	c.await(t, zk.StateHasSession)
	return c
}

// await reads session events up to the given one.
func (c *client) await(t *testing.T, want zk.State) {
	t.Helper()
	ctx := within(t)
	for {
		select {
		case got := <-c.states:
			if got == want {
				return
			}
		case <-ctx.Done():
			require.FailNow(t, "no such session event", "%v", want)
		}
	}
}

// create makes a persistent node.
func create(t *testing.T, c *client, path string) {
	t.Helper()
	_, err := c.Create(path, []byte{}, 0, zk.WorldACL(zk.PermAll))
	require.NoError(t, err)
}

// requireGone waits for the node to be deleted.
func requireGone(t *testing.T, c *client, path string) {
	t.Helper()
	there, _, deleted, err := c.ExistsW(path)
	require.NoError(t, err)
	if !there {
		return
	}
	select {
	case <-deleted:
	case <-within(t).Done():
		require.FailNow(t, "still there", "%s", path)
	}
}

func requireThere(t *testing.T, c *client, path string) {
	t.Helper()
	there, _, err := c.Exists(path)
	require.NoError(t, err)
	require.True(t, there, path)
}
