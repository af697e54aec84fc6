package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// ServiceOption configures a Service.
type ServiceOption func(*serviceConfig)

// serviceConfig is the result of ServiceOptions.
type serviceConfig struct {
	strategy Strategy
	zone     string
	ejection Ejection
}

// WithStrategy sets how [Service.Pick] chooses.
// Defaults to [RoundRobin].
func WithStrategy(s Strategy) ServiceOption { return func(c *serviceConfig) { c.strategy = s } }

// PreferZone picks instances in the zone while there are any, and from all zones otherwise. See [WithZone]. Instances
// with weight 0 do not count while others have more.
func PreferZone(zone string) ServiceOption { return func(c *serviceConfig) { c.zone = zone } }

// WithEjection sets when instances are ejected because of errors.
// Defaults to Ejection{}.
func WithEjection(e Ejection) ServiceOption { return func(c *serviceConfig) { c.ejection = e } }

// Service is a view of one service, kept up to date until it is closed. It is safe for concurrent use.
type Service[T any] struct {
	serviceConfig
	reg    *Registry[T]
	name   string
	path   string
	mirror *cache.Children

	refresh chan chan struct{} // requests an update of the view; the sent channel is closed when that is done
	kick    chan struct{}      // holds a token when an instance was ejected

	_      [line]byte // the fields below are read by Pick, and those around them are written
	picker atomic.Pointer[picker[T]]
	_      [line]byte

	mu      sync.Mutex // guards the fields below, and the conditions of the instances
	view    *view[T]
	changed chan struct{} // closed and replaced when the view changes
	out     []*condition  // of instances that are or were ejected
	limit   int           // how many instances in service may be ejected

	life context.Context // ends on Close
	end  context.CancelCauseFunc
	work sync.WaitGroup

	unlist func() // reports to telemetry that the view is closed
}

// picker picks from the instances that are available at one moment. It is immutable.
type picker[T any] struct {
	flat      []*Endpoint[T] // the available instances, if they fit into one chunk of the roster
	available roster[T]
	pick      func() int
	how       picking
	err       error // why no instance can be picked
}

// newPicker returns a picker of the available instances, at least one.
func newPicker[T any](available roster[T], pick func() int, how picking) *picker[T] {
	return &picker[T]{flat: available.root.items, available: available, pick: pick, how: how}
}

// Open opens a view of a service, and returns when it is complete; ctx bounds only that. A service that does not exist
// has no instances until some are registered.
//
// Errors: those of cache.OpenChildren and those of invalid options.
func (r *Registry[T]) Open(ctx context.Context, name string, opts ...ServiceOption) (*Service[T], error) {
	s := &Service[T]{reg: r, name: name, view: &view[T]{missing: true}, changed: make(chan struct{})}
	s.strategy = RoundRobin()
	for _, opt := range opts {
		opt(&s.serviceConfig)
	}
	s.ejection = s.ejection.withDefaults()
	path, err := r.Path(name)
	if err == nil {
		err = s.ejection.validate()
	}
	if err == nil && s.strategy == nil {
		err = fmt.Errorf("service %s: the Strategy of WithStrategy is nil", name)
	}
	if err != nil {
		return nil, err
	}
	s.path = path
	if s.mirror, err = cache.OpenChildren(ctx, r.cli, path, s.listed()); err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	s.start(ctx)
	s.unlist = recipekit.Telemetry(r.cli).View(func() int { return len(s.Skipped()) })
	return s, nil
}

// start shows the current instances and follows the changes. ctx bounds the first part.
func (s *Service[T]) start(ctx context.Context) {
	s.life, s.end = context.WithCancelCause(context.Background())
	s.refresh, s.kick = make(chan chan struct{}), make(chan struct{}, 1)
	f := newFollower(s)
	events := s.mirror.Events(s.life)
	f.update(ctx)
	s.work.Go(func() { f.run(events) })
}

// Name returns the name of the service.
func (s *Service[T]) Name() string { return s.name }

// Pick chooses one of the available instances with the Service's [Strategy]. It takes no lock, sends no request and
// does not allocate. Call [Endpoint.Done] when the use of the instance has ended.
//
// Errors: [ErrNoInstances], [ErrServiceClosed].
func (s *Service[T]) Pick() (*Endpoint[T], error) {
	p := s.picker.Load()
	if p.err != nil {
		return nil, p.err
	}
	at := lane()
	var e *Endpoint[T]
	if t := p.how.turns; t != nil && p.flat != nil {
		e = p.flat[t.take(at)%uint64(len(p.flat))]
	} else {
		e = s.choose(p, at)
	}
	e.uses.add(at, 1)
	return e, nil
}

// choose picks with the Strategy's function.
func (s *Service[T]) choose(p *picker[T], lane int) *Endpoint[T] {
	switch {
	case p.how.turns != nil:
		return p.available.at(int(p.how.turns.take(lane) % uint64(p.available.count())))
	case p.how.safe:
		return p.available.at(p.pick())
	}
	return s.chooseGuarded(p, lane)
}

// chooseGuarded picks with a user's function. If it panics, or returns an invalid index, instances are picked in turn
// until they change.
func (s *Service[T]) chooseGuarded(p *picker[T], lane int) (e *Endpoint[T]) {
	err := s.reg.cli.Guard("strategy", s.path, func() error {
		e = p.available.at(p.pick())
		return nil
	})
	if err == nil {
		return e
	}
	instead := newPicker(p.available, nil, picking{turns: newTurns(0)})
	s.picker.CompareAndSwap(p, instead)
	return s.choose(instead, lane)
}

// Instances iterates over the current instances, including disabled and ejected ones, ordered by key.
func (s *Service[T]) Instances() iter.Seq[*Endpoint[T]] {
	v, _ := s.look()
	return v.endpoints.all()
}

// Available iterates over the instances that Pick currently chooses from.
func (s *Service[T]) Available() iter.Seq[*Endpoint[T]] { return s.picker.Load().available.all() }

// Skipped lists the nodes that cannot be read. Do not modify the list.
func (s *Service[T]) Skipped() []Skipped {
	v, _ := s.look()
	return v.skipped
}

// look returns the current view, and a channel that is closed when it changes.
func (s *Service[T]) look() (*view[T], <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view, s.changed
}

// StaleSince returns since when the view is stale; the zero Time while it is fresh. A stale view still serves its
// instances.
func (s *Service[T]) StaleSince() time.Time {
	v, _ := s.look()
	if since := s.mirror.StaleSince(); !since.IsZero() {
		return since
	}
	return v.stale
}

// WaitFresh waits until the view shows everything that existed when the current connection began. If ctx ends first, it
// returns the cause of ctx with cache.ErrStale. If the view has ended, it returns [ErrServiceClosed] or
// framework.ErrClosed.
func (s *Service[T]) WaitFresh(ctx context.Context) error {
	if err := s.mirror.WaitFresh(ctx); err != nil && !errors.Is(err, cache.ErrCacheClosed) {
		return fmt.Errorf("service %s: %w", s.name, err)
	}
	shown := make(chan struct{})
	select {
	case s.refresh <- shown:
	case <-s.life.Done():
		return fmt.Errorf("service %s: %w", s.name, context.Cause(s.life))
	case <-ctx.Done():
		return s.unshown(ctx)
	}
	select {
	case <-shown: // the follower has the request and will close shown
		return nil
	case <-ctx.Done():
		return s.unshown(ctx)
	}
}

// unshown returns the error for the end of ctx before the view shows what is known. Only a Codec or a Strategy can take
// so long.
func (s *Service[T]) unshown(ctx context.Context) error {
	return fmt.Errorf("service %s: %w: the Codec, the Strategy, or a function of WithWeight or WithZone has not returned yet: %w", s.name, cache.ErrStale, context.Cause(ctx))
}

// Policy returns how a Service responds to SUSPENDED and LOST.
func (s *Service[T]) Policy() framework.Policy { return s.mirror.Policy() }

// Close ends the view and waits for its goroutines. From then on, Pick returns [ErrServiceClosed], and the channels of
// Changes are closed. Close may be called more than once. It always returns nil.
func (s *Service[T]) Close() error {
	s.mu.Lock()
	s.end(ErrServiceClosed)
	s.mu.Unlock()
	s.unlist()
	err := s.mirror.Close()
	s.work.Wait()
	s.picker.Store(&picker[T]{err: fmt.Errorf("service %s: %w", s.name, ErrServiceClosed)})
	return err
}

func byKey[T any](a, b *Endpoint[T]) int { return cmp.Compare(a.key, b.key) }
