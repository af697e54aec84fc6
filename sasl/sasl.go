package sasl

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/docent-zk/docent/internal/digestmd5"
)

// Server is the one that an exchange is with.
type Server struct {
	// Host is the host name or address in the connect string, without the port.
	Host string
	// Address is the address of the connection, host:port.
	Address string
}

// Mechanism is a way to authenticate. Its methods may be called by several goroutines.
type Mechanism interface {
	// Name is the registered name, as "DIGEST-MD5". It appears in logs and errors.
	Name() string
	// Start begins an exchange, once for each connection. Ctx ends with the time that is left for the connection's
	// handshake.
	Start(ctx context.Context, server Server) (Exchange, error)
}

// Preparer is a [Mechanism] that needs something from a third party, such as a Kerberos ticket. The client calls Prepare before each
// connection. While Prepare fails, the client does not connect, so servers do not see sessions that cannot be used. A session that is already
// connected stays on its connection. An error of Prepare is reported like an error of an exchange. Ctx ends after the time that a handshake may take.
type Preparer interface {
	Mechanism
	Prepare(ctx context.Context) error
}

// Exchange is one authentication, on one connection. One goroutine uses it.
type Exchange interface {
	// Next answers a message of the server. The first call, whose challenge is nil, returns the initial response, which is
	// empty for a mechanism in which the server speaks first. Done says that the client has got everything it wants, a proof of
	// the server's if there is to be one: a response that comes with done and is not nil is still sent, and has to be
	// accepted. A nil response without done is sent as an empty one. An error ends the connection.
	Next(ctx context.Context, challenge []byte) (response []byte, done bool, err error)
}

// The name under which ZooKeeper's servers take part in DIGEST-MD5, unless zookeeper.server.realm or a patched server says
// otherwise.
const (
	digestService = "zookeeper"
	digestHost    = "zk-sasl-md5"
)

// DigestMD5 authenticates by a name and a password (DIGEST-MD5, RFC 2831) that the servers' JAAS file has as user_<name>.
func DigestMD5(name, password string) Mechanism { return digest{name, password} }

type digest struct{ name, password string }

func (digest) Name() string { return "DIGEST-MD5" }

// String and GoString leave the password out.
func (d digest) String() string   { return fmt.Sprintf("DIGEST-MD5 as %q", d.name) }
func (d digest) GoString() string { return d.String() }

func (d digest) Start(context.Context, Server) (Exchange, error) {
	return &digestExchange{digestmd5.Client{
		User: d.name, Password: d.password, Service: digestService, Host: digestHost, Nonce: rand.Text,
	}}, nil
}

type digestExchange struct{ client digestmd5.Client }

func (x *digestExchange) Next(_ context.Context, challenge []byte) (response []byte, done bool, err error) {
	response, done, err = x.client.Next(challenge)
	if err != nil {
		err = &Error{Mechanism: digest{}.Name(), Kind: ErrServer, Err: err}
	}
	return response, done, err
}

// Refused implements Refusable.
func (x *digestExchange) Refused(err *Error) error {
	if err.Kind == ErrRefused {
		err.Remedy = fmt.Sprintf("check the name and the password against user_%s in the Server section of the servers' JAAS file", x.client.User)
	}
	return err
}
