package zktest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// x509Scheme is that of the identity that comes from a verified certificate of the client.
const x509Scheme = "x509"

// errMemoryTLS is why a server in memory does not start.
var errMemoryTLS = errors.New("zktest: Config.TLS needs a server of Start, which has sockets")

// secure puts TLS between the server and a socket.
func (c *Config) secure(socket net.Conn) net.Conn {
	if c.TLS == nil {
		return socket
	}
	return tls.Server(socket, c.TLS)
}

// handshake makes the TLS handshake of a connection that has one, and returns the identities that follow from the client's certificate.
func (l *tcpLink) handshake() ([]authID, error) {
	const patience = 10 * time.Second
	secured, ok := l.socket.(*tls.Conn)
	if !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	state := secured.ConnectionState()
	if len(state.VerifiedChains) == 0 {
		return nil, nil
	}
	return []authID{{x509Scheme, state.PeerCertificates[0].Subject.String()}}, nil
}
