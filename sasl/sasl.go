package sasl

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/docent-zk/docent/internal/digestmd5"
)

// Server is the server of an exchange.
type Server struct {
	// Host is the host name or address in the connect string, without the port.
	Host string
	// Address is the address of the connection, host:port.
	Address string
}

// Mechanism is a way to authenticate. Its methods must be safe for concurrent use.
type Mechanism interface {
	// Name returns the registered name, such as "DIGEST-MD5". It appears in logs and errors.
	Name() string
	// Start begins an exchange. It is called once for each connection. ctx ends when the time for the connection's
	// handshake is over.
	Start(ctx context.Context, server Server) (Exchange, error)
}

// Preparer is a [Mechanism] that depends on a third party, for example on a KDC for a ticket. The client calls Prepare
// before each connection. While Prepare fails, the client does not connect, so servers do not see sessions that cannot
// be used. An established connection is kept. An error of Prepare is reported like an error of an exchange. ctx ends
// after the time that a handshake may take.
type Preparer interface {
	Mechanism
	Prepare(ctx context.Context) error
}

// Monitored is a [Mechanism] that can report a problem between connections, such as tickets that cannot be refreshed.
// framework.Client.Health shows the problem as a notice.
type Monitored interface {
	Mechanism
	// Problem returns the problem and when it began, or nil if there is none. It must return at once, and the error must not
	// contain secrets.
	Problem() (since time.Time, err error)
}

// Exchange is one authentication on one connection. It is not used concurrently.
type Exchange interface {
	// Next answers a message of the server. In the first call, challenge is nil, and Next returns the initial response;
	// it is empty for a mechanism in which the server speaks first. done means that the exchange is complete for the
	// client, including the server's proof if the mechanism has one. A non-nil response that comes with done is still
	// sent, and the server has to accept it. Without done, a nil response is sent as an empty one. An error ends the
	// connection.
	Next(ctx context.Context, challenge []byte) (response []byte, done bool, err error)
}

// Name with which ZooKeeper's servers take part in DIGEST-MD5, unless zookeeper.server.realm or a patched server
// changes it.
const (
	digestService = "zookeeper"
	digestHost    = "zk-sasl-md5"
)

// DigestMD5 authenticates with a name and a password (DIGEST-MD5, RFC 2831), which the servers' JAAS file has as
// user_<name>.
func DigestMD5(name, password string) Mechanism { return digest{name, password} }

type digest struct{ name, password string }

func (digest) Name() string { return "DIGEST-MD5" }

// String and GoString omit the password.
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
