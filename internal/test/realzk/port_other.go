//go:build !linux

package realzk

import (
	"fmt"
	"net"
)

// reserve finds n different ports that are free now. They cannot be held:
// elsewhere than on Linux a bound socket keeps everybody else from binding the
// port.
func reserve(n int) ([]*port, error) {
	ports := make([]*port, 0, n)
	for range n {
		ln, err := net.Listen("tcp4", net.JoinHostPort(loopback, "0"))
		if err != nil {
			return nil, fmt.Errorf("realzk: looking for a free port: %w", err)
		}
		defer ln.Close() // only when all are found, so that they differ
		ports = append(ports, &port{number: ln.Addr().(*net.TCPAddr).Port})
	}
	return ports, nil
}
