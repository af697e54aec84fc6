package realzk

import (
	"context"
	"encoding/binary"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExpireSession(t *testing.T) {
	s := Shared(t)
	victim, witness := connect(t, s.Addr()), connect(t, s.Addr())
	_, err := victim.Create(s.Root()+"/ephemeral", []byte{}, zk.FlagEphemeral, zk.WorldACL(zk.PermAll))
	require.NoError(t, err)
	id := victim.SessionID()

	require.NoError(t, s.ExpireSession(within(t), id))
	there, _, err := witness.Exists(s.Root() + "/ephemeral")
	require.NoError(t, err)
	assert.False(t, there, "what the session owned must be gone at once")
	victim.await(t, zk.StateExpired)

	err = s.ExpireSession(within(t), id)
	require.ErrorIs(t, err, ErrNoSession)
	assert.ErrorContains(t, err, s.Addr())
}

func TestExpireSessionWithAGivenPassword(t *testing.T) {
	s := Shared(t)
	victim := connect(t, s.Addr())
	id := victim.SessionID()
	require.ErrorIs(t, ExpireSession(within(t), s.Addr(), id, make([]byte, 16)), ErrNoSession)
	require.NoError(t, ExpireSession(within(t), s.Addr(), id, SessionPassword(id)))
	victim.await(t, zk.StateExpired)
}

// A session that is held outlives the timeout that its owner was granted, and with it one that began later with the same timeout.
func TestHoldSession(t *testing.T) {
	t.Parallel()
	s := Shared(t)
	begin := func() (conn *boundConn, id int64) {
		conn, err := dial(within(t), s.Addr())
		require.NoError(t, err)
		_, err = conn.Write(connectFrame(0, make([]byte, 16), 3*time.Second))
		require.NoError(t, err)
		id, err = readConnectReply(conn)
		require.NoError(t, err)
		return conn, id
	}
	conn, id := begin()
	require.NoError(t, s.HoldSession(within(t), id), "while its owner is there")
	require.NoError(t, conn.Close())
	later, _ := begin()
	frame := requestFrame(1, opCreate, createBody(s.Root()+"/mortal"))
	frame[len(frame)-1] = zk.FlagEphemeral
	_, err := later.Write(frame)
	require.NoError(t, err)
	require.NoError(t, readReply(later))
	require.NoError(t, later.Close())
	requireGone(t, connect(t, s.Addr()), s.Root()+"/mortal")
	require.NoError(t, s.ExpireSession(within(t), id), "it was there")
	require.ErrorIs(t, s.HoldSession(within(t), id), ErrNoSession)
}

func TestExpireSessionEndsWithItsContext(t *testing.T) {
	s := Standalone(t, Options{})
	require.NoError(t, s.Pause())
	require.ErrorIs(t, s.ExpireSession(briefly(t), 1), context.DeadlineExceeded)
	require.NoError(t, s.Kill())
	require.ErrorIs(t, s.ExpireSession(within(t), 1), syscall.ECONNREFUSED)
}

// The server itself is asked for the password of a session.
func TestSessionPasswordIsTheServers(t *testing.T) {
	s := Shared(t)
	for range 20 {
		conn, err := dial(within(t), s.Addr())
		require.NoError(t, err)
		_, err = conn.Write(connectFrame(0, make([]byte, 16), rawTimeout))
		require.NoError(t, err)
		reply, err := readFrame(conn, 36)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		id := int64(binary.BigEndian.Uint64(reply[8:]))
		assert.Equal(t, reply[20:36], SessionPassword(id), "0x%x", id)
	}
}

func TestCreateNodeReportsTheServersError(t *testing.T) {
	s := Shared(t)
	require.NoError(t, createNode(within(t), s.Addr(), s.Root()+"/node"))
	assert.ErrorContains(t, createNode(within(t), s.Addr(), s.Root()+"/node"), "error code -110")
}

// script is a server that takes what it is sent and answers each connection with
// the next of the given replies, then hangs up.
func script(t *testing.T, replies ...[]byte) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, reply := range replies {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1<<10))
			_, _ = conn.Write(reply)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-done
	})
	return listener.Addr().String()
}

func connectReply(id int64) []byte {
	body := appendInt32(appendInt32(nil, 0), 4000)
	return frame(appendBuffer(binary.BigEndian.AppendUint64(body, uint64(id)), "0123456789abcdef"))
}

func closeReply(code int32) []byte {
	body := binary.BigEndian.AppendUint64(appendInt32(nil, 1), 7)
	return frame(appendInt32(body, code))
}

func TestExpireSessionAgainstARacingOwner(t *testing.T) {
	both := append(connectReply(5), closeReply(0)...)
	t.Run("owner was quicker, twice", func(t *testing.T) {
		addr := script(t, nil, connectReply(5), both)
		require.NoError(t, ExpireSession(within(t), addr, 5, nil))
	})
	t.Run("reply lost", func(t *testing.T) {
		addr := script(t, connectReply(5), connectReply(0))
		require.NoError(t, ExpireSession(within(t), addr, 5, nil))
	})
	t.Run("no such session", func(t *testing.T) {
		addr := script(t, connectReply(0))
		require.ErrorIs(t, ExpireSession(within(t), addr, 5, nil), ErrNoSession)
	})
	t.Run("close refused", func(t *testing.T) {
		addr := script(t, append(connectReply(5), closeReply(-3)...))
		require.ErrorContains(t, ExpireSession(within(t), addr, 5, nil), "error code -3")
	})
	t.Run("frame too short", func(t *testing.T) {
		addr := script(t, []byte{0, 0, 0, 1, 0})
		require.ErrorContains(t, ExpireSession(within(t), addr, 5, nil), "frame of 1 bytes")
	})
	t.Run("frame too long", func(t *testing.T) {
		addr := script(t, []byte{0xff, 0xff, 0xff, 0xff})
		require.ErrorContains(t, ExpireSession(within(t), addr, 5, nil), "frame of 4294967295 bytes")
	})
}
