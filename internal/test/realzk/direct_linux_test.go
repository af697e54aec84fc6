package realzk

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// directConnections counts connections to a quorum or election port of a member
// that do not come from one of the proxies. It may count one that a proxy has just made.
func directConnections(t *testing.T, c *Cluster) int {
	t.Helper()
	ports := make(map[int]bool)
	for _, p := range append(c.peers.quorum, c.peers.election...) {
		ports[p.number] = true
	}
	proxied := make(map[int]bool)
	for _, link := range c.peers.proxies {
		for _, l := range append(link.quorum.snapshot(), link.election.snapshot()...) {
			if server := l.reached(); server != nil {
				proxied[server.LocalAddr().(*net.TCPAddr).Port] = true
			}
		}
	}
	direct := 0
	for _, conn := range established(t) {
		if ports[conn.remote] && !proxied[conn.local] {
			direct++
		}
	}
	return direct
}

type endpoints struct{ local, remote int }

// established lists the TCP connections of this machine from the side of those
// who dialed and from the side of those who accepted.
func established(t *testing.T) []endpoints {
	t.Helper()
	var all []endpoints
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		for line := range strings.Lines(string(table)) {
			// number, local address, remote address, state
			fields := strings.Fields(line)
			if len(fields) > 3 && fields[3] == "01" {
				all = append(all, endpoints{portOf(t, fields[1]), portOf(t, fields[2])})
			}
		}
	}
	return all
}

// portOf reads the port of an address such as 0100007F:9C40.
func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, hex, _ := strings.Cut(addr, ":")
	port, err := strconv.ParseUint(hex, 16, 16)
	require.NoError(t, err)
	return int(port)
}
