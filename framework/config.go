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

// Types of go-zookeeper.
type (
	// ACL is one entry of a node's access-control list. It is go-zookeeper's type.
	ACL = zk.ACL
	// Stat is a node's metadata. It is go-zookeeper's type.
	Stat = zk.Stat
)

// OpenACL allows everything to everybody. It is the default for created nodes, as in Curator.
func OpenACL() []ACL { return zk.WorldACL(zk.PermAll) }

// CreatorACL allows everything to the identities of [Config.Auth] and [Config.SASL], and nothing to anybody else.
func CreatorACL() []ACL { return zk.AuthACL(zk.PermAll) }

// DigestACL gives perms (such as zk.PermRead) to the user that authenticates with the scheme "digest" and
// user:password.
func DigestACL(perms int32, user, password string) []ACL { return zk.DigestACL(perms, user, password) }

// Auth is an identity that the client presents on every connection, before any operation.
type Auth struct {
	Scheme      string // "digest" for user:password
	Credentials []byte // never logged
}

// String returns the scheme. It omits the credentials.
func (a Auth) String() string { return a.Scheme + " (credentials are not shown)" }

// GoString returns the same as String.
func (a Auth) GoString() string { return a.String() }

// LogValue returns the same as String.
func (a Auth) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MarshalJSON omits the credentials.
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

// minRequestSize leaves room for a setWatches, which holds 128 KiB of paths. minReplySize is enough for the reads that
// every client does.
const (
	minRequestSize = 160 << 10
	minReplySize   = 64 << 10
)

// Config says how to reach an ensemble and how the client behaves. Only ConnectString, or Servers, is required. The
// zero value of every other field is a good default.
type Config struct {
	// ConnectString is ZooKeeper's "host:port,host:port/chroot". The port defaults to 2181, and IPv6 addresses are in
	// brackets. The chroot applies to all servers and is written once, at the end. If it does not exist, the first
	// create with [Parents] creates it. New refuses ambiguous strings, such as a chroot with a comma, a semicolon or a
	// space: use Namespace for such a path. Names are resolved again at each dial. A name with several addresses counts
	// as that many servers, each of which is dialled in turn.
	ConnectString string

	// Servers supplies the list of servers, in place of those in ConnectString. ConnectString may then consist of a
	// chroot only, or be empty. If it does name servers, they are used until Servers has returned a list. When the list
	// changes, clients move so that all servers have equally many clients again. Only as many clients move as
	// necessary, and a client whose server is no longer listed always moves. Moves are planned: see Servers in the
	// package documentation.
	// Defaults to none.
	Servers Servers

	// ServersRefresh is the interval at which Servers is called and names are resolved again, varied by up to 20 %.
	// Both also happen whenever no server can be reached. A negative value means only then.
	// Defaults to 1 min.
	ServersRefresh time.Duration

	// FollowEnsemble takes the servers from the ensemble's own configuration, /zookeeper/config, as soon as one of them
	// has been reached, and follows its changes (ZooKeeper 3.5, reconfig). The servers of Servers or ConnectString are
	// used when none of these can be reached. Every member needs its client port in the dynamic configuration, which
	// does not have a port for TLS.
	// Defaults to false.
	FollowEnsemble bool

	// Prefer reports whether a server is preferred to others, for example because it is in the client's own zone.
	// server is "host:port" as listed; address is the same with the IP address. Preferred servers are dialled first. A
	// client that is connected to another server tries every ServersRefresh to move back to a preferred one. Prefer is
	// called once for each server and address, and must return immediately.
	// Defaults to none.
	Prefer func(server, address string) bool

	// RebalanceAfter keeps clients evenly spread over the servers, even after restarts of servers. Each client moves to
	// the server that its session id selects, at a random time within RebalanceAfter after it has begun the session or
	// lost a connection. Some minutes are a good value. See Servers in the package documentation.
	// Defaults to 0, which means never.
	RebalanceAfter time.Duration

	// SessionTimeout is the timeout that the client requests. The server grants it within its own limits. All clocks of
	// this package, and all defaults below, use the timeout that was granted last, and SessionTimeout until one was
	// granted. Between 100 ms and 24 h.
	// Defaults to 15 s.
	SessionTimeout time.Duration

	// ConnectTimeout bounds one dial, including name resolution and TLS handshake. A broken connection is noticed after
	// two thirds of the session timeout at the latest, so the remaining third must suffice to reach another server.
	// Defaults to a sixth of the granted session timeout while there is an address that has not been tried since the
	// last connection, and to half of the session's remaining time otherwise; at most 15 s.
	ConnectTimeout time.Duration

	// HandshakeTimeout bounds ZooKeeper's handshake on a new connection, and so the time lost to a server that accepts
	// connections and then hangs. Set it if one address represents several servers, such as a load balancer's: the
	// default treats it as the only server.
	// Defaults to a sixth of the granted session timeout, at most 15 s, while there is an address that has not been
	// tried since the last connection. Otherwise it defaults to the session's remaining time, at most 2 min: all of it
	// if there is only one address, and all but a sixth of the timeout if there are others.
	HandshakeTimeout time.Duration

	// OperationTimeout bounds operations of Client whose ctx has no deadline. A negative value means no bound.
	// Operations of Session are bounded by the life of the session.
	// Defaults to twice the granted session timeout.
	OperationTimeout time.Duration

	// CloseTimeout bounds how long Close waits for running recipes, and after that for telemetry providers.
	// Defaults to the granted session timeout.
	CloseTimeout time.Duration

	// TrustMargin is how long before the end of the session timeout claims end if the servers do not reply. It is at
	// most half of SessionTimeout, since pings are sent every third of it. If the server grants less than the requested
	// timeout, the margin shrinks in proportion.
	// Defaults to a quarter of the granted timeout.
	TrustMargin time.Duration

	// Namespace is a path, below the chroot, that is prefixed to all paths of this client.
	// Defaults to none.
	Namespace string

	// ACL is the access-control list of created nodes, unless the create sets another one.
	// Defaults to OpenACL.
	ACL []ACL

	// PersistentParents makes the parents of created nodes persistent nodes instead of containers, which servers remove
	// some time after their last child was deleted. Servers before ZooKeeper 3.5.3, and some other servers with its
	// protocol, do not support containers. There, parents are always persistent.
	// Defaults to false.
	PersistentParents bool

	// Auth lists the identities that are presented on every connection.
	// Defaults to none.
	Auth []Auth

	// SASL authenticates every connection before Auth and before any operation, as servers with
	// sessionRequireClientSASLAuth or enforce.auth.enabled require. See package sasl. A connection on which SASL fails
	// is not used; Health, WaitConnected and the log say why.
	// Defaults to none.
	SASL sasl.Mechanism

	// SessionFile names a file for the id and the password of the client's session. If this process dies, the next one
	// closes the session instead of waiting for it to expire: see Restarts in the package documentation. The file is
	// created with mode 0600 if it does not exist. Its directory must exist, on a local file system. Each client needs
	// its own file, and the same one at each start. New returns [ErrSessionFileInUse] while another client uses it.
	// Defaults to none.
	SessionFile string

	// TLS enables TLS. An empty ServerName is replaced by the host name of the dialled server.
	// Defaults to none.
	TLS *tls.Config

	// TLSFiles enables TLS with certificates from files, which may be replaced while the client runs. New connections
	// use the new files. The current connection stays as it is, unless Client.Reconnect is called. TLS may have further
	// settings. New reads the files, and fails if they cannot be used.
	// Defaults to none.
	TLSFiles *TLSFiles

	// Dialer opens connections. It must return when ctx ends.
	// Defaults to net.Dialer's DialContext.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)

	// LookupHost resolves the names of the connect string. It must return when ctx ends.
	// Defaults to net.DefaultResolver. If Dialer is set and LookupHost is not, Dialer receives the unresolved names.
	LookupHost func(ctx context.Context, host string) ([]string, error)

	// ReadOnly lets the client begin a session on a server that has lost contact with the majority of its ensemble and
	// serves only reads (readonlymode.enabled on the servers, and localSessionsEnabled since ZooKeeper 3.7). It does so
	// after every server has been tried. The state is then [ReadOnly], and the client keeps looking for a server that
	// accepts writes. The package documentation has the details.
	// Defaults to false: such servers are not accepted.
	ReadOnly bool

	// FailFast makes operations of the Client return [ErrNotConnected] at once while there is no connection, as those
	// of [Client.FailFast] do.
	// Defaults to false: operations wait for a connection.
	FailFast bool

	// RetryPolicy says how often and how soon an operation of Client is retried after a connection failure.
	// Defaults to the zero value of retry.Policy: exponential with jitter, until ctx or OperationTimeout ends.
	RetryPolicy retry.Policy

	// ReconnectPolicy sets the pauses between dials once every server has been tried. It starts over when a connection
	// has lasted. When a policy has no further delays, its last one is repeated. No pause is shorter than 40 ms or a
	// thousandth of the granted session timeout, whichever is less.
	// Defaults to exponential with jitter, from a hundredth to an eighth of the granted session timeout, but at most
	// from 400 ms to 5 s.
	ReconnectPolicy retry.Policy

	// MaxRequestSize is the largest request that is sent, in bytes. Set it to the servers' jute.maxbuffer: they close
	// the connection, without a reply, when a request is longer. At least 163840, which is enough to set watches again
	// after a reconnect.
	// Defaults to 1048575.
	MaxRequestSize int

	// MaxReplySize is the largest reply that is accepted, in bytes. Lists of children have no limit on a server.
	// Defaults to 64 MiB.
	MaxReplySize int

	// Logger receives a line for each event that an operator asks about (info), for what needs attention (warn), and
	// for every dial (debug). slog.Default() turns it on. docs/telemetry.md lists all lines and keys.
	//
	// Its handler is called by a separate goroutine, so a handler that blocks does not block the client. Up to 1024
	// lines are queued, in order. Further lines are dropped, and a line in their place says how many. If the handler
	// panics, that line is lost.
	// Defaults to silence.
	Logger *slog.Logger

	// TracerProvider receives spans: one for each operation, within the caller's, and those of sessions and recipes.
	// See docs/telemetry.md.
	// Defaults to OpenTelemetry's global provider, even if that is set later.
	TracerProvider trace.TracerProvider

	// MeterProvider receives metrics.
	// Defaults to OpenTelemetry's global provider, even if that is set later.
	MeterProvider metric.MeterProvider

	// Random is the source of shuffles, jitter and GUIDs. Simulations set it to make runs reproducible.
	// Defaults to crypto/rand.
	Random io.Reader
}

// Validate returns everything that is wrong with the configuration, in one error.
func (c Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: "+format, append([]any{field}, args...)...))
	}
	if c.SessionTimeout != 0 && (c.SessionTimeout < minSessionTimeout || c.SessionTimeout > maxSessionTimeout) {
		bad("SessionTimeout", "%v is not between %v and %v", c.SessionTimeout, minSessionTimeout, maxSessionTimeout)
		c.SessionTimeout = 0 // do not report what follows from it as well
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

// withDefaults replaces zero values, except for those that depend on the session timeout: see bounds.
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

// detached returns a copy that shares nothing that the caller may change later.
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

// margin returns the trust margin for a granted session timeout.
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
