package framework

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/docent-zk/docent/retry"
	"github.com/docent-zk/docent/sasl"
)

// Types of go-zookeeper's.
type (
	// ACL is one entry of a node's access-control list. It is go-zookeeper's type.
	ACL = zk.ACL
	// Stat is what a server says of a node. It is go-zookeeper's type.
	Stat = zk.Stat
)

// OpenACL allows everything to everybody. It is what nodes get when nothing else is said, as in Curator.
func OpenACL() []ACL { return zk.WorldACL(zk.PermAll) }

// CreatorACL allows everything to the identities of [Config.Auth] and [Config.SASL] and nothing to anybody else.
func CreatorACL() []ACL { return zk.AuthACL(zk.PermAll) }

// DigestACL gives perms (zk.PermRead and so on) to the user that authenticates with scheme "digest" and user:password.
func DigestACL(perms int32, user, password string) []ACL { return zk.DigestACL(perms, user, password) }

// Auth is one identity that the client presents on every connection, ahead of any operation.
type Auth struct {
	Scheme      string // "digest" for user:password
	Credentials []byte // never logged
}

// String is the scheme. It leaves the credentials out.
func (a Auth) String() string { return a.Scheme + " (credentials are not shown)" }

// GoString is String.
func (a Auth) GoString() string { return a.String() }

// LogValue is String.
func (a Auth) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MarshalJSON leaves the credentials out.
func (a Auth) MarshalJSON() ([]byte, error) { return json.Marshal(struct{ Scheme string }{a.Scheme}) }

// Defaults of Config.
const (
	DefaultSessionTimeout = 15 * time.Second
	DefaultMaxRequestSize = 1<<20 - 1
	DefaultMaxReplySize   = 64 << 20
)

const (
	minSessionTimeout = 100 * time.Millisecond
	maxSessionTimeout = 24 * time.Hour
)

// minRequestSize leaves room for a setWatches, which holds 128 KiB of paths. minReplySize is enough for what everybody reads.
const (
	minRequestSize = 160 << 10
	minReplySize   = 64 << 10
)

// Config says how to reach an ensemble and how to behave towards it. Only ConnectString, or Servers, is required; the zero value of
// every other field is a good default.
type Config struct {
	// ConnectString is ZooKeeper's "host:port,host:port/chroot". The port defaults to 2181, and IPv6 addresses are in
	// brackets. The chroot is for all servers and is written once, at the end. It must exist or is created, as are other parents,
	// with the first create that asks for parents. New refuses what could be read in two ways, such as a comma, a semicolon or
	// a space in the chroot: use Namespace for such a path. Names are resolved again at each dial.
	// A name with several addresses counts as that many servers: each address is dialled in turn.
	ConnectString string

	// Servers says which servers there are in place of those in ConnectString, which may then be a chroot only, or empty. Servers that it does name are
	// used until Servers has returned a list. When the list changes, the share of the clients moves that has to, so that all servers
	// have as many clients again: a client whose server is no longer listed always moves. Moves are planned: see Servers in the
	// package documentation. Defaults to none.
	Servers Servers

	// ServersRefresh is how often Servers is called and names are resolved again, 20 % more or less. The same happens when no server can be reached.
	// Negative means only then. Defaults to 1 min.
	ServersRefresh time.Duration

	// FollowEnsemble takes the servers from the ensemble's own configuration, /zookeeper/config, as soon as one of them has proven
	// to be reachable, and follows its changes (ZooKeeper 3.5, reconfig). The others, of Servers or ConnectString, are used when none of these can be
	// reached. Every member needs its client port in the dynamic configuration, which has no port for TLS. Defaults to false.
	FollowEnsemble bool

	// Prefer reports whether a server is preferred to others, as one in the client's own zone is. server is "host:port" as listed, address the same with
	// the IP address. Preferred servers are dialled first, and a client that is connected to another one moves back when one can be reached, which
	// it tries every ServersRefresh. Prefer is called once for each server and address, and must return at once. Defaults to none.
	Prefer func(server, address string) bool

	// RebalanceAfter spreads clients evenly over the servers, also after servers were restarted: a client moves to the place of its session, at a random
	// time within RebalanceAfter after it has begun the session or lost a connection. Minutes are a good value. See Servers in the package documentation.
	// Defaults to 0, never.
	RebalanceAfter time.Duration

	// SessionTimeout is what the client asks for; the server grants what its own limits allow. All clocks of this package, and all
	// defaults below, use what it granted last, and SessionTimeout until a server has granted something. Between 100 ms and 24 h.
	// Defaults to 15 s.
	SessionTimeout time.Duration

	// ConnectTimeout bounds one dial, name resolution and TLS handshake included. A connection that breaks is
	// noticed after two thirds of the session timeout at the latest, so that what is left must suffice to find another
	// server.
	// Defaults to a sixth of the granted session timeout while there is an address that has not been tried since the last
	// connection, and to half of what is left of the session otherwise; at most 15 s.
	ConnectTimeout time.Duration

	// HandshakeTimeout bounds ZooKeeper's own handshake on a new connection, so that a server which accepts and then
	// hangs costs no more than this. Set it if one address stands for several servers, as that of a load balancer does: the
	// default takes it for the only server.
	// Defaults to a sixth of the granted session timeout, at most 15 s, while there is an address that has not been tried since
	// the last connection. Otherwise it defaults to what is left of the session, at most 2 min: all of it for the only
	// address, and all but a sixth of the timeout if there are others.
	HandshakeTimeout time.Duration

	// OperationTimeout bounds operations of Client whose ctx has no deadline; negative means no bound. Operations of
	// Session are bounded by the life of the session. Defaults to twice the granted session timeout.
	OperationTimeout time.Duration

	// CloseTimeout bounds how long Close waits for running recipes to return, and after that for the providers of telemetry to
	// take what has ended. Defaults to the granted session timeout.
	CloseTimeout time.Duration

	// TrustMargin is how long before the end of the session timeout what is held by the session is given up when no
	// answer comes. At most half of SessionTimeout, since pings go out every third of it. When the server grants less
	// than was asked for, it shrinks in proportion. Defaults to a quarter of the granted timeout.
	TrustMargin time.Duration

	// Namespace is a path under which everything of this client happens, below the chroot. Defaults to none.
	Namespace string

	// ACL is what created nodes get unless the create says otherwise. Defaults to OpenACL.
	ACL []ACL

	// PersistentParents makes the parents of created nodes persistent nodes instead of containers, which servers remove some time
	// after their last child was deleted. Servers before ZooKeeper 3.5.3, and some that speak its protocol, do not know containers:
	// then parents are persistent in any case.
	// Defaults to false.
	PersistentParents bool

	// Auth are the identities presented on every connection. Defaults to none.
	Auth []Auth

	// SASL authenticates every connection ahead of Auth and of any operation, as servers with sessionRequireClientSASLAuth or
	// enforce.auth.enabled demand it. See package sasl. A connection on which that fails is not used; Health, WaitConnected
	// and the log say why. Defaults to none.
	SASL sasl.Mechanism

	// SessionFile names a file for the id and the password of the client's session, so that the process that is started after this one
	// has died does not wait for the session to expire: see Restarts in the package documentation. The file is created with mode 0600
	// if it does not exist; its directory must exist, on a local file system. Each client needs a file of its own, and the same
	// one each time it is started. New returns [ErrSessionFileInUse] while another client has it.
	// Defaults to none.
	SessionFile string

	// TLS turns on TLS. An empty ServerName is replaced by the host name of the server that is dialled. Defaults to none.
	TLS *tls.Config

	// TLSFiles turns on TLS with certificates from files, which may be replaced while the client runs. New connections use the new
	// ones; the present connection lives on, unless Client.Reconnect is called. TLS may have further settings. New reads the files, and
	// fails if they cannot be used. Defaults to none.
	TLSFiles *TLSFiles

	// Dialer opens connections. It must honour ctx. Defaults to net.Dialer's DialContext.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)

	// LookupHost resolves names of the connect string. It must honour ctx. Defaults to net.DefaultResolver; with a Dialer of one's own names
	// are handed to it unresolved unless LookupHost is set too.
	LookupHost func(ctx context.Context, host string) ([]string, error)

	// ReadOnly lets the client begin a session on a server that has lost touch with the majority of its ensemble, and that serves reads
	// in that time (readonlymode.enabled on the servers, and localSessionsEnabled since ZooKeeper 3.7). It does so when every server has been tried. The state is [ReadOnly] then,
	// and the client goes on looking for a server that serves writes too. The package documentation has the details.
	// Defaults to false: such servers are not accepted.
	ReadOnly bool

	// FailFast makes operations of the Client return [ErrNotConnected] at once while there is no connection, as those of
	// [Client.FailFast] do. Defaults to false: operations wait for a connection.
	FailFast bool

	// RetryPolicy says how often and how soon an operation of Client is tried again after a connection failure.
	// Defaults to retry's zero value: exponential with jitter, until ctx or OperationTimeout ends.
	RetryPolicy retry.Policy

	// ReconnectPolicy gives the pauses between dials once every server has been tried. It starts anew when a connection
	// has lasted. A policy that ends goes on with its last delay. No pause is shorter than a thousandth of the granted session
	// timeout, or than 40 ms if that is less. Defaults to exponential with jitter, from a hundredth of the granted session timeout
	// to an eighth of it, but at most from 400 ms to 5 s.
	ReconnectPolicy retry.Policy

	// MaxRequestSize is the largest request that is sent, in bytes: the servers' jute.maxbuffer, over which they cut the
	// connection without a word. At least 163840, enough to set watches again after a reconnect.
	// Defaults to 1048575.
	MaxRequestSize int

	// MaxReplySize is the largest reply that is accepted, in bytes. Lists of children have no limit on a server.
	// Defaults to 64 MiB.
	MaxReplySize int

	// Logger gets a line for each thing that an operator asks about (info), for what needs a look (warn), and for every dial (debug): slog.Default()
	// turns it on. docs/telemetry.md lists all lines and keys. Its handler is called by a
	// goroutine of its own, so that one that blocks holds up nothing: 1024 lines wait for it, in order, and further ones are
	// dropped and counted in a line in their place. One that panics loses the line. Defaults to silence.
	Logger *slog.Logger

	// TracerProvider gets spans: one for each operation, within the caller's, and those of sessions and recipes. See
	// docs/telemetry.md. Defaults to the global one of OpenTelemetry, also when it is set later.
	TracerProvider trace.TracerProvider

	// MeterProvider gets metrics, as TracerProvider gets spans. Defaults to the global one of OpenTelemetry.
	MeterProvider metric.MeterProvider

	// Random is the source of shuffles, jitter and GUIDs. Simulations set it to replay a run. Defaults to crypto/rand.
	Random io.Reader
}

// Validate reports everything that is wrong with the configuration, in one error.
func (c Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{field}, args...)...))
	}
	if c.SessionTimeout != 0 && (c.SessionTimeout < minSessionTimeout || c.SessionTimeout > maxSessionTimeout) {
		bad("SessionTimeout", "%v is not between %v and %v", c.SessionTimeout, minSessionTimeout, maxSessionTimeout)
		c.SessionTimeout = 0 // what is derived from it is no further mistake
	}
	c = c.withDefaults()
	if _, _, err := c.servers(); err != nil {
		bad("ConnectString", "%w", err)
	}
	c.validateTimes(bad)
	c.validateLimits(bad)
	c.TLSFiles.validate(c.TLS, bad)
	if c.Namespace != "" {
		if _, err := space("").child(c.Namespace); err != nil {
			bad("Namespace", "%w", err)
		}
	}
	if err := c.RetryPolicy.Err(); err != nil {
		bad("RetryPolicy", "%w", err)
	}
	if err := c.ReconnectPolicy.Err(); err != nil {
		bad("ReconnectPolicy", "%w", err)
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("invalid framework.Config: %w", errors.Join(errs...))
}

type reporter func(field, format string, args ...any)

func (c *Config) validateTimes(bad reporter) {
	positive := func(field string, d time.Duration) {
		if d < 0 {
			bad(field, "%v is negative", d)
		}
	}
	positive("ConnectTimeout", c.ConnectTimeout)
	positive("HandshakeTimeout", c.HandshakeTimeout)
	positive("CloseTimeout", c.CloseTimeout)
	positive("TrustMargin", c.TrustMargin)
	positive("RebalanceAfter", c.RebalanceAfter)
	if c.TrustMargin > c.SessionTimeout/2 {
		bad("TrustMargin", "%v is more than half of SessionTimeout (%v); pings could not keep trust alive", c.TrustMargin, c.SessionTimeout)
	}
}

func (c *Config) validateLimits(bad reporter) {
	if c.MaxRequestSize < minRequestSize {
		bad("MaxRequestSize", "%d is less than %d bytes", c.MaxRequestSize, minRequestSize)
	}
	if c.MaxReplySize < minReplySize {
		bad("MaxReplySize", "%d is less than %d bytes", c.MaxReplySize, minReplySize)
	}
	for i, a := range c.ACL {
		if a.Scheme == "" || a.Perms&^zk.PermAll != 0 || a.Perms == 0 {
			bad("ACL", "entry %d needs a scheme and permissions of 1 to 31", i)
		}
	}
	for i, a := range c.Auth {
		if a.Scheme == "" {
			bad("Auth", "entry %d has no scheme", i)
		}
	}
}

// withDefaults fills in what is zero, except for what follows from the session timeout: see bounds.
func (c Config) withDefaults() Config {
	def(&c.SessionTimeout, DefaultSessionTimeout)
	def(&c.ServersRefresh, time.Minute)
	def(&c.MaxRequestSize, DefaultMaxRequestSize)
	def(&c.MaxReplySize, DefaultMaxReplySize)
	if len(c.ACL) == 0 {
		c.ACL = OpenACL()
	}
	if c.LookupHost == nil && c.Dialer == nil {
		c.LookupHost = net.DefaultResolver.LookupHost
	}
	if c.Dialer == nil {
		c.Dialer = (&net.Dialer{}).DialContext
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	return c
}

// detached returns a copy that shares nothing which the caller may change later.
func (c Config) detached() Config {
	c.ACL = slices.Clone(c.ACL)
	c.Auth = slices.Clone(c.Auth)
	for i := range c.Auth {
		c.Auth[i].Credentials = bytes.Clone(c.Auth[i].Credentials)
	}
	if c.TLS != nil {
		c.TLS = c.TLS.Clone()
	}
	if c.TLSFiles != nil {
		files := *c.TLSFiles
		c.TLSFiles = &files
	}
	return c
}

// def sets *p to d if it is zero.
func def[T comparable](p *T, d T) {
	var zero T
	if *p == zero {
		*p = d
	}
}

// margin is the trust margin for a session of timeout granted.
func (c *Config) margin(granted time.Duration) time.Duration {
	switch {
	case c.TrustMargin == 0:
		return granted / 4
	case granted < c.SessionTimeout:
		return time.Duration(float64(c.TrustMargin) * float64(granted) / float64(c.SessionTimeout))
	default:
		return c.TrustMargin
	}
}
