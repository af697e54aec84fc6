package realzk

import (
	"net"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReservedPortsDiffer(t *testing.T) {
	ports, err := reserve(300)
	require.NoError(t, err)
	defer releaseAll(ports)
	seen := make(map[int]bool)
	for _, p := range ports {
		assert.False(t, seen[p.number], "%d twice", p.number)
		seen[p.number] = true
	}
}

func TestReservedPortCanBeListenedOnAgainAndAgain(t *testing.T) {
	ports, err := reserve(1)
	require.NoError(t, err)
	defer releaseAll(ports)
	for range 3 {
		_, err := net.Dial("tcp4", ports[0].addr())
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		listener, err := ports[0].listen()
		require.NoError(t, err)
		conn, err := net.Dial("tcp4", ports[0].addr())
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.NoError(t, listener.Close())
	}
}

// The kernel has 28,000 ports to give by default and picks at random. Half of
// those that it could give are asked for, so that a port that is not held would
// be among them almost certainly if 50 were free.
func TestReservedPortIsNotAssigned(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux holds ports")
	}
	ports, err := reserve(50)
	require.NoError(t, err)
	defer releaseAll(ports)
	held := make(map[int]bool)
	for _, p := range ports {
		held[p.number] = true
	}
	for range 10_000 {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		require.NoError(t, err)
		got := listener.Addr().(*net.TCPAddr).Port
		require.NoError(t, listener.Close())
		require.False(t, held[got], "port %d is given away", got)
	}
}
