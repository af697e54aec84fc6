package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/guard"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/node"
)

// Option configures a Registry.
type Option[T any] func(*Registry[T])

// WithCodec sets the format of the instances' nodes.
// Defaults to [JSON].
func WithCodec[T any](c Codec[T]) Option[T] { return func(r *Registry[T]) { r.codec = c } }

// WithWeight sets the share of calls that an instance gets in proportion to the others, for [Weighted], [PowerOfTwo]
// and gRPC. An instance whose weight is not above 0 gets no calls while others have more. [RoundRobin], [Random] and
// [Sticky] ignore weights. weight is called once for each change of an instance, and must not modify it. If it panics,
// the weight is 1.
// Defaults to 1 for all instances.
func WithWeight[T any](weight func(*Instance[T]) float64) Option[T] {
	return func(r *Registry[T]) { r.weight = weight }
}

// WithZone sets the zone of an instance, for [PreferZone] and gRPC. zone is called once for each change of an instance,
// and must not modify it. If it panics, the zone is "".
// Defaults to "" for all instances.
func WithZone[T any](zone func(*Instance[T]) string) Option[T] {
	return func(r *Registry[T]) { r.zone = zone }
}

// AnyAddress accepts instances without an address or port, on registering and reading: for services with a well-known
// port, or with an address in their payload. HostPort of such an instance may be empty.
func AnyAddress[T any]() Option[T] { return func(r *Registry[T]) { r.anyAddress = true } }

// Registry is a path below which services are registered and found. Each service has a directory with a node for each
// instance. It is safe for concurrent use, and need not be closed.
type Registry[T any] struct {
	cli    *framework.Client
	base   string
	codec  Codec[T]
	weight func(*Instance[T]) float64
	zone   func(*Instance[T]) string

	anyAddress bool
}

// New returns the registry at basePath. It does not contact the servers; an invalid path is reported by the methods.
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

// BasePath returns the path below which the services are, in the client's namespace.
func (r *Registry[T]) BasePath() string { return r.base }

// Path returns the directory of a service, in the client's namespace. It returns a wrapped *framework.PathError if the
// name or the base path is not valid.
func (r *Registry[T]) Path(name string) (string, error) {
	if err := validateName(name); err != nil {
		return "", fmt.Errorf("service %q: %w", name, err)
	}
	path := framework.Join(r.base, name)
	if err := errors.Join(r.validate(), framework.ValidatePath(path)); err != nil {
		return "", fmt.Errorf("service %q: %w", name, err)
	}
	return path, nil
}

// validate returns what is wrong with the base path and the options, or nil.
func (r *Registry[T]) validate() error {
	switch err := errors.Join(framework.ValidatePath(r.base), recipekit.Usable(r.cli)); {
	case err != nil:
		return err
	case r.codec == nil:
		return fmt.Errorf("registry %s: the Codec of WithCodec is nil", r.base)
	case r.weight == nil:
		return fmt.Errorf("registry %s: the function of WithWeight is nil", r.base)
	case r.zone == nil:
		return fmt.Errorf("registry %s: the function of WithZone is nil", r.base)
	}
	return nil
}

// Names lists the services that have a directory, sorted. After its last instance has gone, a service remains listed
// until the servers remove the empty container. If the base path does not exist, the list is empty. Errors are those of
// framework's Children.
func (r *Registry[T]) Names(ctx context.Context) ([]string, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	names, _, err := r.cli.Children(ctx, r.base)
	if errors.Is(err, framework.ErrNoNode) {
		return nil, nil
	}
	slices.Sort(names)
	return names, err
}

// Skipped is a node that was skipped because it is not a usable instance.
type Skipped struct {
	Path string // of the node
	Err  error  // the reason: ErrUnreadable, ErrUnreachable, framework.ErrNoAuth, ErrPanicked or ErrBlocked, or an error of the user's Codec
}

// Instances reads the instances of a service once, ordered by the names of their nodes. Use [Registry.Open] to read
// them repeatedly. A service that does not exist has no instances. Nodes that cannot be read are skipped, and are not
// an error.
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

// readAll reads the instances of a service concurrently.
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

// Instance reads one instance by the name of its node: its ID, followed by a number if it is [DynamicSequential].
// Errors: framework.ErrNoNode if it does not exist; [ErrUnreadable], [ErrUnreachable] and those of the user's Codec;
// framework.ErrPanicked and ErrBlocked if the Codec panics, or does not return within 10 s.
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
