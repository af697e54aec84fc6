package zktest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// Config configures a Server. The zero value is a single server that is suitable for most tests.
type Config struct {
	// TickTime is the server's unit of time. A silent session expires between its timeout and one tick later.
	// Defaults to 100 ms.
	TickTime time.Duration
	// MinSessionTimeout is the shortest session timeout that the server grants.
	// Defaults to two ticks.
	MinSessionTimeout time.Duration
	// MaxSessionTimeout is the longest session timeout that the server grants. A real server's default is 20 ticks;
	// here, clients get the timeout that they request unless a test wants otherwise.
	// Defaults to one hour.
	MaxSessionTimeout time.Duration
	// Endpoints is the number of addresses of the server, between which clients can fail over. They share one state and
	// never lag behind each other; the members of a Cluster do.
	// Defaults to 1.
	Endpoints int
	// Addrs are the addresses of the endpoints, as "host:port". Their number replaces Endpoints. In memory they must be
	// IP literals.
	// Defaults to free ports of 127.0.0.1, and in memory to addresses reserved for documentation.
	Addrs []string
	// Nodes are the initial nodes with their data. Missing parents are created without data.
	// Defaults to none.
	Nodes map[string]string
	// SyncLimit is the time without contact after which members of a Cluster consider each other lost.
	// Defaults to five ticks.
	SyncLimit time.Duration
	// ElectionTime is how long a Cluster takes to elect a leader.
	// Defaults to two ticks.
	ElectionTime time.Duration
	// ReadOnlyMode makes members of a Cluster serve reads while they have no leader, to clients that accept it, as
	// readonlymode.enabled=true does. See the package documentation.
	// Defaults to false.
	ReadOnlyMode bool
	// MaxRequestSize is the largest accepted request, in bytes (jute.maxbuffer). A larger one ends its connection.
	// Defaults to 1 048 575.
	MaxRequestSize int
	// SuperDigest is the digest identity "user:base64(sha1(user:password))" with all permissions.
	// Defaults to none.
	SuperDigest string
	// SASLUsers are the names and passwords for SASL's DIGEST-MD5, as in a real server's JAAS file. Identities have the
	// scheme "sasl". If it is empty, exchanges are answered but prove nothing.
	// Defaults to none.
	SASLUsers map[string]string
	// SASL begins the server's side of an exchange with any mechanism, instead of DIGEST-MD5 with SASLUsers. Like the
	// methods of SASLExchange, it must not call the server.
	// Defaults to DIGEST-MD5.
	SASL func() SASLExchange
	// RequireSASL ends connections on which a request precedes the exchange, as sessionRequireClientSASLAuth does.
	RequireSASL bool
	// EnforceQuota refuses requests that would exceed the hard limits of a quota below /zookeeper/quota, as
	// enforceQuota does since 3.7. Usage is counted in any case.
	EnforceQuota bool
	// Lacks are requests that the server does not support. Like ZooKeeper, it answers them as unimplemented and ends
	// the connection.
	// Defaults to none.
	Lacks []Op
	// TLS enables TLS for all connections to a server of Start. A client whose certificate is verified has an identity
	// of scheme "x509" with the certificate's subject. A server of StartMemory does not support TLS.
	// Defaults to none.
	TLS *tls.Config
	// ContainerCheckInterval is the time between two searches for empty containers and expired TTL nodes.
	// Defaults to 60 s.
	ContainerCheckInterval time.Duration
	// Watches says how servers of different versions treat recursive and persistent watches.
	// Defaults to SideBySide.
	Watches WatchModes
	// Latency is the mean one-way delay of the in-memory network. Each message takes between half and one and a half of
	// it, drawn from Seed, and no two arrive at the same instant. Start ignores it.
	// Defaults to 200 µs.
	Latency time.Duration
	// Seed determines all random values: latencies and the secret behind session passwords.
	// Defaults to 0.
	Seed uint64
	// Trace, if set, is called with a line for every event, in order. Each line starts with the time since the start.
	// It is called while the server's lock is held, and so must not call the server.
	// Defaults to none.
	Trace func(line string)
	// Log, if set, is called with every change of a node, in the order of the transactions, before clients are
	// notified. It is called while the server's lock is held, and so must not call the server.
	// Defaults to none.
	Log func(Change)

	maxQueued int // bytes that may wait in one direction of a connection before it is reset; 256 MiB but for tests
}

// WatchModes is how a server combines different kinds of watches of one connection on one path.
type WatchModes uint8

// How servers treat recursive and persistent watches, which addWatch sets.
const (
	// SideBySide keeps all kinds of watch on a path, as ZooKeeper does since 3.9.
	SideBySide WatchModes = iota
	// LastWins makes the last kind of watch on a path replace the one before, as ZooKeeper 3.6 to 3.8 do
	// (ZOOKEEPER-4466): a getData with a watch ends a recursive watch on the same node.
	LastWins
	// OneShotOnly supports one-shot watches only, as ZooKeeper before 3.6: addWatch and setWatches2 are not
	// implemented, and end the connection.
	OneShotOnly
)

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.TickTime, 100*time.Millisecond)
	def(&c.MinSessionTimeout, 2*c.TickTime)
	def(&c.MaxSessionTimeout, max(time.Hour, c.MinSessionTimeout))
	def(&c.ContainerCheckInterval, time.Minute)
	def(&c.SyncLimit, 5*c.TickTime)
	def(&c.ElectionTime, 2*c.TickTime)
	def(&c.Latency, 200*time.Microsecond)
	if len(c.Addrs) > 0 && c.Endpoints == 0 {
		c.Endpoints = len(c.Addrs)
	}
	if c.Endpoints == 0 {
		c.Endpoints = 1
	}
	if c.MaxRequestSize == 0 {
		c.MaxRequestSize = 0xfffff
	}
	if c.maxQueued == 0 {
		c.maxQueued = 256 << 20
	}
	return c
}

// validate reports everything that is wrong with a Config whose defaults are filled in.
func (c Config) validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("zktest: "+format, args...))
		}
	}
	wrong(c.TickTime < time.Millisecond, "TickTime is %v; it must be at least 1ms", c.TickTime)
	wrong(c.MinSessionTimeout < time.Millisecond, "MinSessionTimeout is %v; it must be at least 1ms", c.MinSessionTimeout)
	wrong(c.MaxSessionTimeout < c.MinSessionTimeout, "MaxSessionTimeout %v is less than MinSessionTimeout %v",
		c.MaxSessionTimeout, c.MinSessionTimeout)
	wrong(c.Endpoints < 1 || c.Endpoints > 250, "Endpoints is %d; it must be between 1 and 250", c.Endpoints)
	wrong(len(c.Addrs) > 0 && len(c.Addrs) != c.Endpoints, "there are %d Addrs for %d endpoints", len(c.Addrs), c.Endpoints)
	wrong(c.MaxRequestSize < 64, "MaxRequestSize is %d; it must be at least 64", c.MaxRequestSize)
	wrong(c.ContainerCheckInterval < time.Millisecond, "ContainerCheckInterval is %v; it must be at least 1ms",
		c.ContainerCheckInterval)
	wrong(c.SyncLimit < 0 || c.ElectionTime < 0, "SyncLimit is %v and ElectionTime %v; they must not be negative", c.SyncLimit, c.ElectionTime)
	wrong(c.Watches > OneShotOnly, "Watches is %d; it must be SideBySide, LastWins or OneShotOnly", c.Watches)
	wrong(c.Latency < 0, "Latency is %v; it must not be negative", c.Latency)
	return errors.Join(errs...)
}
