package realzk

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// loopback is the only address that anything here listens on.
const loopback = "127.0.0.1"

// portAttempts is how often servers are started whose ports were taken by
// others between the choice and the bind.
const portAttempts = 3

var errPortTaken = errors.New("a port is in use by another process")

// reserver finds n free ports, all different: reserve, except in tests.
type reserver func(n int) ([]*port, error)

// port is a TCP port of the loopback address that belongs to this process until
// it is released. How far that holds against others depends on the system; see
// the package documentation.
type port struct {
	number int
	hold   io.Closer // nil if the system cannot hold a port
}

// addr returns host:port.
func (p *port) addr() string { return net.JoinHostPort(loopback, strconv.Itoa(p.number)) }

// listen listens on the port. It can be called again once the listener is closed.
func (p *port) listen() (net.Listener, error) {
	ln, err := net.Listen("tcp4", p.addr())
	if err != nil {
		return nil, fmt.Errorf("realzk: cannot listen on a port of our own: %w", err)
	}
	return ln, nil
}

// release gives the port back. What listens on it goes on.
func (p *port) release() {
	if p.hold != nil {
		_ = p.hold.Close()
	}
}

func releaseAll(ports []*port) {
	for _, p := range ports {
		p.release()
	}
}

// onFreePorts runs start, and again if it fails because somebody else was
// quicker to bind a port that it had chosen.
func onFreePorts[T any](start func() (T, error)) (T, error) {
	for attempt := 1; ; attempt++ {
		started, err := start()
		if err == nil || attempt == portAttempts || !errors.Is(err, errPortTaken) {
			return started, err
		}
	}
}
