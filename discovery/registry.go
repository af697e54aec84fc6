package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/guard"
	"github.com/docent-zk/docent/node"
)

// Option changes what a Registry reads and writes.
type Option[T any] func(*Registry[T])

// WithCodec sets the format of the instances' nodes. Defaults to [JSON].
func WithCodec[T any](c Codec[T]) Option[T] { return func(r *Registry[T]) { r.codec = c } }

// WithWeight says what share of the calls an instance should get, in proportion to the others: for [Weighted], [PowerOfTwo] and
// gRPC. An instance whose weight is not above 0 gets no calls while others have more. [RoundRobin], [Random] and [Sticky] know no
// weights. The function is called once for each change of an instance, and must not change it. An instance for which it panics has the
// weight 1. Defaults to 1 for all.
func WithWeight[T any](weight func(*Instance[T]) float64) Option[T] {
	return func(r *Registry[T]) { r.weight = weight }
}

// WithZone says where an instance is, for [PreferZone] and gRPC. It is called once for each change of an instance, and must
// not change it. An instance for which it panics has the zone "". Defaults to "" for all.
func WithZone[T any](zone func(*Instance[T]) string) Option[T] {
	return func(r *Registry[T]) { r.zone = zone }
}

// AnyAddress registers and reads instances whatever they say of their addresses and ports: for services whose ports everybody
// knows, or whose payloads say where they are. HostPort of such an instance may be empty.
func AnyAddress[T any]() Option[T] { return func(r *Registry[T]) { r.anyAddress = true } }

// Registry is where services are registered and found: a path below which each service has a directory, with a node for each
// instance. It is safe for use by many goroutines, and needs no closing.
type Registry[T any] struct {
	cli    *framework.Client
	base   string
	codec  Codec[T]
	weight func(*Instance[T]) float64
	zone   func(*Instance[T]) string

	anyAddress bool
}

// New returns the registry at basePath. It does nothing yet: a path that ZooKeeper cannot have is an error of what is called
// on it.
func New[T any](cli *framework.Client, basePath string, opts ...Option[T]) *Registry[T] {
	r := &Registry[T]{
		cli: cli, base: framework.Join("/", basePath), codec: JSON[T](),
		weight: func(*Instance[T]) float64 { return 1 }, zone: func(*Instance[T]) string { return "" },
	}
	for _, opt := range opts {
		opt(r)
	}
	return r
}

// BasePath is the path below which the services are, in the client's namespace.
func (r *Registry[T]) BasePath() string { return r.base }

// Path is the directory of a service, in the client's namespace. The error is a *framework.PathError, wrapped, when no service can
// have that name, or the registry that base path.
func (r *Registry[T]) Path(name string) (string, error) {
	if err := validateName(name); err != nil {
		return "", fmt.Errorf("service %q: %w", name, err)
	}
	path := framework.Join(r.base, name)
	if err := framework.ValidatePath(path); err != nil {
		return "", fmt.Errorf("service %q: %w", name, err)
	}
	return path, nil
}

// Names lists the services that have a directory, in order. A service whose last instance has gone stays for some time,
// until the servers remove the empty container. Errors are those of framework's Children, but no base path is no services.
func (r *Registry[T]) Names(ctx context.Context) ([]string, error) {
	names, _, err := r.cli.Children(ctx, r.base)
	if errors.Is(err, framework.ErrNoNode) {
		return nil, nil
	}
	slices.Sort(names)
	return names, err
}

// Skipped is a node in the directory of a service that was left out.
type Skipped struct {
	Path string // of the node
	Err  error  // why: ErrUnreadable, ErrUnreachable, framework.ErrNoAuth, ErrPanicked or ErrBlocked, or an error of one's own Codec
}

// Instances asks for the instances of a service, once, in the order of the names of their nodes. [Registry.Open] is for
// asking often. A service that is not there has none. What cannot be read is skipped, never an error.
func (r *Registry[T]) Instances(ctx context.Context, name string) ([]Instance[T], []Skipped, error) {
	dir, err := r.Path(name)
	if err != nil {
		return nil, nil, err
	}
	members, err := node.Members(ctx, r.cli, dir)
	if err != nil {
		return nil, nil, fmt.Errorf("service %s: %w", name, err)
	}
	instances, skipped := r.readAll(ctx, dir, members)
	if ctx.Err() != nil && slices.ContainsFunc(skipped, func(s Skipped) bool { return errors.Is(s.Err, framework.ErrBlocked) }) {
		return nil, nil, fmt.Errorf("service %s: %w: the Codec, until %w", name, framework.ErrBlocked, framework.ContextError(ctx))
	}
	return instances, skipped, nil
}

// readAll reads the instances of a service, all at once.
func (r *Registry[T]) readAll(ctx context.Context, dir string, members []node.Member) (instances []Instance[T], skipped []Skipped) {
	limited, cancel := context.WithTimeout(ctx, guard.Patience)
	defer cancel()
	calls := make([]*guard.Call[Instance[T]], len(members))
	for i, m := range members {
		if m.Err == nil {
			calls[i] = r.begin(framework.Join(dir, m.ID), m.Data)
		}
	}
	for i, m := range members {
		var in Instance[T]
		err := m.Err
		if err == nil {
			in, err = finish(ctx, limited, calls[i])
		}
		if err != nil {
			skipped = append(skipped, Skipped{Path: framework.Join(dir, m.ID), Err: err})
			continue
		}
		instances = append(instances, in)
	}
	return instances, skipped
}

// Instance asks for one instance by the name of its node, which is its ID, with a number behind it if it is
// [DynamicSequential]. Errors: framework.ErrNoNode if there is none; [ErrUnreadable], [ErrUnreachable] and those of one's own Codec;
// framework.ErrPanicked and ErrBlocked if that panics, or does not return within 10 s.
func (r *Registry[T]) Instance(ctx context.Context, name, id string) (Instance[T], error) {
	dir, err := r.Path(name)
	if err == nil {
		err = validateID(id)
	}
	if err != nil {
		return Instance[T]{}, err
	}
	n, err := r.cli.Get(ctx, framework.Join(dir, id))
	if err != nil {
		return Instance[T]{}, fmt.Errorf("service %s: %w", name, err)
	}
	limited, cancel := context.WithTimeout(ctx, guard.Patience)
	defer cancel()
	in, err := finish(ctx, limited, r.begin(n.Path, n.Data))
	if err != nil {
		return Instance[T]{}, fmt.Errorf("instance %s: %w", n.Path, err)
	}
	return in, nil
}
