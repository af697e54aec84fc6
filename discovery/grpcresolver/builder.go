package grpcresolver

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"google.golang.org/grpc/resolver"

	"github.com/docent-zk/docent/discovery"
)

// Scheme is the default scheme of targets.
const Scheme = "zk"

// Option configures how targets are resolved.
type Option func(*config)

type config struct {
	scheme string
	tls    bool
}

// WithScheme sets the scheme, for channels of different registries in one process. It is converted to lower case.
// Defaults to [Scheme].
func WithScheme(scheme string) Option { return func(c *config) { c.scheme = strings.ToLower(scheme) } }

// WithSSLPort calls the instances on their SSLPort. Instances without one have no address.
// Defaults to their Port.
func WithSSLPort() Option { return func(c *config) { c.tls = true } }

// New returns a builder of resolvers for the services of a registry, for grpc.WithResolvers or resolver.Register.
func New[T any](reg *discovery.Registry[T], opts ...Option) resolver.Builder {
	b := &builder[T]{reg: reg, config: config{scheme: Scheme}}
	for _, opt := range opts {
		opt(&b.config)
	}
	return b
}

type builder[T any] struct {
	config
	reg *discovery.Registry[T]
}

// Scheme returns the scheme of the targets.
func (b *builder[T]) Scheme() string { return b.scheme }

// Build starts to resolve a target. It does not wait for the registry.
func (b *builder[T]) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	name := target.Endpoint()
	if target.URL.Host != "" {
		return nil, fmt.Errorf("target %s: the registry is given to grpcresolver.New, not in the target: write %s:///%s", target.URL.String(), b.scheme, name)
	}
	if name == "" {
		return nil, fmt.Errorf("target %s: it names no service: write %s:///name", target.URL.String(), b.scheme)
	}
	if _, err := b.reg.Path(name); err != nil { // the name will never be valid
		return nil, fmt.Errorf("target %s: %w", target.URL.String(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower[T]{builder: b, name: name, cc: cc, cancel: cancel, done: make(chan struct{})}
	go f.run(ctx)
	return f, nil
}

// address returns where an instance is called; "" if it cannot be called.
func (c *config) address(host string, port, sslPort int) string {
	if c.tls {
		port = sslPort
	}
	if host == "" || port == 0 { // an empty host would mean this machine
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
